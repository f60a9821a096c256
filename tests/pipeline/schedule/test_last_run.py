from pathlib import Path

import pytest

from pipeline.schedule import work as work_module
from pipeline.schedule.last_run import schedule_samples
from pipeline.schedule.store import Store
from pipeline.schedule.work import work
from tests.pipeline.schedule.conftest import schedule, stand_in
from tests.prometheus_reader import read_textfile
from tests.tiny_runs import decant


def test_a_schedule_tells_how_it_stands(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = 0
    monkeypatch.setattr(work_module, "run_command", lambda one: stand_in(tmp_path, code))
    store.add(schedule(tmp_path, retries=0))
    folder = tmp_path / "collected"
    folder.mkdir()

    def gauges() -> dict[str, float]:
        work(store, tmp_path / "state", "my", "schedule", if_changed=True, say=lambda text: None, prometheus=folder)
        found = read_textfile(folder / "decant_schedule_my.prom")
        assert all(key[1] == "name=my" for key in found)
        (state,) = (key[2] for key, value in found.items() if len(key) == 3 and value == 1)
        return {key[0].removeprefix("decant_schedule_"): value for key, value in found.items()} | {state: 1}

    done = gauges()
    (run,) = store.runs("my")
    assert run.ended is not None
    assert done["status=done"] == 1
    assert done["last_success_timestamp_seconds"] == done["end_timestamp_seconds"] == run.ended
    assert done["duration_seconds"] == pytest.approx(run.ended - run.started)
    assert done["next_run_timestamp_seconds"] == store.planned("my").next_run
    assert (done["attempts"], done["paused"]) == (1, 0)

    skipped = gauges()
    assert skipped["status=skipped"] == 1
    assert skipped["last_success_timestamp_seconds"] == run.ended < skipped["end_timestamp_seconds"]

    code = 3
    (tmp_path / "data.tsv").write_text("c\td\t2\n", encoding="utf-8")
    refused = gauges()
    assert refused["status=refused"] == 1
    assert refused["last_success_timestamp_seconds"] == run.ended
    assert [path.name for path in folder.iterdir()] == ["decant_schedule_my.prom"]


def test_a_run_that_ends_after_one_that_was_skipped_meanwhile_is_the_last(store: Store, tmp_path: Path) -> None:
    store.add(schedule(tmp_path))
    number = store.begin("my", "schedule")
    store.end(store.begin("my", "schedule"), "skipped", "its last run is still at work")
    store.end(number, "failed", "because", 3)
    told = {sample.gauge: sample.value for sample in schedule_samples(store, "my")}
    assert told["decant_schedule_attempts"] == 3


def test_a_folder_that_is_not_there_is_refused(url: str, store: Store, tmp_path: Path) -> None:
    for verb in (["run-now", "my"], ["start"]):
        said = decant("schedule", *verb, "--home", tmp_path, "--store", url, "--prometheus", tmp_path / "none")
        assert (said.code, said.lines) == (
            2,
            [f"decant: --prometheus {tmp_path / 'none'} is no folder; name that of node_exporter's textfile collector"],
        )
