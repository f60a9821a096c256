// Training curves, and how the teacher's scores spread with the mined pairs.
const asPoints = (pairs) => pairs.map(([x, y]) => ({ x, y }));

// A title in lines that the height has room for.
function titleLines(text) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1).length + word.length > 17) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines;
}

function lineSpec(pairs, width, title, colour, { marked, fromZero }) {
  const at = { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" } };
  const marks = [{
    type: "line", from: { data: "points" }, aria: false,
    encode: { update: { ...at, stroke: { value: colour }, strokeWidth: { value: 1.8 } } },
  }];
  if (marked) marks.push({
    type: "symbol", from: { data: "points" }, aria: false,
    encode: { update: { ...at, fill: { value: colour }, size: { value: 40 }, tooltip: { signal: "format(datum.y, '.2f')" } } },
  });
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    width, height: 190, autosize: { type: "fit", contains: "padding" }, padding: 4,
    data: [{ name: "points", values: asPoints(pairs) }],
    scales: [
      { name: "x", type: "linear", domain: { data: "points", field: "x" }, range: "width", nice: true, zero: true },
      { name: "y", type: "linear", domain: { data: "points", field: "y" }, range: "height", nice: true, zero: fromZero },
    ],
    axes: [
      { orient: "bottom", aria: false, scale: "x", title: "Optimizer steps", tickCount: 5, format: ",d" },
      { orient: "left", aria: false, scale: "y", title: titleLines(title), grid: true, tickCount: 4 },
    ],
    marks,
  };
}

function stairsSpec(before, after, width, colours) {
  const share = (counts) => {
    const all = Math.max(1, counts.reduce((sum, count) => sum + count, 0));
    return counts.map((count, index) => ({ x: -1 + (2 * index) / counts.length, x2: -1 + (2 * (index + 1)) / counts.length, y: (100 * count) / all }));
  };
  const bars = share(after);
  const outline = share(before).flatMap(({ x, x2, y }) => [{ x, y }, { x: x2, y }]);
  const most = Math.max(1, ...bars.map((bar) => bar.y), ...outline.map((point) => point.y));
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    width, height: 240, autosize: { type: "fit", contains: "padding" }, padding: 4,
    data: [{ name: "after", values: bars }, { name: "before", values: outline }],
    scales: [
      { name: "x", type: "linear", domain: [-1, 1], range: "width" },
      { name: "y", type: "linear", domain: [0, most], range: "height", nice: true },
      { name: "which", type: "ordinal", domain: ["labelled pairs", "with the mined ones"], range: [colours.teacher, colours.artifact] },
    ],
    axes: [
      { orient: "bottom", aria: false, scale: "x", title: "Teacher's cosine" },
      { orient: "left", aria: false, scale: "y", title: "% of the pairs", grid: true, tickCount: 5 },
    ],
    legends: [{ fill: "which", orient: "top", direction: "horizontal" }],
    marks: [
      { type: "rect", from: { data: "after" }, aria: false, encode: { update: {
        x: { scale: "x", field: "x" }, x2: { scale: "x", field: "x2" }, y: { scale: "y", field: "y" }, y2: { scale: "y", value: 0 },
        fill: { value: colours.artifact }, fillOpacity: { value: 0.6 } } } },
      { type: "line", from: { data: "before" }, aria: false, encode: { update: {
        x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" }, stroke: { value: colours.teacher }, strokeWidth: { value: 2 } } } },
    ],
  };
}

function drawCurves() {
  const colours = theme();
  for (const host of document.querySelectorAll("[data-curve]")) {
    const { loss, dev, metric } = content.training[Number(host.dataset.training)];
    const isLoss = host.dataset.curve === "loss";
    const spec = isLoss
      ? lineSpec(loss, host.clientWidth, "Training loss", colours.student, { marked: false, fromZero: loss.every(([, y]) => y >= 0) })
      : lineSpec(dev, host.clientWidth, metric, colours.artifact, { marked: true, fromZero: false });
    drawVega(host, spec);
  }
  for (const host of document.querySelectorAll("[data-mined]")) {
    const { before, after } = content.mined[Number(host.dataset.mined)];
    drawVega(host, stairsSpec(before, after, host.clientWidth, colours));
  }
}
