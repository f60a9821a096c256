// Details of the chosen row: every figure, its folder and digest, and how it is served.
async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const label = button.textContent;
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = label; }, 1500);
}

function copyButton(what, text) {
  const button = element("button", { type: "button", className: "copy" }, "Copy");
  button.setAttribute("aria-label", `Copy ${what}`);
  button.addEventListener("click", () => copyText(text(), button));
  return button;
}

const shellQuoted = (text) => (/^[\w@%+=:,.\/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function snippetText(name, folder) {
  return content.snippets[name]
    .replaceAll("@PYTHON_FOLDER@", () => JSON.stringify(folder))
    .replaceAll("@SHELL_FOLDER@", () => shellQuoted(folder));
}

function servingOf(row) {
  if (!row.snippets) return [];
  const code = element("code");
  const select = element("select", { id: "serve-with" });
  select.append(...row.snippets.map((name) => element("option", { value: name }, content.snippetTitles[name])));
  const show = () => { code.textContent = snippetText(select.value, row.folder); };
  select.addEventListener("change", show);
  show();
  const head = element("div", { className: "serve" }, element("label", { htmlFor: "serve-with" }, "Serve it with"), select);
  head.append(copyButton("the snippet", () => code.textContent));
  return [head, element("pre", { tabIndex: 0, id: "snippet" }, code)];
}

function line(what, text) {
  const said = element("dd", { className: "code" }, element("span", {}, text), " ", copyButton(what, () => text));
  return [element("dt", {}, what), said];
}

function showDetail(row) {
  const kind = row.kind + (row.picked ? ", selected" : "");
  const name = element("h3", { id: "detail-name" }, fullName(row), " ", element("span", { className: "kind" }, kind));
  const where = element("dl");
  if (row.folder) where.append(...line("folder", row.folder));
  if (row.gone) where.append(element("dt", {}, "missing"), element("dd", {}, row.gone));
  if (row.sha256) where.append(...line("sha256 of onnx/model.onnx", row.sha256));
  find("detail").replaceChildren(name, where, figureList(row, term), ...servingOf(row));
}

choice.heard.push(showDetail);
