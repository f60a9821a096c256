"""A stage's folder is whole or not there, and is used again only for the same inputs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.run_dir import STAGES, RunDir, fingerprint
from teachers.errors import GateError, InputError


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
    assert {path.name for path in run_dir.folder("texts").iterdir()} == {"file", "stage.json"}
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


@pytest.mark.parametrize("content", ["", "{", '{"fingerprint": "other"}', "[]", '{"fingerprint": "f1"}'])
def test_a_damaged_mark_is_no_mark(content: str, run_dir: RunDir) -> None:
    run_dir.make("texts", "f1", writer("one"))
    (run_dir.folder("texts") / "stage.json").write_text(content)
    assert run_dir.finished("texts", "f1") is None


@pytest.mark.parametrize("first", STAGES)
def test_forget_drops_this_stage_and_the_later_ones(first: str, run_dir: RunDir) -> None:
    for stage in (*STAGES, "students/alpha0.5-seed0"):
        run_dir.make(stage, "f1", writer("one"))
    run_dir.forget(first)
    kept = [stage for stage in STAGES if run_dir.finished(stage, "f1")]
    assert kept == list(STAGES[: STAGES.index(first)])
    assert run_dir.folder("students").exists() == (STAGES.index(first) > STAGES.index("student"))


def test_forget_student_drops_what_its_trainings_left_unfinished(run_dir: RunDir) -> None:
    run_dir.work("students/alpha0.5-seed0", "f1").mkdir(parents=True)
    run_dir.forget("student")
    assert not list((run_dir.root / ".work").iterdir())


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


def test_fingerprint_depends_on_everything_but_the_order_of_keys() -> None:
    base = fingerprint("texts", 1, {"a": 1, "b": [1, 2]})
    assert base == fingerprint("texts", 1, {"b": [1, 2], "a": 1})
    others = [("teacher", 1, {"a": 1, "b": [1, 2]}), ("texts", 2, {"a": 1, "b": [1, 2]}), ("texts", 1, {"a": 1})]
    assert len({base, *(fingerprint(*one) for one in others)}) == 4
