// What a word means, shown beside it when it is reached by keyboard or tapped; pointing at it shows its title.
function placeTip(x, y, ...children) {
  const tip = find("tip");
  tip.replaceChildren(...children);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > window.innerWidth ? x - width - 16 : x + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, Math.min(y - height / 2, window.innerHeight - height - 4))}px`;
}

function hideTip() {
  find("tip").hidden = true;
}

const words = { shown: null };

function showWord(word) {
  const { left, bottom } = word.getBoundingClientRect();
  words.shown = word;
  placeTip(left - 16, bottom + 24, word.title);
}

function leaveWord() {
  if (words.shown) hideTip();
  words.shown = null;
}

function startWords() {
  document.addEventListener("focusin", ({ target }) => {
    const tapped = target.tagName === "BUTTON" && !target.matches(":focus-visible"); // it sorts
    if (target.matches(".term") && !tapped) showWord(target);
  });
  document.addEventListener("focusout", leaveWord);
  document.addEventListener("scroll", () => { if (words.shown) showWord(words.shown); }, { passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    hideTip();
    words.shown = null;
  });
}
