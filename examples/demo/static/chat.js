// A chat room: shows what is said in it, and says what is typed.

const log = document.querySelector("#log");
const form = document.querySelector("#say");
const button = form.querySelector("button");
const state = document.querySelector("#state");
const address = new URL(log.dataset.socket, location);
address.protocol = address.protocol.replace("http", "ws");
let socket, pause;

function show({name, text, said_at}) {
  const item = document.createElement("li");
  const who = document.createElement("strong");
  const when = document.createElement("time");
  const what = document.createElement("p");
  // textContent, not innerHTML: what others wrote is text, whatever it looks like.
  who.textContent = name;
  what.textContent = text;
  when.dateTime = said_at;
  when.textContent = new Date(said_at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});
  item.append(who, when, what);
  log.append(item);
  log.scrollTop = log.scrollHeight;
}

function connect() {
  socket = new WebSocket(address);
  socket.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.history) {
      log.replaceChildren();
      message.history.forEach(show);
      state.textContent = `You are here as “${message.name}”.`;
      button.disabled = false;
      pause = 500;
    } else if (message.error) {
      state.textContent = message.error;
    } else {
      show(message);
    }
  };
  // Also after a connection that never came about; the pauses grow, up to half a minute.
  socket.onclose = () => {
    state.textContent = "The connection is gone. Trying again …";
    button.disabled = true;
    setTimeout(connect, pause);
    pause = Math.min(2 * pause, 30_000);
  };
}

form.addEventListener("submit", event => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({text: form.elements.text.value}));
  form.reset();
});

pause = 500;
connect();
