// The page's content, and how elements are made: texts only ever become text nodes, never markup.
const content = JSON.parse(document.getElementById("content").textContent);
const rowById = new Map(content.rows.map((row) => [row.id, row]));
const find = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// A word with what it means, to be pointed at or reached by keyboard; as it is where the glossary has none.
function term(text) {
  const what = content.glossary[text];
  return what ? element("abbr", { className: "term", tabIndex: 0, title: what }, text) : text;
}

// What a screen reader is to read out.
function announce(text) {
  find("announced").textContent = text;
}

const fullName = (row) => (content.several ? `${row.run} · ${row.name}` : row.name);

// Header and text of each cell of a row's line in the table, those not measured left out.
function tableFigures(row) {
  const names = [...document.querySelectorAll("#rows thead th[data-name]")].map((header) => header.dataset.name);
  const cells = [...find(row.id).querySelectorAll("td[data-key]")];
  return cells.map((cell, index) => [names[index], cell.textContent]).filter(([, text]) => text !== "–");
}
