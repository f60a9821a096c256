// Filters: of each facet only the pressed values are shown; with none pressed, all.
const FACETS = [["run", "Run"], ["precision", "Precision"], ["runtime", "Runtime"], ["layers", "Layers"], ["dim", "Dimensions"]];
const pressed = new Map(FACETS.map(([key]) => [key, new Set()]));
const filtered = { heard: [] };

function isShown(row) {
  const kept = find("keep-references").checked && (row.kind === "teacher" || row.kind === "baseline");
  return FACETS.every(([key]) => !pressed.get(key).size || pressed.get(key).has(row[key]) || (kept && key !== "run"));
}

const shownRows = () => content.rows.filter(isShown);

// How many models are listed and how many drawn, and which of the listed ones cannot be drawn.
function tellCount(drawn) {
  const listed = shownRows();
  const said = [`${listed.length} of ${content.rows.length} models in the table`];
  if (drawn) {
    said[0] += `, ${drawn.size} in the plot`;
    const others = listed.filter((row) => !drawn.has(row.id)).map(fullName);
    const more = others.length > 3 ? ` and ${others.length - 3} more` : "";
    if (others.length) said.push(`without accuracy or latency: ${others.slice(0, 3).join(", ")}${more}`);
  }
  find("shown-count").textContent = said.join("; ");
}

function applyFilters() {
  const shown = new Set(shownRows().map((row) => row.id));
  for (const row of content.rows) find(row.id).hidden = !shown.has(row.id);
  find("nothing-shown").hidden = shown.size > 0;
  if (!find("plot")) tellCount();
  for (const hear of filtered.heard) hear();
}

function valuesOf(key) {
  const values = [...new Set(content.rows.map((row) => row[key]).filter((value) => value !== null))];
  return values.sort((a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b))));
}

function facet(key, title) {
  const values = valuesOf(key);
  if (values.length < 2) return null;
  const chips = values.map((value) => {
    const box = element("input", { type: "checkbox" });
    box.dataset.facet = key;
    box.dataset.value = String(value);
    box.addEventListener("change", () => {
      if (box.checked) pressed.get(key).add(value);
      else pressed.get(key).delete(value);
      applyFilters();
    });
    return element("label", { className: "chip" }, box, element("span", {}, String(value)));
  });
  return element("fieldset", {}, element("legend", {}, term(title)), ...chips);
}

function startFilters() {
  find("facets").append(...FACETS.map(([key, title]) => facet(key, title)).filter(Boolean));
  find("keep-references").addEventListener("change", applyFilters);
  find("reset").addEventListener("click", () => {
    for (const values of pressed.values()) values.clear();
    for (const box of find("facets").querySelectorAll("input")) box.checked = false;
    find("keep-references").checked = true;
    applyFilters();
  });
}
