"""Speeds of a busy machine, everywhere they stand."""

import pytest

from pipeline.measure.bench import Bench, Benched, bench_table
from pipeline.measure.speed import Latency, Speed
from pipeline.measure.steadiness import Steadiness
from pipeline.report.answer import answer, headlines
from pipeline.report.card import CardFacts, model_card
from pipeline.report.html import html_report
from pipeline.report.latency_table import latency_table, search_table
from pipeline.report.machine import Environment
from pipeline.report.main_table import main_table
from pipeline.report.markdown import markdown_report
from pipeline.report.pick_sentence import pick_sentence
from pipeline.report.row_figures import row_figures
from pipeline.report.rows import Report, Row
from pipeline.report.terminal import plain_report
from pipeline.report.unsteady import LEGEND, marked

NAME = "L6xD384-int8"
UNSTEADY = Steadiness(rounds=9, spread=0.9, busy=0.4)
STEADY = Steadiness(rounds=9, spread=0.02, drift=0.01, busy=0.03)
FIGURES = ("latency_ms.1", "texts_per_second", "latency_by_tokens.128")


def doubted(report: Report, **rows: Row) -> Report:
    return report.model_copy(update={"rows": tuple(rows.get(row.name, row) for row in report.rows)})


def with_doubts(row: Row, found: Steadiness) -> Row:
    search = row.one_against_many
    assert search is not None
    of_search = search.model_copy(update={"steadiness": {"query_ms": found, "index_seconds": found}})
    return row.model_copy(update={"steadiness": dict.fromkeys(FIGURES, found), "one_against_many": of_search})


@pytest.fixture
def busy(report: Report) -> Report:
    return doubted(report, **{NAME: with_doubts(report.row(NAME), UNSTEADY)})


def cells(report: Report, name: str = NAME) -> dict[str, str]:
    table = main_table(report)
    line = next(line for line in table.lines if line.cells[0].text == name)
    return {column.header: cell.text for column, cell in zip(table.columns, line.cells, strict=True)}


def test_only_what_is_in_doubt_is_marked(report: Report, busy: Report) -> None:
    found = cells(busy)
    assert [found[header] for header in ("texts/s", "ms/text", "× teacher", "× torch")] == [
        "900?", "1.30?", "15×?", "4.0×?",
    ]  # fmt: skip
    assert (found["MiB"], found["Spearman"]) == ("22.3", "85.50 ±1.5")
    assert cells(busy, "L6xD384-fp32") == cells(report, "L6xD384-fp32")
    assert LEGEND in main_table(busy).legend
    assert LEGEND not in main_table(report).legend
    assert "decant run RECIPE --from measure" in LEGEND


def test_steady_rounds_change_nothing(report: Report) -> None:
    steady = doubted(report, **{NAME: with_doubts(report.row(NAME), STEADY)})
    assert plain_report(steady) == plain_report(report)
    assert markdown_report(steady) == markdown_report(report)


def test_a_teacher_in_doubt_marks_every_ratio_to_it(report: Report) -> None:
    teacher = report.row("big").model_copy(update={"steadiness": {"pairs_per_second": UNSTEADY}})
    found = doubted(report, big=teacher)
    assert cells(found, "big")["texts/s"] == "30.0? pairs"
    assert cells(found)["× teacher"] == "15×?"
    assert cells(found)["texts/s"] == "900"
    assert "as fast as the teacher" not in answer(found)
    assert "Ratios of unsteady speeds are left out" in answer(found)


def test_the_headline_tells_no_ratio_and_what_to_do(busy: Report) -> None:
    said = answer(busy)
    assert "×" not in said
    assert "instead of" not in said
    assert said.endswith("`decant run RECIPE --from measure` on a quiet machine measures them again.")
    assert pick_sentence(busy) == f"{said} It was chosen as the fastest within a point of the student."
    assert [headline.value for headline in headlines(busy)] == ["85.50", "+0.50", "1.30 ms?", "22.3 MiB"]


def test_a_query_whose_rounds_alone_differ_takes_about_so_long(report: Report) -> None:
    row = report.row(NAME)
    assert row.one_against_many is not None
    search = row.one_against_many.model_copy(update={"steadiness": {"query_ms": Steadiness(rounds=9, spread=0.9)}})
    said = answer(doubted(report, **{NAME: row.model_copy(update={"one_against_many": search})}))
    assert "indexed texts in about 2.10 ms instead of 5.50 min" in said
    assert "unsteady" not in said


def test_the_mark_stands_in_every_format(busy: Report) -> None:
    card = model_card(busy, NAME, CardFacts(max_length=128))
    for text in (plain_report(busy), markdown_report(busy), card, html_report(busy)):
        assert "900?" in text
        assert "15×?" in text
        assert "after a speed: not to be trusted" in text
    assert "- one text: 1.30 ms? median" in card
    assert "- one query against 10,000 indexed texts: 2.10 ms?" in card


def test_parts_lengths_and_searches(busy: Report) -> None:
    first = next(line for line in latency_table(busy).lines if line.cells[0].text == NAME)
    assert [cell.text for cell in first.cells[1:4]] == ["0.13?", "1.04?", "0.13?"]
    assert [cell.text for cell in first.cells[-2:]] == ["1.10", "4.40?"]
    search = next(line for line in search_table(busy).lines if line.cells[0].text == NAME)
    assert [cell.text for cell in search.cells[1:]] == ["2.10 ms?", "11.5 s?"]
    figures = dict(row_figures(busy.row(NAME)))
    assert figures["batch of 1"].endswith("?")
    assert figures["tokenizer + encoder + pooling"] == "0.13 + 1.04 + 0.13 ms?"
    assert figures["one text of 8 / 128 tokens"] == "1.10 / 4.40? ms"


def test_what_was_not_measured_is_not_marked() -> None:
    assert marked("–", unsteady=True) == "–"


def test_reports_without_the_fields_are_read_and_written_as_before(report: Report, busy: Report) -> None:
    assert "steadiness" not in report.model_dump_json()
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert Report.model_validate_json(busy.model_dump_json()) == busy


def test_bench_marks_a_row_and_what_is_compared_with_it(environment: Environment) -> None:
    def benched(name: str, rate: float, found: Steadiness) -> Benched:
        speed = Speed(latency_ms={"1": Latency(p50=2, p95=3)}, texts_per_second=rate,
                      steadiness={"texts_per_second": found})  # fmt: skip
        return Benched(name=name, precision="fp32", speed=speed)

    rows = (benched("mine", 300, STEADY), benched("sentence-transformers", 100, UNSTEADY))
    table = bench_table(Bench(rows=rows, notes=(), environment=environment, texts=9))
    figures = [[line.cells[place].text for place in (3, 4, 5)] for line in table.lines]
    assert figures == [["300", "3.0?", "2.00"], ["100?", "1.0?", "2.00"]]
    assert any("Run it again on a quiet machine" in sentence for sentence in table.legend)
