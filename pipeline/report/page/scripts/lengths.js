// Latency over the tokens of a text, a line a model; drawn once it is near, as it is far down and of many lines.
const lengths = { near: false, view: null, drawn: 0 };

function lengthPoints() {
  return shownRows().flatMap((row) => content.lengths
    .filter((tokens) => row.byTokens && row.byTokens[tokens] !== undefined)
    .map((tokens) => ({
      id: row.id, run: row.run, kind: row.kind, x: Number(tokens), y: row.byTokens[tokens],
      told: row.picked || row.id === choice.id, name: fullName(row),
    })));
}

function lengthScales(points, colours) {
  const [x, y] = [content.lengths.map(Number), points.map((point) => point.y)];
  const groups = content.several ? [...new Set(content.rows.map((row) => row.run))] : KINDS;
  return [
    { name: "x", type: "log", domain: [x[0] / 1.15, x[x.length - 1] * 1.15], range: "width" },
    { name: "y", type: "log", domain: [Math.min(...y) / 1.3, Math.max(...y) * 1.4], range: "height" },
    { name: "colour", type: "ordinal", domain: groups, range: content.several ? colours.runs : colours.kinds },
  ];
}

function nameMark(paint) {
  return {
    type: "text", from: { data: "last" }, interactive: false, aria: false,
    encode: { update: {
      x: { scale: "x", field: "x" }, y: { scale: "y", field: "y", offset: -10 }, text: { field: "name" },
      align: { value: "right" }, fontSize: { value: 12 }, fontWeight: { value: "bold" }, ...paint,
    } },
  };
}

function lengthMarks(colours) {
  const at = { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" } };
  const colour = { scale: "colour", field: content.several ? "run" : "kind" };
  const strength = [{ test: "datum.told", value: 1 }, { value: 0.45 }];
  return [
    {
      type: "group", from: { facet: { name: "of", data: "points", groupby: "id" } }, interactive: false, aria: false,
      marks: [{
        type: "line", from: { data: "of" }, aria: false,
        encode: { update: { ...at, stroke: colour, strokeOpacity: strength, strokeWidth: [{ test: "datum.told", value: 2.6 }, { value: 1.2 }] } },
      }],
    },
    {
      type: "symbol", name: "times", from: { data: "points" }, aria: false,
      encode: { update: { ...at, fill: colour, fillOpacity: strength, size: { value: 34 }, tooltip: { field: "id" } } },
    },
    nameMark({ stroke: { value: colours.paper }, strokeWidth: { value: 4 } }), // so that the lines behind it do not cross it
    nameMark({ fill: { value: colours.ink } }),
  ];
}

function lengthSpec(points, width, colours) {
  const columns = width < 500 ? 2 : 4;
  const [x, y] = [content.lengths.map(Number), points.map((point) => point.y)];
  const longest = x[x.length - 1];
  const present = [...new Set(points.map((point) => (content.several ? point.run : point.kind)))];
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    width, height: 320, autosize: { type: "fit", contains: "padding" }, padding: 4,
    data: [
      { name: "points", values: points },
      { name: "last", values: points.filter((point) => point.told && point.x === longest) },
    ],
    scales: lengthScales(points, colours),
    axes: [
      { orient: "bottom", aria: false, scale: "x", title: "Tokens of the text, log scale", values: x, format: "d" },
      { orient: "left", aria: false, scale: "y", title: "Milliseconds, log scale", grid: true, format: "~g", values: logTicks(Math.min(...y) / 1.3, Math.max(...y) * 1.4) },
    ],
    legends: [{ fill: "colour", values: present, title: null, orient: "top", direction: "horizontal", columns }],
    marks: lengthMarks(colours),
  };
}

async function drawLengths() {
  const host = find("lengths");
  if (!host || !lengths.near) return;
  lengths.drawn += 1;
  const turn = lengths.drawn;
  const points = lengthPoints();
  if (lengths.view) lengths.view.finalize();
  lengths.view = null;
  host.parentElement.hidden = points.length === 0;
  if (!points.length) return;
  const drawn = await drawVega(host, lengthSpec(points, Math.max(260, host.clientWidth), theme()), showTipOf);
  if (turn === lengths.drawn) lengths.view = drawn.view;
  else drawn.view.finalize();
}

function startLengths() {
  if (!find("lengths")) return;
  const watcher = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    watcher.disconnect();
    lengths.near = true;
    drawLengths();
  }, { rootMargin: "600px" });
  watcher.observe(find("lengths"));
  filtered.heard.push(drawLengths);
  choice.heard.push(drawLengths);
}
