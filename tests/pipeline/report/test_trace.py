import hashlib
import json
from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.report.rows import GroupLoss, Report, read_report_json, write_report_json
from pipeline.report.trace import traced


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_digests_and_losses_come_from_the_runs_folders(tmp_path: Path, report: Report) -> None:
    manifest = {"recipe_sha256": "of the recipe", "sha256": {"onnx/model.onnx": "of the graph", "README.md": "no"}}
    write_json(tmp_path / "artifacts" / "L6xD384-int8" / "decant.json", manifest)
    losses = [{"group": "ffn", "loss": 0.25, "kept": True}]
    graphs = [{"name": "L6xD384-int8", "sensitivity": losses}, {"name": "L6xD384-fp32", "sensitivity": []}]
    write_json(tmp_path / "graphs" / "graphs.json", {"made": graphs, "left_out": []})
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "test.parquet").write_bytes(b"pairs")
    found = traced(report, tmp_path)
    assert found.row("L6xD384-int8").graph_sha256 == "of the graph"
    assert found.row("L6xD384-int8").sensitivity == (GroupLoss(group="ffn", loss=0.25, kept=True),)
    assert found.row("L6xD384-fp32") == report.row("L6xD384-fp32")
    assert found.recipe_sha256 == "of the recipe"
    assert found.data_sha256 == {"test": hashlib.sha256(b"pairs").hexdigest()}
    write_report_json(found, tmp_path / "report.json")
    assert read_report_json(tmp_path / "report.json") == found


def test_a_row_of_another_runtime_has_no_graphs_digest(tmp_path: Path, report: Report) -> None:
    write_json(tmp_path / "artifacts" / "L6xD384-int8" / "decant.json", {"sha256": {"onnx/model.onnx": "a"}})
    row = report.row("L6xD384-int8").model_copy(update={"runtime": "openvino"})
    other = report.model_copy(update={"rows": (row, *report.rows[1:])})
    assert traced(other, tmp_path).row("L6xD384-int8").graph_sha256 is None


def test_without_folders_the_report_stays_as_it_is(tmp_path: Path, report: Report) -> None:
    assert traced(report, tmp_path) == report


@pytest.mark.parametrize("name", ["artifacts/L6xD384-int8/decant.json", "graphs/graphs.json"])
def test_a_file_that_is_spoiled_is_named(name: str, tmp_path: Path, report: Report) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"{name} is not JSON"):
        traced(report, tmp_path)
