// Talks with the chat through each transport; prints what it saw as JSON.
const { createRequire } = require("node:module");
const load = createRequire(process.argv[2] + "/");
const { io } = load("socket.io-client");

const url = process.argv[3];
const transports = JSON.parse(process.argv[4]);
const extraHeaders = JSON.parse(process.argv[5]);
const parser = process.argv[6] ? load(process.argv[6]) : undefined;

const seen = { echoes: [] };
const socket = io(url, { transports, extraHeaders, parser, reconnection: false, timeout: 10000 });
const fail = (error) => { console.log(JSON.stringify({ error: error.message })); process.exit(); };

socket.on("connect_error", fail);
socket.on("question", (question, answer) => answer(question + " Yes!"));
socket.on("echo", async (number, bytes) => {
  seen.echoes.push([number, [...bytes]]);
  if (seen.echoes.length < 40) return;
  seen.sum = await socket.emitWithAck("add", 1, 2);
  seen.answer = await socket.emitWithAck("ask", "Pie?");
  seen.name = (await socket.emitWithAck("name")) ?? null;
  // A namespace that refuses leaves the other one alone.
  const room = socket.io.socket("/room");
  seen.room = await new Promise((resolve) => {
    room.on("connect", async () => resolve(await room.emitWithAck("name")));
    room.on("connect_error", (error) => resolve(error.message));
  });
  seen.transport = await socket.emitWithAck("transport");
  socket.on("disconnect", (reason) => {
    seen.reason = reason;
    console.log(JSON.stringify(seen));
    process.exit();
  });
  socket.emit("leave");
});
// In one burst, before there is a connection: the client keeps them until then.
for (let number = 0; number < 40; number++) socket.emit("echo", number, Buffer.from([0, number]));
