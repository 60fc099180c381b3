// Lists the files of this page as the browser got them.
addEventListener("load", () => {
  const rows = performance.getEntriesByType("resource").map((entry) => {
    const row = document.createElement("tr");
    const name = decodeURIComponent(new URL(entry.name).pathname.split("/").pop());
    // Nothing came over the wire if the browser had kept the file.
    const size = entry.transferSize === 0 ? "kept" : entry.encodedBodySize.toLocaleString("en");
    for (const text of [name, size]) {
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    return row;
  });
  document.getElementById("files").replaceChildren(...rows);
});
