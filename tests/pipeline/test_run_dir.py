"""A stage's folder is whole or not there, and is used again only for the same inputs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from decant.errors import DecantError, GateError, InputError, RankError, TemporaryError
from decant.training.on_nan import loss_error
from pipeline.fingerprint import fingerprint
from pipeline.marks import mark_path, restamp
from pipeline.run import STAGES
from pipeline.run_dir import Finished, NotMade, RunDir


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    (tmp_path / "run").mkdir()
    return RunDir(tmp_path / "run")


def writer(text: str, calls: list[str] | None = None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        if calls is not None:
            calls.append(text)
        (folder / "file").write_text(text)

    return write


def events(run_dir: RunDir) -> list[str]:
    return [json.loads(line)["event"] for line in run_dir.log.read_text().splitlines()]


def test_a_stage_is_made_once_for_the_same_inputs(run_dir: RunDir) -> None:
    calls: list[str] = []
    first = run_dir.make("texts", "f1", writer("one", calls))
    again = run_dir.make("texts", "f1", writer("one", calls))
    assert calls == ["one"]
    assert (first.reused, again.reused) == (False, True)
    assert again.seconds == pytest.approx(first.seconds, abs=1e-3)
    assert events(run_dir) == ["begun", "done", "reused"]


def test_other_inputs_replace_it(run_dir: RunDir) -> None:
    run_dir.make("texts", "f1", writer("one"))
    (run_dir.folder("texts") / "stale").write_text("x")
    run_dir.make("texts", "f2", writer("two"))
    assert {path.name for path in run_dir.folder("texts").iterdir()} == {"file"}
    assert (run_dir.folder("texts") / "file").read_text() == "two"
    assert run_dir.finished("texts", "f1") is None


def test_a_stage_that_dies_leaves_the_finished_one_and_goes_on_in_its_own_folder(run_dir: RunDir) -> None:
    run_dir.make("texts", "f1", writer("one"))

    def die(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run_dir.make("texts", "f2", die)
    assert (run_dir.folder("texts") / "file").read_text() == "one"
    assert run_dir.finished("texts", "f1") is not None

    def go_on(folder: Path) -> None:
        assert (folder / "half").is_file()

    run_dir.make("texts", "f2", go_on)
    assert run_dir.finished("texts", "f2") is not None


@pytest.mark.parametrize("error", [InputError, GateError])
def test_a_refusal_leaves_nothing(error: type[Exception], run_dir: RunDir) -> None:
    def refuse(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise error("no")

    with pytest.raises(error, match="no"):
        run_dir.make("texts", "f1", refuse)
    assert not list((run_dir.root / ".work").iterdir())
    assert not run_dir.folder("texts").exists()


@pytest.mark.parametrize("error", [RankError, TemporaryError])
def test_what_may_go_well_another_time_leaves_its_work_to_go_on_from(error: type[DecantError], run_dir: RunDir) -> None:
    def die(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise error("killed")

    with pytest.raises(error, match="killed"):
        run_dir.make("texts", "f1", die)
    run_dir.make("texts", "f1", lambda folder: (folder / "half").rename(folder / "whole"))
    assert (run_dir.folder("texts") / "whole").read_text() == "x"


@pytest.mark.parametrize("content", ["", "{", '{"fingerprint": "other"}', "[]", "[" * 100_000, '{"fingerprint": "f1"}'])
def test_a_damaged_mark_is_no_mark(content: str, run_dir: RunDir) -> None:
    run_dir.make("texts", "f1", writer("one"))
    mark_path(run_dir.root, "texts").write_text(content)
    assert run_dir.finished("texts", "f1") is None


@pytest.mark.parametrize("first", [stage.name for stage in STAGES])
def test_forget_drops_these_stages_and_no_other(first: str, run_dir: RunDir) -> None:
    names = [stage.name for stage in STAGES]
    for stage in (*names, "students/alpha0.5-seed0"):
        run_dir.make(stage, "f1", writer("one"))
    run_dir.forget(name for stage in STAGES[names.index(first) :] for name in stage.folders)
    kept = [stage for stage in names if run_dir.finished(stage, "f1")]
    assert kept == names[: names.index(first)]
    assert run_dir.folder("students").exists() == (names.index(first) > names.index("student"))


def test_forget_student_drops_what_its_trainings_left_unfinished(run_dir: RunDir) -> None:
    run_dir.work("students/alpha0.5-seed0", "f1").mkdir(parents=True)
    run_dir.forget(["student", "students"])
    assert not list((run_dir.root / ".work").iterdir())


def flip(path: Path) -> None:
    """One bit of one byte, as a disk does it: size and time of the last change stay."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(("spoil", "what"), [(flip, "was changed"), (Path.unlink, "was removed")])
