import json
import re
import sys
from html.parser import HTMLParser

import pytest

from decant.errors import InputError
from pipeline.measure.grid import Grid
from pipeline.measure.regressions import Regression
from pipeline.report.html import html_page, html_report, page_script, policy, vega_script
from pipeline.report.page.page_rows import PageRun
from pipeline.report.rows import GroupLoss, Mined, Report
from pipeline.report.training_logs import TrainingRecord

ATTACK = '</script><script>alert("1")</script><!--'
VOID = {"meta", "img", "source", "br", "input", "rect"}


class Tags(HTMLParser):
    """Collects elements and checks that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.words.append(data)

    @property
    def content(self) -> dict[str, object]:
        """What the page's script reads."""
        return json.loads(self.scripts[0])


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


def headings(page: str, level: int) -> list[str]:
    """Of the page itself, since Vega's script writes some into windows of its own."""
    found = re.findall(rf"<h{level}[^>]*>(.*?)</h{level}>", page[: page.index("<script")])
    return [re.sub(r"</?abbr[^>]*>", "", one) for one in found]


@pytest.fixture
def page(report: Report) -> str:
    training = [TrainingRecord(step=step, loss=1.0, dev=0.5) for step in range(3)]
    return html_report(report, {"student": training}, "runs/stsb")


def test_sections_are_there_and_the_pick_comes_first(page: str) -> None:
    assert headings(page, 2) == [
        "Accuracy against latency", "Every model measured", "How latency grows with length",
        "Where one text's milliseconds go", "Against the teacher, paired", "One query against 10,000 texts",
        "Parity gates", "Training", "Where the student falls furthest behind the teacher", "Notes", "Provenance",
    ]  # fmt: skip
    heading = headings(page, 1)
    assert len(heading) == 1
    assert heading[0].startswith("Ship L6xD384-int8 (22.3 MiB): ")
    assert heading[0].endswith("; chosen as the fastest within a point of the student.")
    assert page.count('class="picked"') == 5
    assert 'name="viewport"' in page


def test_nothing_is_read_from_the_network_and_only_the_pages_scripts_run(page: str) -> None:
    tags = parsed(page)
    assert not {"link", "iframe", "object", "img"} & {tag for tag, _ in tags.seen}
    assert not [name for _, attributes in tags.seen for name in attributes if name in {"src", "href", "style"}]
    assert not [name for _, attributes in tags.seen for name in attributes if name.startswith("on")]
    assert tags.scripts[1:] == [vega_script(), page_script()]
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    stated = next(attributes["content"] for _, attributes in tags.seen if "http-equiv" in attributes)
    assert stated == policy(style, tags.scripts[1:])
    assert "unsafe" not in stated
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_the_licences_of_what_is_embedded_go_with_it(page: str) -> None:
    words = "".join(parsed(page).words)
    for holder in ("University of Washington Interactive Data Lab", "Mike Bostock", "Joachim Wester"):
        assert holder in words
    assert "Redistributions in binary form must reproduce" in words


def test_the_policy_is_made_of_digests() -> None:
    assert policy("", ["a"]) == (
        "default-src 'none'; script-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='; "
        "style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; base-uri 'none'; form-action 'none'"
    )


def test_every_text_is_escaped(report: Report, grid: Grid) -> None:
    row = report.row("student").model_copy(
        update={
            "name": ATTACK, "note": ATTACK, "path": ATTACK, "precision": ATTACK, "runtime": ATTACK,
            "kind": "artifact", "graph_sha256": ATTACK, "sensitivity": (GroupLoss(group=ATTACK, loss=1),),
        }
    )  # fmt: skip
    attacked = report.model_copy(
        update={
            "recipe": {"name": ATTACK, "description": ATTACK, "seed": ATTACK, ATTACK: ATTACK},
            "rows": (*report.rows, row),
            "selected": ATTACK,
            "selected_because": ATTACK,
            "notes": (ATTACK,),
            "grid": grid.model_copy(update={"set": ATTACK}),
            "recipe_sha256": ATTACK,
            "data_sha256": {ATTACK: ATTACK},
            "regressions": (Regression(first=ATTACK, second=ATTACK, label=0, teacher=0, model=1),),
            "environment": report.environment.model_copy(
                update={"cpu": ATTACK, "os": ATTACK, "gpu": ATTACK, "libraries": {ATTACK: ATTACK}}
            ),
        }
    )
    logs = {ATTACK: [TrainingRecord(step=step, loss=1.0) for step in range(3)]}
    for page in (
        html_report(attacked, logs, ATTACK),
        html_page([PageRun(attacked, ATTACK, logs, ATTACK), PageRun(report, label="other")]),
    ):
        tags = parsed(page)
        assert len(tags.scripts) == 3
        assert "alert" not in page.replace("alert(&#34;1&#34;)", "").replace('alert(\\"1\\")', "").replace(
            vega_script(), ""
        )
        assert "".join(tags.words).count(ATTACK) >= 20
        told = [one for one in tags.content["rows"] if one["name"] == ATTACK]
        assert [one["sha256"] for one in told] == [ATTACK]
        assert tags.content["training"][0]["title"].endswith(ATTACK)


