import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from decant.errors import InputError
from pipeline.report.rows import Parity, Report, Row, read_report_json, write_report_json


def test_written_json_holds_the_contract_and_reads_back(tmp_path: Path, report: Report) -> None:
    write_report_json(report, tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert content["schema"] == "decant.report/1"
    assert {"schema", "recipe", "environment", "rows", "selected"} <= set(content)
    for row in content["rows"]:
        assert {
            "name", "kind", "layers", "dim", "precision", "runtime", "path", "parameters", "size_mib",
            "metrics", "latency_ms", "texts_per_second", "parity",
        } <= set(row)  # fmt: skip
    row = content["rows"][0]
    assert {"spearman", "ci95", "of_teacher", "of_student"} <= set(row["metrics"]["stsb/test"])
    assert row["latency_ms"]["1"] == {"p50": 1.3, "p95": 2.6}
    assert row["parity"] == {"min_cosine": 0.98, "batch_invariance": 0.98966}
    assert read_report_json(tmp_path / "report.json") == report


def test_extras_that_were_not_measured_are_left_out() -> None:
    assert set(Row(name="a", kind="baseline").model_dump()) == {
        "name", "kind", "layers", "dim", "precision", "sharing", "runtime", "path", "parameters", "size_mib", "metrics",
        "latency_ms", "texts_per_second", "parity",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"report.json: No such file or directory; a run writes it"),
        ("{", r"report.json: the file: Invalid JSON"),
        ('{"schema": "decant.report/2"}', r"report.json: schema: Input should be 'decant.report/1'"),
    ],
)
def test_a_bad_file_is_named_with_its_first_wrong_key(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_report_json(tmp_path / "report.json")


def test_a_wrong_value_inside_is_found(tmp_path: Path, report: Report) -> None:
    content = json.loads(report.model_dump_json())
    content["rows"][1]["kind"] = "peer"
    (tmp_path / "report.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.1\.kind: Input should be 'teacher', 'student'"):
        read_report_json(tmp_path / "report.json")


def test_rows_have_names_of_their_own_and_the_pick_is_one_of_them(report: Report) -> None:
    content = report.model_dump()
    with pytest.raises(ValidationError, match="selected is 'nothing', but the rows are"):
        Report.model_validate(content | {"selected": "nothing"})
    with pytest.raises(ValidationError, match="two rows are named 'student'"):
        Report.model_validate(content | {"rows": [*content["rows"], {"name": "student", "kind": "student"}]})
    with pytest.raises(KeyError, match="nothing"):
        report.row("nothing")


@pytest.mark.parametrize(
    ("required", "passed"),
    [({}, None), ({"required_min_cosine": 0.99}, True), ({"required_min_cosine": 0.999}, False)],
)
def test_gates(required: dict[str, float], passed: bool | None) -> None:
    assert Parity(min_cosine=0.995, batch_invariance=1, **required).passed is passed


def test_every_stated_gate_must_hold() -> None:
    parity = Parity(min_cosine=1, batch_invariance=0.98, required_min_cosine=0.99, required_batch_invariance=0.99)
    assert parity.passed is False
