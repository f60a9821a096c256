import json

import pytest

from pipeline.report.page.page_rows import PageRun, page_rows
from pipeline.report.page.payload import CURVE_POINTS, curves, embedded_json, payload
from pipeline.report.rows import Report
from pipeline.report.training_logs import TrainingRecord


def test_no_character_that_html_reads_is_left() -> None:
    content = {"a": "</script><!--&\u2028\u2029", "b": [1.5, None]}
    text = embedded_json(content)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == content


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded_json(float("nan"))


def test_points_hold_percent_and_milliseconds(report: Report) -> None:
    runs = [PageRun(report, "runs/stsb")]
    found = payload(runs, page_rows(runs))
    assert found["metric"] == "Spearman ×100"
    assert [cost["key"] for cost in found["costs"]] == ["1/p50", "1/p95"]
    row = next(one for one in found["rows"] if one["name"] == "L6xD384-int8")
    assert (row["low"], row["value"], row["high"]) == (83.5, 85.5, 86.5)
    assert row["costs"] == {"1/p50": 1.3, "1/p95": 2.6}
    assert row["said"] == {"1/p50": "1.30 ms", "1/p95": "2.60 ms", "value": "85.50, from 83.50 to 86.50"}
    assert row["folder"] == "runs/stsb/artifacts/L6xD384-int8"
    assert row["snippets"] == ["onnxruntime", "shell"]  # sentence-transformers would read the float32 weights
    assert row["picked"]
    assert "sha256" not in row
    assert "gone" not in row


def test_a_figure_that_is_not_a_number_makes_no_point(report: Report) -> None:
    measured = report.rows[0].metrics["stsb/test"].model_copy(update={"spearman": float("nan")})
    row = report.rows[0].model_copy(update={"metrics": {"stsb/test": measured}})
    runs = [PageRun(report.model_copy(update={"rows": (row,)}))]
    assert "value" not in payload(runs, page_rows(runs))["rows"][0]


def test_long_losses_are_averaged_and_development_figures_kept() -> None:
    steps = range(2 * CURVE_POINTS)
    records = [TrainingRecord(step=step, loss=float(step), dev=0.5 if step % 100 == 0 else None) for step in steps]
    found = curves(records)
    assert len(found["loss"]) == CURVE_POINTS
    assert found["loss"][:2] == [[0.5, 0.5], [2.5, 2.5]]
    assert found["dev"] == [[step, 50.0] for step in range(0, 2 * CURVE_POINTS, 100)]


def test_losses_that_are_no_numbers_are_left_out() -> None:
    records = [TrainingRecord(step=1, loss=float("nan")), TrainingRecord(step=2, loss=1.0, dev=float("nan"))]
    assert curves(records) == {"loss": [[2.0, 1.0]], "dev": [], "best": None}
