// The form works without this, as a form does. With it the page stays and shows how far it is; the
// server's answer is the same page anew, of which the result is taken over.
const form = document.querySelector("#upload");
const button = form.querySelector("button");
const progress = document.querySelector("#progress");

function setProgress(share) {
  const percent = Math.floor(100 * share);
  progress.style.setProperty("--done", percent + "%");
  progress.setAttribute("aria-valuenow", percent);
}

function show(problem) {
  document.querySelector("#problem").textContent = problem;
}

function setBusy(isBusy) {
  progress.hidden = !isBusy;
  button.disabled = isBusy;
}

form.addEventListener("submit", event => {
  event.preventDefault();
  const [file] = form.elements.file.files;
  if (file.size > form.dataset.maxSize) return show("That file is too large.");
  const request = new XMLHttpRequest();
  request.upload.onprogress = ({loaded, total}) => setProgress(loaded / total);
  request.onload = () => {
    const result = request.response?.querySelector("#result");
    if (!result) return show("The server could not keep that file.");
    document.querySelector("#result").replaceWith(result);
    if (request.status === 200) form.reset();
  };
  request.onerror = () => show("The connection broke off.");
  request.onloadend = () => setBusy(false);
  request.open("POST", form.action);
  request.responseType = "document";
  request.send(new FormData(form));
  show("");
  setProgress(0);
  setBusy(true);
});
