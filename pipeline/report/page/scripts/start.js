// The page starts with the details of what is to be shipped.
function redraw() {
  if (find("plot")) drawPlot();
  drawCurves();
  drawLengths();
}

// What is seen first is drawn: now the long tables are laid out, and what is further down is drawn.
function settle() {
  document.documentElement.classList.add("settled");
  drawCurves();
}

function start() {
  if (find("plot")) startPlot();
  startWords();
  startFilters();
  startTable();
  startLengths();
  document.documentElement.classList.add("ready");
  const first = content.rows.find((row) => row.picked) || content.rows[0];
  if (first) choose(first.id);
  applyFilters();
  Promise.resolve(plot.drawing).finally(() => requestAnimationFrame(() => setTimeout(settle)));
  dark.addEventListener("change", redraw);
  let width = window.innerWidth;
  let waiting = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 150);
  });
}

start();
