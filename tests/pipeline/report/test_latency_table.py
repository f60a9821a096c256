from pipeline.measure.speed import LatencyParts
from pipeline.report.latency_table import latency_header, latency_legend, latency_rows
from pipeline.report.markdown import markdown_report
from pipeline.report.rows import Report


def test_parts_and_lengths_stand_side_by_side(report: Report) -> None:
    assert latency_header(report) == ["model", "tokenizer", "encoder", "pooling", "8 tokens", "128 tokens"]
    found = {one.name: one for one in latency_rows(report)}
    assert found["L6xD384-int8"].cells == ("0.13", "1.04", "0.13", "1.10", "4.40")
    assert found["L6xD384-int8"].shares == (10, 80, 10)
    assert found["peer"].cells == ("–", "–", "–", "17.0", "–")
    assert found["peer"].shares == ()
    assert len(found) == 2


def test_a_graph_that_is_not_parted_says_so(report: Report) -> None:
    parts = LatencyParts(tokenizer_ms=1, encoder_ms=3)
    row = report.row("student").model_copy(update={"latency_parts": parts, "latency_by_tokens": {}})
    one = report.model_copy(update={"rows": (row,), "selected": None})
    assert latency_header(one) == ["model", "tokenizer", "encoder", "pooling"]
    assert [found.cells for found in latency_rows(one)] == [("1.00", "3.00", "–")]
    assert [found.shares for found in latency_rows(one)] == [(25, 75, 0)]
    assert "Where pooling has no figure, the encoder's holds it." in latency_legend(one)
    assert "Where pooling has no figure, the encoder's holds it." not in latency_legend(report)


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
