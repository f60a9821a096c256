// Sorting: numbers from the greatest, texts from A; what was not measured always comes last.
function compareKeys(a, b, numeric, ascending) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const order = numeric ? Number(a) - Number(b) : a.localeCompare(b);
  return ascending ? order : -order;
}

function sortBy(header) {
  const headers = [...header.parentElement.children];
  const column = headers.indexOf(header);
  const numeric = header.classList.contains("number");
  const was = header.getAttribute("aria-sort");
  const ascending = was === null ? !numeric : was === "descending";
  for (const other of headers) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = document.querySelector("#rows tbody");
  const lines = [...body.rows].map((line) => [line, line.cells[column].dataset.key]);
  lines.sort(([, a], [, b]) => compareKeys(a, b, numeric, ascending));
  body.append(...lines.map(([line]) => line));
  announce(`Sorted by ${header.textContent.trim()}, ${ascending ? "ascending" : "descending"}`);
}

function markChosenLine(row) {
  for (const line of document.querySelectorAll("#rows tbody tr")) {
    line.classList.toggle("chosen", line.id === row.id);
  }
}

function startTable() {
  for (const button of document.querySelectorAll("#rows thead button")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }
  for (const button of document.querySelectorAll("#rows tbody button")) {
    button.addEventListener("click", () => {
      choose(button.closest("tr").id);
      find("detail").focus();
    });
  }
  choice.heard.push(markChosenLine);
}