def test_a_damaged_stage_is_named_and_made_again(spoil: Callable[[Path], None], what: str, run_dir: RunDir) -> None:
    said: list[str] = []
    watched = replace(run_dir, say=said.append)
    first = watched.make("texts", "f1", writer("one"))
    spoil(first.folder / "file")
    assert watched.finished("texts", "f1") is None
    again = watched.make("texts", "f1", writer("one"))
    assert said == [f"{first.folder / 'file'} {what} since it was written: texts is made again"]
    assert events(run_dir) == ["begun", "done", "damaged", "begun", "done"]
    assert (first.folder / "file").read_text() == "one"
    assert (again.reused, again.fingerprint) == (False, "f1"), "it came out the same: what follows stands"
    assert watched.make("texts", "f1", writer("one")).reused


def test_a_stage_that_comes_out_different_is_another_to_those_that_follow(run_dir: RunDir) -> None:
    def made(text: str) -> Finished:
        return run_dir.make("texts", "f1", writer(text))

    flip(made("one").folder / "file")
    again = made("two")
    assert again.fingerprint != "f1"
    assert made("two").fingerprint == again.fingerprint, "as long as it stands"
    flip(again.folder / "file")
    assert made("two").fingerprint == again.fingerprint
    flip(again.folder / "file")
    assert made("three").fingerprint not in {"f1", again.fingerprint}


def test_a_kill_before_a_damaged_stage_stands_again_forgets_nothing(run_dir: RunDir) -> None:
    def die(folder: Path) -> None:
        raise RuntimeError("killed")

    flip(run_dir.make("texts", "f1", writer("one")).folder / "file")
    with pytest.raises(RuntimeError, match="killed"):
        run_dir.make("texts", "f1", die)
    assert run_dir.make("texts", "f1", writer("two")).fingerprint != "f1"


def test_what_is_damaged_is_not_taken_over_for_other_inputs(run_dir: RunDir) -> None:
    finished = run_dir.make("texts", "f1", writer("one")).folder

    def take_over(folder: Path) -> None:
        assert not (finished / "file").exists()

    flip(finished / "file")
    run_dir.make("texts", "f2", take_over)


def test_curves_and_strange_files_are_let_be(run_dir: RunDir) -> None:
    def write(folder: Path) -> None:
        (folder / "training").mkdir()
        (folder / "training" / "curve").write_text("xyz")

    folder = run_dir.make("texts", "f1", write).folder
    flip(folder / "training" / "curve")
    (folder / "mine.txt").write_text("x")
    assert run_dir.make("texts", "f1", write).reused


def test_a_stage_of_before_there_were_checksums_stands(run_dir: RunDir) -> None:
    run_dir.make("texts", "f1", writer("one"))
    mark_path(run_dir.root, "texts").write_text('{"stage": "texts", "fingerprint": "f1", "seconds": 1.5}')
    stage = run_dir.make("texts", "f1", writer("two"))
    assert (stage.reused, stage.fingerprint, stage.seconds) == (True, "f1", 1.5)


def test_a_file_that_is_changed_on_purpose_is_no_damage(run_dir: RunDir, tmp_path: Path) -> None:
    file = run_dir.make("texts", "f1", writer("one")).folder / "file"
    file.write_text("two")
    restamp(file)
    assert run_dir.make("texts", "f1", writer("three")).reused
    (tmp_path / "elsewhere").touch()
    restamp(tmp_path / "elsewhere")


def test_a_mark_that_an_earlier_version_left_in_the_folder_is_read_and_moved_out(run_dir: RunDir) -> None:
    folder, outside = run_dir.make("texts", "f1", writer("one")).folder, mark_path(run_dir.root, "texts")
    outside.rename(folder / "stage.json")
    assert run_dir.finished("texts", "f1") is not None
    (folder / "file").write_text("two")
    restamp(folder / "file")
    assert run_dir.make("texts", "f1", writer("three")).reused
    assert {path.name for path in folder.iterdir()} == {"file"}
    assert outside.is_file()
    assert run_dir.make("texts", "f1", writer("four")).reused


def test_it_stays_in_the_folder_of_a_model_whose_digest_holds_it(run_dir: RunDir) -> None:
    def write(folder: Path) -> None:
        (folder / "config.json").write_text("{}")

    folder = run_dir.make("teacher", "f1", write).folder
    mark_path(run_dir.root, "teacher").rename(folder / "stage.json")
    assert run_dir.make("teacher", "f1", write).reused
    assert {path.name for path in folder.iterdir()} == {"config.json", "stage.json"}


