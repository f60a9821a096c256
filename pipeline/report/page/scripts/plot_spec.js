// Accuracy over latency as a Vega specification.
const NAMED_AT_MOST = 12; // with more points only those are named that the choice is about

const ANCHORS = ["right", "left", "top-right", "bottom-right", "top-left", "bottom-left", "top", "bottom"];

// Ids of the points that no cheaper point equals in value, by rising cost.
function paretoFront(points) {
  const front = [];
  for (const point of [...points].sort((a, b) => a.x - b.x || b.value - a.value)) {
    if (!front.length || point.value > front[front.length - 1].value) front.push(point);
  }
  return front;
}

function logTicks(low, high) {
  const steps = high / low > 8 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    ticks.push(...steps.map((step) => Number((step * 10 ** power).toPrecision(2))));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

function plotScales(points, log, colours) {
  const x = points.map((point) => point.x);
  const domain = log ? [Math.min(...x) / 1.5, Math.max(...x) * 1.6] : [0, Math.max(...x) * 1.08];
  const [low, high] = [Math.min(...points.map((p) => p.low)), Math.max(...points.map((p) => p.high))];
  const room = (high - low || 1) * 0.07;
  const groups = content.several ? [...new Set(content.rows.map((row) => row.run))] : KINDS;
  return [
    { name: "x", type: log ? "log" : "linear", domain, range: "width" },
    { name: "y", type: "linear", zero: false, domain: [low - room, high + room], range: "height" },
    { name: "shape", type: "ordinal", domain: KINDS, range: SHAPES },
    { name: "colour", type: "ordinal", domain: groups, range: content.several ? colours.runs : colours.kinds },
  ];
}

function plotMarks(colours, longest) {
  const at = { x: { scale: "x", field: "x" }, y: { scale: "y", field: "value" } };
  const fill = { scale: "colour", field: content.several ? "run" : "kind" };
  const ringed = "datum.id === chosen || datum.id === active";
  return [
    {
      type: "line", name: "front-line", from: { data: "front" }, interactive: false, aria: false,
      encode: { update: { ...at, stroke: { value: colours.faint }, strokeDash: { value: [5, 4] }, strokeWidth: { value: 1.3 } } },
    },
    {
      type: "rule", name: "intervals", from: { data: "points" }, interactive: false, aria: false,
      encode: { update: {
        x: at.x, y: { scale: "y", field: "low" }, y2: { scale: "y", field: "high" }, stroke: fill,
        strokeWidth: { value: 1.4 }, strokeOpacity: { value: 0.75 },
      } },
    },
    {
      type: "symbol", name: "rings", from: { data: "points" }, interactive: false, aria: false,
      encode: { update: {
        ...at, size: { value: 330 }, stroke: { value: colours.ink }, strokeWidth: { value: 2 }, fill: { value: null },
        opacity: [{ test: ringed, value: 1 }, { value: 0 }],
      } },
    },
    {
      type: "symbol", name: "models", from: { data: "points" }, aria: false,
      encode: { update: {
        ...at, shape: { scale: "shape", field: "kind" }, fill, tooltip: { field: "id" }, cursor: { value: "pointer" },
        size: [{ test: "datum.picked", value: 150 }, { value: 85 }],
        stroke: [{ test: "datum.picked", value: colours.ink }, { value: colours.paper }],
        strokeWidth: [{ test: "datum.picked", value: 2 }, { value: 1 }],
      } },
    },
    {
      type: "text", from: { data: "models" }, interactive: false, aria: false,
      encode: { enter: {
        text: { field: "datum.named" }, fontSize: { value: 12 }, fill: { value: colours.ink }, limit: { value: longest },
        fontWeight: [{ test: "datum.datum.picked", value: "bold" }, { value: "normal" }],
      } },
      transform: [{
        type: "label", size: { signal: "[width, height]" }, avoidMarks: ["models", "intervals", "front-line"],
        sort: { field: "datum.datum.picked", order: "descending" }, // what is to be shipped has its name first
        anchor: [...ANCHORS, ...ANCHORS], offset: [4, 6, 10, 10, 10, 10, 10, 10, ...ANCHORS.map(() => 24)],
      }],
    },
  ];
}

function namedPoints(points) {
  const front = paretoFront(points);
  const few = points.length <= NAMED_AT_MOST;
  return points.filter((p) => few || p.kind !== "artifact" || p.picked || front.includes(p));
}

const isNarrow = (width) => width < 500; // names beside points would cover them: numbers stand there

// The names that stand as numbers in a narrow plot.
function listNames(list, width, names) {
  list.hidden = !isNarrow(width);
  list.replaceChildren(...names.map((name) => element("li", {}, name)));
}

function plotSpec(points, settings, colours) {
  const front = paretoFront(points);
  const named = namedPoints(points);
  const text = (p) => (!named.includes(p) ? "" : isNarrow(settings.width) ? String(named.indexOf(p) + 1) : fullName(p));
  const scales = plotScales(points, settings.log, colours);
  const [low, high] = scales[0].domain;
  const ticks = settings.log ? { values: logTicks(low, high) } : {};
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    width: settings.width, height: settings.height, autosize: { type: "fit", contains: "padding" }, padding: 4,
    signals: [{ name: "chosen", value: choice.id }, { name: "active", value: "" }],
    data: [
      { name: "points", values: points.map((p) => ({ ...p, named: text(p) })) },
      { name: "front", values: front },
    ],
    scales,
    axes: [
      { orient: "bottom", aria: false, scale: "x", title: settings.title, format: "~g", labelOverlap: true, grid: true, ...ticks },
      { orient: "left", aria: false, scale: "y", title: content.metric, grid: true, tickCount: 6 },
    ],
    legends: content.several
      ? [
          { fill: "colour", title: null, orient: "top", direction: "horizontal", columns: isNarrow(settings.width) ? 2 : 4 },
          { shape: "shape", title: null, orient: "top", direction: "horizontal", columns: isNarrow(settings.width) ? 2 : 4 },
        ]
      : [{ fill: "colour", shape: "shape", title: null, orient: "top", direction: "horizontal", columns: isNarrow(settings.width) ? 2 : 4 }],
    marks: plotMarks(colours, settings.width / 3), // a longer name would leave the plot no room
  };
}
