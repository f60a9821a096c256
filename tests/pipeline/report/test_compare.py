from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.report.compare import compare_runs, run_labels


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
