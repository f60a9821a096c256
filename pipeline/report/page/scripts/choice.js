// The row whose details are shown.
const choice = { id: null, heard: [] };

function choose(id) {
  if (!rowById.has(id)) return;
  choice.id = id;
  for (const hear of choice.heard) hear(rowById.get(id));
}
