// Latency over the tokens of a text as a Vega specification: a line a model, named at its right end.
const LENGTHS_HEIGHT = 320;
const NAME_SHARE = 16 / 250; // of the height of the lines, which one name takes

const lengthRange = (points) => {
  const y = points.map((point) => point.y);
  return [Math.min(...y) / 1.3, Math.max(...y) * 1.3];
};

// Right ends of the lines that have names, from the slowest; `at` is where the name stands, 0 (top) to 1, clear of others.
function namedEnds(points) {
  const last = new Map(points.map((point) => [point.id, point])); // points come by rising length
  const every = [...last.values()].sort((a, b) => b.y - a.y);
  const few = every.length <= NAMED_AT_MOST;
  const ends = every.filter((end) => few || end.told || end.kind !== "artifact").slice(0, NAMED_AT_MOST);
  const [low, high] = lengthRange(points).map(Math.log);
  const at = apart(ends.map((end) => (high - Math.log(end.y)) / (high - low)));
  return ends.map((end, i) => ({ ...end, at: at[i] }));
}

// Rising places moved apart as little as may be: those too near each other stand around their mean.
function apart(places) {
  const blocks = [];
  for (const [index, place] of places.entries()) {
    let block = { sum: place - index * NAME_SHARE, count: 1 };
    while (blocks.length && blocks.at(-1).sum / blocks.at(-1).count > block.sum / block.count) {
      const before = blocks.pop();
      block = { sum: before.sum + block.sum, count: before.count + block.count };
    }
    blocks.push(block);
  }
  const starts = blocks.flatMap(({ sum, count }) => Array(count).fill(sum / count));
  const most = 1 - (places.length - 1) * NAME_SHARE;
  return starts.map((start, index) => Math.min(Math.max(start, 0), most) + index * NAME_SHARE);
}

function lengthScales(points, colours, room) {
  const x = content.lengths.map(Number);
  const groups = content.several ? [...new Set(content.rows.map((row) => row.run))] : KINDS;
  return [
    { name: "x", type: "log", domain: [x[0] / 1.15, x[x.length - 1]], range: [0, { signal: `width - ${room}` }] },
    { name: "y", type: "log", domain: lengthRange(points), range: "height" },
    { name: "colour", type: "ordinal", domain: groups, range: content.several ? colours.runs : colours.kinds },
  ];
}

function lengthMarks(colours, room) {
  const at = { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" } };
  const colour = { scale: "colour", field: content.several ? "run" : "kind" };
  const strength = [{ test: "datum.told", value: 1 }, { value: 0.55 }];
  const nameAt = { signal: "datum.at * height" };
  return [
    {
      type: "rect", interactive: false, aria: false, // so that no grid crosses the names
      encode: { update: {
        x: { signal: `width - ${room - 16}` }, x2: { signal: "width" }, y: { value: -4 }, y2: { signal: "height" },
        fill: { value: colours.paper },
      } },
    },
    {
      type: "group", from: { facet: { name: "of", data: "points", groupby: "id" } }, interactive: false, aria: false,
      marks: [{
        type: "line", from: { data: "of" }, aria: false,
        encode: { update: { ...at, stroke: colour, strokeOpacity: strength, strokeWidth: [{ test: "datum.told", value: 2.6 }, { value: 1.4 }] } },
      }],
    },
    {
      type: "symbol", name: "times", from: { data: "points" }, aria: false,
      encode: { update: { ...at, fill: colour, fillOpacity: strength, size: { value: 34 }, tooltip: { field: "id" } } },
    },
    {
      type: "rule", from: { data: "ends" }, interactive: false, aria: false,
      encode: { update: {
        x: { scale: "x", field: "x", offset: 5 }, y: at.y, x2: { signal: `width - ${room - 16}` }, y2: nameAt,
        stroke: { value: colours.faint }, strokeWidth: { value: 0.8 },
      } },
    },
    {
      type: "text", name: "names", from: { data: "ends" }, interactive: false, aria: false,
      encode: { update: {
        x: { signal: `width - ${room - 20}` }, y: nameAt, baseline: { value: "middle" }, text: { field: "text" },
        limit: { value: room - 20 }, fontSize: { value: 12 }, fill: { value: colours.ink },
        fontWeight: [{ test: "datum.told", value: "bold" }, { value: "normal" }],
      } },
    },
  ];
}

function lengthSpec(points, width, colours) {
  const narrow = isNarrow(width);
  const ends = namedEnds(points).map((end, index) => ({ ...end, text: narrow ? String(index + 1) : end.name }));
  const longest = Math.max(0, ...ends.map((end) => end.text.length));
  const room = Math.min(width / 3, 26 + 7.2 * longest);
  const present = [...new Set(points.map((point) => (content.several ? point.run : point.kind)))];
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    width, height: LENGTHS_HEIGHT, autosize: { type: "fit", contains: "padding" }, padding: 4,
    data: [{ name: "points", values: points }, { name: "ends", values: ends }],
    scales: lengthScales(points, colours, room),
    axes: [
      { orient: "bottom", aria: false, scale: "x", title: "Tokens of the text, log scale", values: content.lengths.map(Number), format: "d" },
      { orient: "left", aria: false, scale: "y", title: "Milliseconds, log scale", grid: true, format: "~g", values: logTicks(...lengthRange(points)) },
    ],
    legends: [{ fill: "colour", values: present, title: null, orient: "top", direction: "horizontal", columns: narrow ? 2 : 4 }],
    marks: lengthMarks(colours, room),
  };
}
