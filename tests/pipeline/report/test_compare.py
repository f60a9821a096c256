from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.report.compare import compare_runs, run_labels
from pipeline.report.rows import Report, write_report_json
from tests.pipeline.report.conftest import stand_artifacts


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        (["/runs/a", "/runs/b"], ["a", "b"]),
        (["/x/run", "/y/run"], ["x/run", "y/run"]),
        (["/x/run/one", "/y/run/one", "/y/run/two"], ["x/run/one", "y/run/one", "y/run/two"]),
    ],
)
def test_labels_tell_runs_apart(folders: list[str], labels: list[str]) -> None:
    assert run_labels([Path(folder) for folder in folders]) == labels


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compare needs two or more runs"):
        compare_runs([tmp_path], tmp_path / "page.html")
    with pytest.raises(InputError, match="is given twice; give each run once"):
        compare_runs([tmp_path, tmp_path / "."], tmp_path / "page.html")
    with pytest.raises(InputError, match=r"report\.json: No such file"):
        compare_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_each_runs_pick_is_told_and_marked_where_its_files_are_gone(report: Report, tmp_path: Path) -> None:
    runs = [tmp_path / "a", tmp_path / "b"]
    for run in runs:
        (run / "report").mkdir(parents=True)
        write_report_json(report, run / "report" / "report.json")
    stand_artifacts(report, runs[0])
    first, one, other, *told = compare_runs(runs, tmp_path / "page.html").splitlines()
    assert first.startswith("Of 2 runs' picks ")
    for name, said in (("a", one), ("b", other)):
        assert said.startswith(f"{name}: Ship L6xD384-int8 (22.3 MiB): ")
        assert said.endswith("; chosen as the fastest within a point of the student.")
    gone = f"{runs[1] / 'artifacts' / 'L6xD384-int8'} is gone"
    assert told[2:] == [f"b's pick cannot be shipped: {gone}."]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("artifact, selected, gone</span>") == 1
    assert page.count("artifact, gone</span>") == 1
    assert page.count(f'"gone":"{gone}"') == 1
