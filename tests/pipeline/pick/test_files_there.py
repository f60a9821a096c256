from pathlib import Path

import pytest

from pipeline.pick.files_there import gone_rows, lacking
from pipeline.report.rows import Report, Row
from tests.pipeline.report.conftest import environment as environment
from tests.pipeline.report.conftest import report as report
from tests.pipeline.report.conftest import stand_artifacts


def test_folder_manifest_and_graph_are_looked_for(report: Report, tmp_path: Path) -> None:
    row, folder = report.row("L6xD384-int8"), tmp_path / "artifacts" / "L6xD384-int8"
    assert lacking(row, tmp_path) == f"{folder} is gone"
    (folder / "onnx").mkdir(parents=True)
    assert lacking(row, tmp_path) == f"{folder} has no decant.json and no onnx/model.onnx"
    stand_artifacts(report, tmp_path)
    assert lacking(row, tmp_path) is None
    (folder / "decant.json").unlink()
    assert lacking(row, tmp_path) == f"{folder} has no decant.json"


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_gone(path: str, tmp_path: Path) -> None:
    row = Row(name="a", kind="artifact", path=path)
    assert lacking(row, tmp_path) == f"{tmp_path / path} is gone"


def test_every_row_with_a_folder_is_looked_at(report: Report, tmp_path: Path) -> None:
    student = report.row("student").model_copy(update={"path": "student"})
    rows = (*(row for row in report.rows if row.name != "student"), student)
    assert set(gone_rows(rows, tmp_path)) == {"L6xD384-int8", "L6xD384-fp32", "student"}
    stand_artifacts(report, tmp_path)
    assert gone_rows(rows, tmp_path) == {"student": f"{tmp_path / 'student'} is gone"}