def test_sections_without_data_are_left_out(report: Report) -> None:
    bare = report.model_copy(
        update={"rows": (report.row("bag of words"),), "selected": None, "notes": (), "regressions": ()}
    )
    page = html_report(bare)
    parsed(page)
    assert headings(page, 2) == [
        "Models", "Every model measured", "Against the teacher, paired", "Provenance",
    ]  # fmt: skip
    assert 'id="plot"' not in page


def test_every_cut_has_its_cell_in_a_heat_map(report: Report, grid: Grid) -> None:
    page = html_report(report.model_copy(update={"grid": grid}))
    parsed(page)
    section = page[page.index(">Every cut</abbr></h2>") : page.index("<h2>One query")]
    assert re.findall(r"<th scope=\"row\">(\d)</th>", section) == ["6", "3"]
    assert re.findall(r"<td class=\"number ?([^\"]*)\">([^<]+)", section) == [
        ("heat7 in-pick", "88.00 ±1.5"), ("heat0", "86.00 ±1.5"), ("heat4", "87.00 ±1.5"), ("", "–"),
    ]  # fmt: skip
    assert "98.9 % of the full cut" in section
    assert section.count("start model 45.00") == 1


def test_mined_pairs_have_a_sentence_and_a_histogram(report: Report, mined: Mined) -> None:
    tags = parsed(html_report(report.model_copy(update={"mined": mined})))
    assert "30 pairs were mined from the unlabelled texts: 12 near" in "".join(tags.words)
    assert tags.content["mined"] == [{"run": "stsb", "before": [0, 0, 2, 8], "after": [0, 20, 10, 10]}]
    assert [attributes["data-mined"] for _, attributes in tags.seen if "data-mined" in attributes] == ["0"]


def test_one_texts_milliseconds_are_parted(page: str) -> None:
    section = page[page.index("<h2>Where one text's milliseconds go") : page.index("<h2>Against the teacher")]
    assert re.findall(r"<th scope=\"col\"[^>]*>(?:<abbr[^>]*>)?([^<]+)", section) == [
        "model", "tokenizer", "encoder", "pooling", "share", "8 tokens", "128 tokens",
    ]  # fmt: skip
    assert re.findall(r"rect class=\"part\d\"(?: x=\"([\d.]+)\")? width=\"([\d.]+)\"", section) == [
        ("", "10.0"), ("10.0", "80.0"), ("90.0", "10.0"),
    ]  # fmt: skip
    content = parsed(page).content
    assert content["lengths"] == ["8", "128"]
    assert [row["byTokens"] for row in content["rows"] if "byTokens" in row] == [{"8": 17.0}, {"8": 1.1, "128": 4.4}]


def test_losses_of_quantized_groups_are_listed(report: Report) -> None:
    losses = (GroupLoss(group="layer 2, FFN", loss=4e-4, kept=True), GroupLoss(group="layer 1, QKV", loss=1e-4))
    rows = (report.rows[0].model_copy(update={"sensitivity": losses}), *report.rows[1:])
    page = html_report(report.model_copy(update={"rows": rows}))
    section = page[page.index("<h2>What quantization costs") : page.index("<h2>Where the student")]
    assert re.findall(r"<th scope=\"row\">([^<]+)</th><td class=\"number\">([^<]+)", section) == [
        ("layer 2, FFN", "0.0004"), ("layer 1, QKV", "0.0001"),
    ]  # fmt: skip
    assert re.findall(r"rect width=\"([\d.]+)\"", section) == ["100.0", "25.0"]
    assert section.count("<td>kept</td>") == 1


def test_several_runs_share_one_table_and_are_told_apart(report: Report) -> None:
    slower = report.model_copy(update={"selected": "L6xD384-fp32"})
    tags = parsed(html_page([PageRun(report, "a", label="first"), PageRun(slower, "b", label="second")]))
    rows = tags.content["rows"]
    assert [row["run"] for row in rows] == 6 * ["first"] + 6 * ["second"]
    assert [(row["run"], row["name"]) for row in rows if row["picked"]] == [
        ("first", "L6xD384-int8"), ("second", "L6xD384-fp32"),
    ]  # fmt: skip
    assert len({row["id"] for row in rows}) == 12
    said = "".join(tags.words)
    assert "Of 2 runs' picks second's L6xD384-fp32 (Spearman 86.00, 2.70 ms for one text) is the most accurate" in said
    assert "Provenance: second" in said


def test_the_page_stays_below_3_mb_with_500_rows(report: Report) -> None:
    rows = [report.rows[0].model_copy(update={"name": f"L6xD384-int8-{index}"}) for index in range(500)]
    many = report.model_copy(update={"rows": (*rows, *report.rows)})
    assert len(html_report(many).encode()) < 3_000_000


def test_the_script_is_whole_and_cannot_end_its_element() -> None:
    script = vega_script()
    assert "window.vegaEmbed" in script
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert 500_000 < len(script) < 1_500_000


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(InputError, match="pip install vl-convert-python"):
        vega_script.__wrapped__()
