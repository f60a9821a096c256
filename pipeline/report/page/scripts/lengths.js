// Drawing the latency over the tokens of a text; done once it is near, as it is far down and of many lines.
const lengths = { near: false, view: null, drawn: 0 };

function lengthPoints() {
  return shownRows().flatMap((row) => content.lengths
    .filter((tokens) => row.byTokens && row.byTokens[tokens] !== undefined)
    .map((tokens) => ({
      id: row.id, run: row.run, kind: row.kind, x: Number(tokens), y: row.byTokens[tokens],
      told: row.picked || row.id === choice.id, name: fullName(row),
    })));
}

async function drawLengths() {
  const host = find("lengths");
  if (!host || !lengths.near) return;
  lengths.drawn += 1;
  const turn = lengths.drawn;
  const points = lengthPoints();
  if (lengths.view) lengths.view.finalize();
  lengths.view = null;
  host.hidden = !points.length;
  find("lengths-empty").hidden = points.length > 0;
  find("length-names").hidden = true;
  if (!points.length) return;
  const width = Math.max(260, host.clientWidth);
  listNames(find("length-names"), width, namedEnds(points).map((end) => end.name));
  const drawn = await drawVega(host, lengthSpec(points, width, theme()), showTipOf);
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
