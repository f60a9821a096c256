import re
from html.parser import HTMLParser

import pytest

from pipeline.measure.grid import Grid
from pipeline.measure.regressions import Regression
from pipeline.report.html import all_figures, html_report
from pipeline.report.rows import Mined, Report
from pipeline.report.training_plot import TrainingRecord

ATTACK = '<script>alert("1")</script>'
VOID = {"meta", "img", "source", "br"}


class Tags(HTMLParser):
    """Collects elements and checks that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


@pytest.fixture
def page(report: Report) -> str:
    training = [TrainingRecord(step=step, loss=1.0, dev=0.5) for step in range(3)]
    return html_report(report, training)


def test_sections_are_there(page: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Every model measured", "Accuracy against latency", "One query against 10,000 texts", "Parity gates",
        "Training", "Where the student falls furthest behind the teacher", "Notes", "Details",
        "Measured on", "Recipe",
    ]  # fmt: skip
    assert "Ship L6xD384-int8 (22.3 MiB)" in page
    assert page.count('class="picked"') == 3
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_nothing_is_read_from_the_network_and_no_script_runs(page: str) -> None:
    tags = parsed(page)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags.seen}
    addresses = [
        value
        for _, attributes in tags.seen
        for name, value in attributes.items()
        if name in {"src", "href", "srcset"} and value
    ]
    assert len(addresses) == 4  # two plots, each for light and for dark
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "url(" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_every_text_is_escaped(report: Report) -> None:
    row = report.row("student").model_copy(
        update={"name": ATTACK, "note": ATTACK, "path": ATTACK, "precision": ATTACK, "runtime": ATTACK}
    )
    attacked = report.model_copy(
        update={
            "recipe": {"name": ATTACK, "description": ATTACK, ATTACK: ATTACK},
            "rows": (*report.rows, row),
            "selected": ATTACK,
            "selected_because": ATTACK,
            "notes": (ATTACK,),
            "regressions": (Regression(first=ATTACK, second=ATTACK, label=0, teacher=0, model=1),),
            "environment": report.environment.model_copy(
                update={"cpu": ATTACK, "os": ATTACK, "gpu": ATTACK, "libraries": {ATTACK: ATTACK}}
            ),
        }
    )
    page = html_report(attacked)
    tags = parsed(page)
    assert "script" not in {tag for tag, _ in tags.seen}
    assert "<script" not in page
    assert "".join(tags.words).count(ATTACK) >= 15


def test_sections_without_data_are_left_out(report: Report) -> None:
    bare = report.model_copy(
        update={"rows": (report.row("bag of words"),), "selected": None, "notes": (), "regressions": ()}
    )
    page = html_report(bare)
    parsed(page)
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Every model measured", "Details", "Measured on", "Recipe"]


def test_details_hold_what_the_table_has_no_room_for(report: Report) -> None:
    (name, figures) = all_figures([report.row("L6xD384-int8")])[0]
    told = dict(figures)
    assert name == "L6xD384-int8"
    assert told["Pearson, stsb/test"] == "84.50"
    assert told["of the teacher, stsb/test"] == "100.6 %"
    assert told["batch of 1"] == "1.30 ms median, 2.60 ms for 95 of 100"
    assert told["trained on this task's labels"] == "yes"


def test_every_cut_has_its_cell_and_the_heat_map_is_embedded(report: Report, grid: Grid) -> None:
    odd = grid.model_copy(update={"set": ATTACK})
    page = html_report(report.model_copy(update={"grid": odd}))
    tags = parsed(page)
    section = page[page.index("<h2>Every cut</h2>") : page.index("<h2>One query")]
    assert section.count("data:image/png;base64,") == 2
    assert re.findall(r"<th scope=\"row\">(\d)</th>", section) == ["6", "3"]
    figures = ["88.00 ±1.5", "86.00 ±1.5", "87.00 ±1.5", "–"]
    assert re.findall(r"<td class=\"number\">([^<]+)", section) == figures
    assert "98.9 % of the full cut" in section
    assert section.count("start model 45.00") == 1
    assert "<script" not in page
    assert ATTACK in "".join(tags.words)


def test_mined_pairs_have_a_sentence_and_a_histogram(report: Report, mined: Mined) -> None:
    page = html_report(report.model_copy(update={"mined": mined}))
    parsed(page)
    section = page[page.index("<h2>Mined pairs</h2>") : page.index("<h2>Where the student")]
    assert section.count("data:image/png;base64,") == 2
    assert "<p>30 pairs were mined from the unlabelled texts: 12 near" in section
