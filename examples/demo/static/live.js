// The guestbook while it is open: tells what other visitors do.

import { io } from "./vendor/socket.io.esm.min.js";

const news = document.querySelector("#news");
const socket = io({ path: news.dataset.socket });

// textContent and append() take text for text, whatever it looks like.
socket.on("arrived", name => {
  news.textContent = `${name} is reading the guestbook, too.`;
});

socket.on("signed", ([name, address]) => {
  const link = document.createElement("a");
  link.href = address;
  link.textContent = "Read it";
  news.replaceChildren(`${name} has just signed the guestbook. `, link);
});
