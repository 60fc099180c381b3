// The page of the chat: shows what is said, and says what is typed.

import { io } from "./vendor/socket.io.esm.min.js";

const { socket: path, name: ownName } = document.body.dataset;
const log = document.querySelector("#log");
const form = document.querySelector("#say");
const state = document.querySelector("#state");
const problem = document.querySelector("#problem");
const button = form.querySelector("button");

let lastId = 0; // of the messages that the page shows
let lastName = null; // who said the latest of them; null after anything else

// textContent, never innerHTML: what others wrote is text, whatever it looks like.
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function hue(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}

// Keep the latest in sight, unless the reader has scrolled away from it.
function append(item) {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(item);
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function showMessage({ id, name, text, said_at }) {
  if (id <= lastId) return; // it came twice: by itself, and in catching up
  const item = element("li", name === ownName ? "message own" : "message", "");
  item.style.setProperty("--hue", hue(name));
  if (name !== lastName) {
    item.classList.add("first");
    const avatar = element("span", "avatar", [...name][0].toUpperCase());
    avatar.setAttribute("aria-hidden", "true");
    item.append(avatar, element("strong", "name", name));
  }
  const said = new Date(said_at);
  const time = element("time", "", said.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = said.toISOString();
  const bubble = element("p", "bubble", text);
  bubble.append(time);
  item.append(bubble);
  append(item);
  lastId = id;
  lastName = name;
}

function setConnected(isConnected) {
  state.textContent = isConnected ? `Here as ${ownName}` : "Not connected. Trying again …";
  state.classList.toggle("connected", isConnected);
  button.disabled = !isConnected;
}

const socket = io({ path });

socket.on("connect", async () => {
  const missed = await socket.timeout(10_000).emitWithAck("catch_up", lastId);
  missed.forEach(showMessage);
  setConnected(true);
});

socket.on("message", showMessage);

socket.on("note", text => {
  append(element("li", "note", text));
  lastName = null;
});

socket.on("disconnect", () => {
  setConnected(false);
  // The client tries again by itself, unless the server has said goodbye.
  if (!socket.active) setTimeout(() => socket.connect(), 1000);
});

socket.on("connect_error", error => {
  setConnected(false);
  if (error.message === "please log in") location.reload();
});

form.addEventListener("submit", async event => {
  event.preventDefault();
  if (!socket.connected) return;
  const text = form.elements.text.value;
  form.reset();
  try {
    problem.textContent = await socket.timeout(10_000).emitWithAck("say", text) ?? "";
  } catch {
    problem.textContent = "The server did not answer. Was that said?";
  }
});
