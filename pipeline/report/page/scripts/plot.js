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
  find("plot-empty").hidden = plot.points.length > 0;
  host.hidden = plot.points.length === 0;
  if (plot.view) plot.view.finalize();
  plot.view = null;
  if (!plot.points.length) return;
  const width = Math.max(260, host.clientWidth);
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

function figureList(row) {
  const lines = [...tableFigures(row), ...row.figures];
  return element("dl", {}, ...lines.flatMap(([what, said]) => [element("dt", {}, what), element("dd", {}, said)]));
}

function showTip(row, x, y) {
  const tip = find("tip");
  tip.replaceChildren(element("b", {}, fullName(row)), figureList(row));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > window.innerWidth ? x - width - 16 : x + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, Math.min(y - height / 2, window.innerHeight - height - 4))}px`;
}

function hideTip() {
  find("tip").hidden = true;
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
  const interval = `from ${point.low.toFixed(2)} to ${point.high.toFixed(2)}`;
  const cost = `${find("cost").selectedOptions[0].textContent}: ${point.x.toPrecision(3)}`;
  announce(`${fullName(point)}, ${point.kind}. ${content.metric}: ${point.value.toFixed(2)}, ${interval}. ${cost}.`);
  showActiveTip();
}

function showActiveTip() {
  const mark = find("plot").querySelectorAll(".mark-symbol.models path")[plot.active].getBoundingClientRect();
  showTip(rowById.get(plot.points[plot.active].id), mark.right, mark.top);
}

// focusing the plot may scroll it into view, and the browser tells so only after a key has shown the tip
function onScroll() {
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
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  document.addEventListener("scroll", onScroll, { passive: true });
  filtered.heard.push(() => { plot.drawing = drawPlot(); });
  choice.heard.push((row) => ring("chosen", row.id));
}
