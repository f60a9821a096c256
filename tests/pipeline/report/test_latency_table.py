from decant.table import Cell, Table
from pipeline.measure.speed import LatencyParts
from pipeline.report.latency_table import latency_table
from pipeline.report.markdown import markdown_report
from pipeline.report.rows import Report


def headers(table: Table) -> list[str]:
    return [column.header for column in table.columns]


def test_parts_and_lengths_stand_side_by_side(report: Report) -> None:
    table = latency_table(report)
    assert headers(table) == ["model", "tokenizer", "encoder", "pooling", "share", "8 tokens", "128 tokens"]
    found = {line.cells[0].text: line.cells[1:] for line in table.lines}
    int8, peer = found["L6xD384-int8"], found["peer"]
    assert [cell.text for cell in int8] == ["0.13", "1.04", "0.13", "", "1.10", "4.40"]
    assert int8[3].bars == (10, 80, 10)
    assert [cell.text for cell in peer] == ["–", "–", "–", "", "17.0", "–"]
    assert peer[3] == Cell("")
    assert len(found) == 2


def test_a_graph_that_is_not_parted_says_so(report: Report) -> None:
    parts = LatencyParts(tokenizer_ms=1, encoder_ms=3)
    row = report.row("student").model_copy(update={"latency_parts": parts, "latency_by_tokens": {}})
    table = latency_table(report.model_copy(update={"rows": (row,), "selected": None}))
    assert headers(table) == ["model", "tokenizer", "encoder", "pooling", "share"]
    (line,) = table.lines
    assert [cell.text for cell in line.cells[1:]] == ["1.00", "3.00", "–", ""]
    assert line.cells[-1].bars == (25, 75, 0)
    assert "Where pooling has no figure, the encoder's includes it." in table.legend
    assert "Where pooling has no figure, the encoder's includes it." not in latency_table(report).legend


def test_the_report_holds_the_table_where_it_was_measured(report: Report) -> None:
    said = markdown_report(report)
    section = said[said.index("## Where one text's milliseconds go") : said.index("## One query")]
    assert "| L6xD384-int8 | 0.13 | 1.04 | 0.13 | 1.10 | 4.40 |" in section
    bare = [row.model_copy(update={"latency_parts": None, "latency_by_tokens": {}}) for row in report.rows]
    old = report.model_copy(update={"rows": tuple(bare)})
    assert "milliseconds go" not in markdown_report(old)
    written = old.model_dump_json()
    assert "latency_parts" not in written
    assert "latency_by_tokens" not in written
    assert Report.model_validate_json(written) == old
