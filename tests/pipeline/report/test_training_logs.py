from pathlib import Path

import pytest

from pipeline.report.training_logs import LOG, TrainingRecord, best_dev, dev_name, training_logs


def write_log(run: Path, stage: str, text: str) -> None:
    (run / stage / LOG).parent.mkdir(parents=True)
    (run / stage / LOG).write_text(text, encoding="utf-8")


def test_logs_of_the_recipes_own_stages_are_read_in_order(tmp_path: Path) -> None:
    for stage in ("student", "embed", "embedding/teacher1", "embedding/teacher2", "teacher"):
        write_log(tmp_path, stage, "dev,epoch,loss,step\n,0,0.5,9\n0.75,0,,10\n")
    logs = training_logs(tmp_path, {"teacher": None, "embedding": {"teachers": [{}, {}]}})
    assert list(logs) == ["embedding/teacher1", "embed", "student"]
    assert logs["embed"] == [TrainingRecord(step=9, loss=0.5), TrainingRecord(step=10, dev=0.75)]
    assert list(training_logs(tmp_path, {"teacher": {"kind": "load"}, "embedding": None})) == ["teacher", "student"]


def test_a_run_without_training_has_no_logs(tmp_path: Path) -> None:
    assert training_logs(tmp_path, {}) == {}


@pytest.mark.parametrize(
    "spoilt", ["dev,epoch,loss,step\n,0,x.5,9\n0.75,0,,10\n", "dev,epoch,loss,step\n\0,\ufffd\n0.75,0,,10\n"]
)
def test_a_damaged_log_costs_its_row(spoilt: str, tmp_path: Path) -> None:
    write_log(tmp_path, "student", spoilt)
    assert training_logs(tmp_path, {})["student"] == [TrainingRecord(step=10, dev=0.75)]


def test_a_log_whose_header_is_damaged_has_no_rows(tmp_path: Path) -> None:
    write_log(tmp_path, "student", "dev,epoch,loss,stfp\n,0,0.5,9\n")
    assert training_logs(tmp_path, {}) == {}


def test_a_development_figure_is_named() -> None:
    nested = {"student": {"nesting": {"kind": "matryoshka"}}}
    assert dev_name("teacher", nested, "F1") == "F1 ×100"
    assert dev_name("student", nested, "F1") == "F1 ×100, mean of every cut"
    assert dev_name("student", {"student": {"nesting": None}}, "F1") == "F1 ×100"
    assert dev_name("embed", nested, "F1") == "agreement with the teachers ×100"


def test_the_best_is_the_first_of_the_highest_numbers() -> None:
    devs = [None, float("nan"), 0.5, 0.7, 0.7, 0.6]
    records = [TrainingRecord(step=step, dev=dev) for step, dev in enumerate(devs)]
    assert best_dev(records) == records[3]
    assert best_dev(records[:2]) is None