def test_a_kill_before_the_mark_is_moved_out_loses_nothing(run_dir: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir.make("texts", "f1", writer("one"))
    with monkeypatch.context() as killed:
        killed.setattr("pipeline.run_dir.move_out", lambda root, stage: None)
        run_dir.make("texts", "f2", writer("two"))
    assert run_dir.finished("texts", "f2") is not None
    assert run_dir.make("texts", "f2", writer("three")).reused
    assert not (run_dir.folder("texts") / "stage.json").exists()


def reasons(run_dir: RunDir) -> list[str]:
    return [line["why"] for line in map(json.loads, run_dir.log.read_text().splitlines()) if line["event"] == "begun"]


def test_why_a_stage_is_made_is_logged_and_said_beforehand(run_dir: RunDir) -> None:
    said: list[str] = []
    watched = replace(run_dir, say=said.append)

    def make(fingerprint: str, inputs: dict[str, object] | None) -> str:
        with pytest.raises(NotMade) as missing:
            replace(run_dir, look_only=True).make("texts", fingerprint, writer("x"), inputs, lambda *some: f"{some[1]}")
        watched.make("texts", fingerprint, writer("x"), inputs, lambda *some: f"{some[1]}" if some[1] else "")
        assert watched.finished("texts", fingerprint) is not None
        return missing.value.why

    whys = [make("f1", {"a": 1}), make("f2", {"a": 2})]
    flip(run_dir.folder("texts") / "file")
    whys.append(make("f2", {"a": 2}))
    shutil.rmtree(run_dir.folder("texts"))
    whys.append(make("f2", {"a": 2}))
    mark_path(run_dir.root, "texts").write_text("{")
    whys.append(make("f2", {"a": 2}))
    assert whys == ["first time", "{'a': 2}", "was damaged", "was removed", "its mark cannot be read"]
    assert reasons(run_dir) == whys
    assert [line for line in said if "since it was written" not in line] == [
        f"texts is made again: {whys[number]}" for number in (1, 3, 4)
    ]


def test_a_stage_whose_inputs_are_the_same_is_of_a_new_version(run_dir: RunDir) -> None:
    run_dir.make("texts", "f1", writer("one"), {"a": 1})
    run_dir.make("texts", "f2", writer("two"), {"a": 1})
    run_dir.make("teacher", "f1", writer("one"))
    run_dir.make("teacher", "f2", writer("two"), {"a": 1})
    run_dir.forget(["texts"])
    replace(run_dir, again=frozenset({"texts"})).make("texts", "f2", writer("two"), {"a": 1})
    assert reasons(run_dir) == [
        "first time", "new version of the stage", "first time", "made by an earlier version", "asked for by --from",
    ]  # fmt: skip


def test_a_part_is_compared_with_another_of_its_stage(run_dir: RunDir) -> None:
    run_dir.make("students/alpha0.5-seed0", "f1", writer("one"), {"alpha": 0.5})
    run_dir.make("students/soup", "f2", writer("two"), {"students": ["f1"]}, lambda *some: "never")
    run_dir.make("students/alpha0.25-seed0", "f3", writer("three"), {"alpha": 0.25}, lambda *some: f"{some[0]}")
    assert reasons(run_dir) == ["first time", "first time", "{'alpha': 0.5}"]


def test_a_folder_that_is_forgotten_may_stay_until_it_is_replaced(run_dir: RunDir) -> None:
    run_dir.make("artifacts", "f1", writer("one"))
    run_dir.forget(["artifacts"], keep=["artifacts"])
    assert run_dir.finished("artifacts", "f1") is None
    assert (run_dir.folder("artifacts") / "file").read_text() == "one"


def test_another_process_in_the_same_folder_is_refused(run_dir: RunDir) -> None:
    code = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire()"
    code += "; print(flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(run_dir.root / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(InputError, match="another run is at work in this folder"), run_dir.locked():
            pass
        other.kill()
    with run_dir.locked():  # the lock died with its holder
        pass


def test_the_batch_of_a_bad_loss_is_kept_until_its_stage_is_made(run_dir: RunDir) -> None:
    def refuse(folder: Path) -> None:
        raise loss_error(float("nan"), 3, 1, 3, [1, 0], [("a", "b"), ("c", "d")])

    kept = run_dir.root / "bad-batch-students-alpha0-seed0.json"
    with pytest.raises(InputError, match="the loss is nan at step 3; .*; its batch is in .*bad-batch-students-alpha0"):
        run_dir.make("students/alpha0-seed0", "f1", refuse)
    assert json.loads(kept.read_text(encoding="utf-8"))["texts"] == [["c", "d"], ["a", "b"]]
    run_dir.make("student", "f1", writer("another"))
    assert kept.exists()
    run_dir.make("students/alpha0-seed0", "f1", writer("one"))
    assert not kept.exists()


@pytest.mark.parametrize("half", ["", '{"time": "20'])
def test_a_line_of_the_log_that_was_cut_short_is_dropped(half: str, run_dir: RunDir) -> None:
    run_dir.make("texts", "f1", writer("one"))
    with run_dir.log.open("a") as file:
        file.write(half)
    with run_dir.locked():
        run_dir.make("texts", "f1", writer("one"))
    assert events(run_dir) == ["begun", "done", "reused"]


def test_fingerprint_depends_on_everything_but_the_order_of_keys() -> None:
    base = fingerprint("texts", 1, {"a": 1, "b": [1, 2]})
    assert base == fingerprint("texts", 1, {"b": [1, 2], "a": 1})
    others = [("teacher", 1, {"a": 1, "b": [1, 2]}), ("texts", 2, {"a": 1, "b": [1, 2]}), ("texts", 1, {"a": 1})]
    assert len({base, *(fingerprint(*one) for one in others)}) == 4
