// The plot of accuracy over latency: drawing, hovering, clicking, and the same by keyboard.
const plot = { view: null, points: [], active: -1, drawn: 0, drawing: null };

function plotPoints() {
  const cost = find("cost").value;
  return shownRows()
    .filter((row) => row.value !== undefined && row.costs[cost] !== undefined)
    .map(({ figures, costs, snippets, ...row }) => ({ ...row, x: costs[cost] }))
    .sort((a, b) => a.x - b.x);
}

async function drawPlot() {
  const host = find("plot");
  plot.drawn += 1;
  const turn = plot.drawn;
  plot.points = plotPoints();
  plot.active = -1;
  hideTip();
  tellCount(new Set(plot.points.map((point) => point.id)));
  find("plot-empty").hidden = plot.points.length > 0 || !shownRows().length;
  host.hidden = plot.points.length === 0;
  if (plot.view) plot.view.finalize();
  plot.view = null;
  find("plot-names").hidden = true;
  if (!plot.points.length) return;
  const width = Math.max(260, host.clientWidth);
  const named = namedPoints(plot.points);
  listNames(find("plot-names"), width, named.map((point) => `${fullName(point)}  ${point.said.value.split(",")[0]}`));
  const option = find("cost").selectedOptions[0];
  const settings = {
    width, height: Math.round(Math.min(480, Math.max(360, width * 0.55))), log: find("log").checked,
    title: option.textContent + (find("log").checked ? ", log scale" : ""),
  };
  const drawn = await drawVega(host, plotSpec(plot.points, settings, theme()), showTipOf);
  if (turn !== plot.drawn) return drawn.view.finalize();
  plot.view = drawn.view;
  plot.view.addEventListener("click", (event, item) => {
    if (item && item.mark.name === "models") choose(item.datum.id);
  });
}

function figureList(row, named = (what) => what) {
  const lines = [...tableFigures(row), ...row.figures];
  const pairs = lines.map(([what, said]) => element("div", {}, element("dt", {}, named(what)), element("dd", {}, said)));
  return element("dl", { className: "figures" }, ...pairs);
}

function showTip(row, x, y) {
  placeTip(x, y, element("b", {}, fullName(row)), figureList(row));
}

function showTipOf(handler, event, item, id) {
  const row = rowById.get(id);
  if (row) showTip(row, event.clientX, event.clientY);
  else hideTip();
}

function ring(signal, id) {
  if (plot.view) plot.view.signal(signal, id).runAsync();
}

function goTo(index) {
  plot.active = Math.max(0, Math.min(plot.points.length - 1, index));
  const point = plot.points[plot.active];
  ring("active", point.id);
  const option = find("cost").selectedOptions[0];
  const cost = `${option.textContent}: ${point.said[option.value]}`;
  announce(`${fullName(point)}, ${point.kind}. ${content.metric}: ${point.said.value}. ${cost}.`);
  showActiveTip();
}

function showActiveTip() {
  const mark = find("plot").querySelectorAll(".mark-symbol.models path")[plot.active].getBoundingClientRect();
  showTip(rowById.get(plot.points[plot.active].id), mark.right, mark.top);
}

// focusing the plot may scroll it into view, and the browser tells so only after a key has shown the tip
function onScroll() {
  if (words.shown) return;
  const byKeyboard = document.activeElement === find("plot") && plot.active >= 0 && !find("tip").hidden;
  if (byKeyboard) showActiveTip();
  else hideTip();
}

function onPlotKey(event) {
  const last = plot.points.length - 1;
  const to = { ArrowRight: plot.active + 1, ArrowLeft: plot.active - 1, Home: 0, End: last }[event.key];
  if (to !== undefined) goTo(to);
  else if ((event.key === "Enter" || event.key === " ") && plot.active >= 0) {
    choose(plot.points[plot.active].id);
    find("detail").focus();
  } else if (event.key === "Escape") hideTip();
  else return;
  event.preventDefault();
}

function startPlot() {
  const used = content.costs.filter(({ key }) => content.rows.some((row) => row.costs[key] !== undefined));
  find("cost").append(...used.map(({ key, title }) => element("option", { value: key }, title)));
  for (const id of ["cost", "log"]) find(id).addEventListener("change", drawPlot);
  const host = find("plot");
  host.addEventListener("keydown", onPlotKey);
  host.addEventListener("blur", () => { hideTip(); ring("active", ""); });
  document.addEventListener("scroll", onScroll, { passive: true });
  filtered.heard.push(() => { plot.drawing = drawPlot(); });
  choice.heard.push((row) => ring("chosen", row.id));
}
