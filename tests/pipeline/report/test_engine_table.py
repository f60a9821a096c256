from __future__ import annotations

from pathlib import Path

import pytest

from decant.table import Table
from export.engines.engine import EngineFacts
from pipeline.report.build import build_report
from pipeline.report.engine_table import engine_table
from pipeline.report.html import html_report
from pipeline.report.markdown import markdown_report
from pipeline.report.rows import Engine, Report, read_report_json


@pytest.fixture
def engine() -> Engine:
    facts = EngineFacts(
        kind="tensorrt-rtx-fp16", version="1.7", precision="fp16", runs_on="any GPU", file="a.engine", sha256="00",
        size_mib=36.7, build_seconds=0.62, shapes=((1, 2), (32, 32), (128, 256)), layers=46,
        layers_by_type={"fp16": 42, "fp32": 4}, weights_mib=32.9, activations_mib=None, checked="header",
    )  # fmt: skip
    return Engine(name="L3xD384", path="engines/L3xD384/a.engine", graph_cosine=0.99971, facts=facts)


def table_of(engine: Engine, report: Report) -> Table:
    return engine_table(report.model_copy(update={"engines": (engine,)}))


def test_a_row_of_the_table(engine: Engine, report: Report) -> None:
    table = table_of(engine, report)
    (line,) = table.lines
    headers = [column.header for column in table.columns]
    assert dict(zip(headers, [cell.text for cell in line.cells], strict=True)) == {
        "cut": "L3xD384", "engine": "tensorrt-rtx-fp16 1.7", "precision": "fp16", "runs on": "any GPU", "MiB": "36.7",
        "built in": "620 ms", "layers": "46 (42 fp16, 4 fp32)", "weights, MiB": "32.9", "activations, MiB": "–",
        "state": "built, not run here",
    }  # fmt: skip


def test_what_was_not_run_is_said(engine: Engine, report: Report) -> None:
    said = " ".join(table_of(engine, report).legend)
    assert "take 1×2 to 128×256 (texts × tokens) and are tuned for 32×32" in said
    assert "No accuracy or speed of such an engine was measured" in said
    assert "cosine 0.999710 at least" in said
    loaded = engine.model_copy(update={"facts": engine.facts.model_copy(update={"checked": "deserialised"})})
    assert loaded.state == "built and loaded here, not timed"
    assert "not run here" not in " ".join(table_of(loaded, report).legend)


def test_every_format_lists_the_engines_and_none_where_there_are_none(
    engine: Engine, report: Report, tmp_path: Path
) -> None:
    with_one = report.model_copy(update={"engines": (engine,)})
    for written in (markdown_report(with_one), html_report(with_one)):
        assert "built, not run here" in written
        assert "36.7" in written
    for written in (markdown_report(report), html_report(report)):
        assert "TensorRT" not in written
    build_report(with_one, tmp_path)
    assert read_report_json(tmp_path / "report.json").engines == (engine,)
