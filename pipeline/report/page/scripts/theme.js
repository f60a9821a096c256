// Colours of the plots are those of the style, so that there is one place for both themes.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const KINDS = ["teacher", "baseline", "student", "artifact"];
const SHAPES = ["square", "triangle-up", "diamond", "circle"];

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    paper: colour("paper"), ink: colour("ink"), faint: colour("faint"), line: colour("line"),
    kinds: KINDS.map(colour), runs: [1, 2, 3, 4, 5, 6].map((index) => colour(`run${index}`)),
    artifact: colour("artifact"), student: colour("student"), teacher: colour("teacher"),
  };
}

// What all plots share.
function plotConfig(colours) {
  const font = getComputedStyle(document.body).fontFamily;
  const text = { labelColor: colours.faint, titleColor: colours.faint, labelFont: font, titleFont: font };
  return {
    background: null, font,
    axis: {
      ...text, gridColor: colours.line, domainColor: colours.faint, tickColor: colours.faint, labelFontSize: 12,
      titleFontSize: 12, titleFontWeight: "normal", titlePadding: 8,
    },
    legend: { ...text, labelFontSize: 12, symbolSize: 90 },
    text: { font },
  };
}

// Expressions are interpreted rather than compiled, since the page's policy forbids to make code from text.
function drawVega(host, spec, tooltip = () => {}) {
  return window.vegaEmbed(host, spec, {
    mode: "vega", ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip, config: plotConfig(theme()),
  });
}
