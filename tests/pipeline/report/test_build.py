import json
from pathlib import Path

from pipeline.measure.grid import Grid
from pipeline.report.build import build_report
from pipeline.report.rows import Mined, Report, read_report_json
from pipeline.report.training_logs import TrainingRecord


def test_the_folder_holds_the_report_in_every_form(tmp_path: Path, report: Report) -> None:
    folder = tmp_path / "deep" / "report"
    build_report(report, folder, {"student": [TrainingRecord(step=step, loss=1.0) for step in range(3)]})
    assert {path.name for path in folder.iterdir()} == {
        "report.json", "report.md", "report.html", "accuracy_latency.png", "training.png",
    }  # fmt: skip
    assert read_report_json(folder / "report.json") == report
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "(accuracy_latency.png)" in text
    assert "(training.png)" in text


def test_plots_without_data_are_not_written_and_not_linked(tmp_path: Path, report: Report) -> None:
    bare = report.model_copy(update={"rows": (report.row("bag of words"),), "selected": None})
    build_report(bare, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.md", "report.html"}
    assert ".png" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_the_same_report_makes_the_same_files(tmp_path: Path, report: Report) -> None:
    for name in ("first", "second"):
        build_report(report, tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name
    assert json.loads((tmp_path / "first" / "report.json").read_text(encoding="utf-8"))["selected"]


def test_a_grid_is_drawn_linked_and_read_back(tmp_path: Path, report: Report, grid: Grid) -> None:
    nested = report.model_copy(update={"grid": grid})
    build_report(nested, tmp_path)
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    assert "(grid.png)" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert read_report_json(tmp_path / "report.json") == nested


def test_mined_pairs_are_drawn_linked_and_read_back(tmp_path: Path, report: Report, mined: Mined) -> None:
    with_mined = report.model_copy(update={"mined": mined})
    build_report(with_mined, tmp_path)
    assert (tmp_path / "mined.png").read_bytes().startswith(b"\x89PNG")
    assert "(mined.png)" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert read_report_json(tmp_path / "report.json") == with_mined
