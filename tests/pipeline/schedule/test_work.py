import json
import os
import sys
import time
from pathlib import Path

import pytest

from decant.errors import DecantError, InputError
from pipeline.schedule import work as work_module
from pipeline.schedule.lock import recipe_lock
from pipeline.schedule.spec import Schedule
from pipeline.schedule.store import Store
from pipeline.schedule.work import Worked, certify_command, check_promotion, promote_command, run_command, work
from tests.pipeline.schedule.conftest import schedule, stand_in, times_run
from tests.tiny_runs import decant


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, int]:
    """Exit codes of the stand-ins for `decant run` and `decant promote`."""
    codes = {"run": 0, "promote": 0}
    monkeypatch.setattr(work_module, "run_command", lambda one: stand_in(tmp_path, codes["run"]))
    monkeypatch.setattr(work_module, "promote_command", lambda one: stand_in(tmp_path, codes["promote"]))
    return codes


def due(store: Store, folder: Path) -> Worked:
    return work(store, folder / "state", "my", "schedule", if_changed=True, say=lambda text: None)


def states(store: Store) -> list[str]:
    return [run.state for run in store.runs()]


def test_an_unchanged_schedule_is_skipped_and_every_change_runs_it(
    store: Store, tmp_path: Path, codes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(schedule(tmp_path))
    assert due(store, tmp_path).state == "done"
    skipped = due(store, tmp_path)
    assert (skipped.state, skipped.said) == ("skipped", "nothing changed in data, recipe and code")
    assert times_run(tmp_path) == 1
    changes = [
        lambda: (tmp_path / "data.tsv").write_text("c\td\t2\n", encoding="utf-8"),
        lambda: (tmp_path / "recipe.yaml").write_text("name: my\nseed: 1\n", encoding="utf-8"),
        lambda: monkeypatch.setenv("DECANT_DATA", str(tmp_path)),
        lambda: monkeypatch.setattr("pipeline.schedule.changes.code_digest", lambda: "another"),
        lambda: (tmp_path / "run" / "report" / "report.json").unlink(),
    ]
    for number, change in enumerate(changes, start=2):
        change()
        assert due(store, tmp_path).state == "done"
        assert times_run(tmp_path) == number
        assert due(store, tmp_path).state == "skipped"
    assert states(store) == ["done", "skipped"] * 6
    assert work(store, tmp_path / "state", "my", "by hand", if_changed=False, say=lambda text: None).state == "done"


def test_a_promotion_at_the_end(store: Store, tmp_path: Path, codes: dict[str, int]) -> None:
    (tmp_path / "pairs.tsv").write_text("a\tb\t1\n", encoding="utf-8")
    store.add(schedule(tmp_path, promote_to="/registry", pairs=str(tmp_path / "pairs.tsv")))
    assert due(store, tmp_path).state == "promoted"
    assert due(store, tmp_path).state == "skipped"
    (tmp_path / "pairs.tsv").write_text("a\tc\t1\n", encoding="utf-8")
    codes["promote"] = 3
    assert due(store, tmp_path) == Worked("refused", "because", 1, str(tmp_path / "state/logs/my/000003.log"), 3)
    assert due(store, tmp_path).state == "skipped"  # the same candidate would be refused again


def test_a_run_without_a_pick_is_refused_and_nothing_is_promoted(
    store: Store, tmp_path: Path, codes: dict[str, int]
) -> None:
    store.add(schedule(tmp_path, promote_to="/registry", pairs=str(tmp_path / "data.tsv")))
    codes["run"] = 3
    assert due(store, tmp_path).state == "refused"
    assert times_run(tmp_path) == 1


LEFT_OUT = '{"selected": "L6xD384-fp32", "left_out": ["L6xD384-int4: cosine 0.970000 is below 0.98"]}'
NOTE = "left out: L6xD384-int4: cosine 0.970000 is below 0.98"


def leaving_out(folder: Path, monkeypatch: pytest.MonkeyPatch, report: str = LEFT_OUT, last: str = "report") -> None:
    """Let the run be one that leaves a graph out."""
    monkeypatch.setattr(work_module, "run_command", lambda one: stand_in(folder, 3, report, last))


def promoting(store: Store, folder: Path) -> None:
    """Add a schedule that promotes."""
    store.add(schedule(folder, promote_to="/registry", pairs=str(folder / "data.tsv")))


@pytest.mark.parametrize(
    ("code", "state", "said"), [(0, "promoted", NOTE), (3, "refused", f"because; {NOTE}"), (2, "failed", NOTE)]
)
def test_a_graph_that_is_left_out_does_not_keep_the_pick_back(
    store: Store, tmp_path: Path, codes: dict[str, int], monkeypatch: pytest.MonkeyPatch, code: int, state: str,
    said: str,
) -> None:  # fmt: skip
    leaving_out(tmp_path, monkeypatch)
    codes["promote"] = code
    promoting(store, tmp_path)
    found = due(store, tmp_path)
    assert (found.state, found.code) == (state, code)
    assert found.said.endswith(said)
    assert times_run(tmp_path) == 2


@pytest.mark.parametrize(("code", "state", "ran"), [(0, "promoted", 3), (3, "refused", 2), (2, "failed", 2)])
def test_the_pick_is_certified_before_it_is_promoted(
    store: Store, tmp_path: Path, codes: dict[str, int], monkeypatch: pytest.MonkeyPatch, code: int, state: str,
    ran: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(work_module, "run_command", lambda one: stand_in(tmp_path, 0, LEFT_OUT))
    asked: list[list[str] | None] = []
    real = work_module.certify_command
    monkeypatch.setattr(
        work_module, "certify_command", lambda one: asked.append(real(one)) or stand_in(tmp_path, code, LEFT_OUT)
    )
    promoting(store, tmp_path)
    (tmp_path / "recipe.yaml").write_text("promotion: {certificate: [onnxruntime, fastembed]}\n", encoding="utf-8")
    assert due(store, tmp_path) == Worked(
        state, "because" if code else "", 1, str(tmp_path / "state/logs/my/000001.log"), code
    )
    assert times_run(tmp_path) == ran
    pick = str(tmp_path / "run" / "artifacts" / "L6xD384-fp32")
    assert asked[0] is not None
    assert asked[0][3:] == ["certify", pick, "--runtimes", "onnxruntime,fastembed", "--quiet"]


def test_a_runtime_that_was_not_run_leaves_the_promotion_for_another_time(
    store: Store, tmp_path: Path, codes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "run_command", lambda one: stand_in(tmp_path, 0, LEFT_OUT))
    monkeypatch.setattr(work_module, "certify_command", lambda one: stand_in(tmp_path, 0, LEFT_OUT))
    promoting(store, tmp_path)
    (tmp_path / "recipe.yaml").write_text("promotion: {certificate: [onnxruntime, fastembed]}\n", encoding="utf-8")
    manifest = tmp_path / "run" / "artifacts" / "L6xD384-fp32" / "decant.json"
    manifest.parent.mkdir(parents=True)
    records = {"onnxruntime": {"status": "agrees"}, "fastembed": {"status": "not run"}}
    manifest.write_text(json.dumps({"certificate": records}), encoding="utf-8")
    done = due(store, tmp_path)
    assert (done.state, done.code) == ("failed", 75)
    assert done.said == "not promoted: fastembed could not be run to certify it; decant.json says why"
    records["fastembed"]["status"] = "agrees"
    manifest.write_text(json.dumps({"certificate": records}), encoding="utf-8")
    assert due(store, tmp_path).state == "promoted", "what failed is not skipped"


def test_what_no_promotion_asks_for_is_not_certified(tmp_path: Path) -> None:
    one = schedule(tmp_path, promote_to="/registry", overrides=("promotion.certificate=[triton]",))
    assert certify_command(one) is None, "there is no pick"
    for name, content in (("log.jsonl", '{"stage": "report", "event": "reused"}\n'), ("report/report.json", LEFT_OUT)):
        (tmp_path / "run" / "report").mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_text(content, encoding="utf-8")
    assert (certify_command(one) or [])[-2:] == ["triton", "--quiet"]
    assert certify_command(schedule(tmp_path, promote_to="/registry")) is None


def test_without_a_promotion_a_run_that_left_a_graph_out_is_done(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving_out(tmp_path, monkeypatch)
    store.add(schedule(tmp_path))
    assert due(store, tmp_path) == Worked("done", NOTE, 1, str(tmp_path / "state/logs/my/000001.log"), 0)
    assert due(store, tmp_path).state == "skipped"


@pytest.mark.parametrize(
    ("report", "last"),
    [
        (LEFT_OUT.replace('"L6xD384-fp32"', "null"), "report"),
        (LEFT_OUT.replace('"L6xD384-fp32"', "1"), "report"),
        (LEFT_OUT.replace("L6xD384-fp32", "../other"), "report"),
        (LEFT_OUT, "graphs"),
        ("[]", "report"),
    ],
    ids=["nothing fits the budget", "no name", "outside", "the report of the run before", "no report"],
)
def test_a_gate_that_leaves_nothing_to_ship_refuses_the_run(
    store: Store, tmp_path: Path, codes: dict[str, int], monkeypatch: pytest.MonkeyPatch, report: str, last: str
) -> None:
    leaving_out(tmp_path, monkeypatch, report, last)
    promoting(store, tmp_path)
    assert due(store, tmp_path).state == "refused"
    assert times_run(tmp_path) == 1


@pytest.mark.parametrize(
    ("code", "state", "times", "left"),
    [(2, "failed", 1, 2), (1, "failed", 2, 1), (75, "failed", 2, 75), (130, "interrupted", 1, 130)],
)
def test_what_fails_is_run_again_when_it_is_due_again(
    store: Store, tmp_path: Path, codes: dict[str, int], code: int, state: str, times: int, left: int
) -> None:
    store.add(schedule(tmp_path))
    codes["run"] = code
    found = due(store, tmp_path)
    assert (found.state, found.said, found.attempts, found.code) == (state, "because", times, left)
    assert due(store, tmp_path).state == state
    assert times_run(tmp_path) == 2 * times


def test_one_run_at_a_time_per_recipe(store: Store, tmp_path: Path, codes: dict[str, int]) -> None:
    one = schedule(tmp_path)
    store.add(one)
    with recipe_lock(tmp_path / "state", one.recipe):
        assert due(store, tmp_path) == Worked("skipped", "another run of this recipe is at work")
    assert due(store, tmp_path).state == "done"


def test_a_recipe_that_is_gone_is_a_failure_of_the_run_alone(store: Store, tmp_path: Path) -> None:
    one = schedule(tmp_path)
    store.add(one)
    Path(one.recipe).unlink()
    found = due(store, tmp_path)
    assert (found.state, found.code) == ("failed", 2)
    assert "recipe.yaml" in found.said
    assert store.runs()[0].ended is not None


def test_an_interruption_is_written_down(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(one: Schedule) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(work_module, "run_command", interrupted)
    store.add(schedule(tmp_path))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT011 it has no text
        due(store, tmp_path)
    assert states(store) == ["interrupted"]


def test_a_database_that_was_away_for_a_moment_is_no_interruption(
    store: Store, tmp_path: Path, codes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DecantError("--store: the database fails")

    monkeypatch.setattr(store, "settle", away)
    store.add(schedule(tmp_path))
    assert due(store, tmp_path).code == 1
    assert [(run.state, run.said, run.attempts) for run in store.runs()] == [
        ("failed", "--store: the database fails", 1)
    ]


def test_an_earlier_run_that_died_without_a_word_is_closed(store: Store, tmp_path: Path, codes: dict[str, int]) -> None:
    store.add(schedule(tmp_path))
    store.begin("my", "schedule")
    due(store, tmp_path)
    assert states(store) == ["lost", "done"]


def test_the_commands(tmp_path: Path) -> None:
    one = schedule(tmp_path, overrides=("seed=1",), promote_to="/registry", pairs="/pairs.tsv")
    assert run_command(one)[3:] == ["run", one.recipe, "--out", one.run, "--quiet", "--set", "seed=1"]
    assert promote_command(one)[3:] == [
        "promote", one.run, "--recipe", one.recipe, "--pairs", "/pairs.tsv", "--set", "seed=1",
    ]  # fmt: skip


def test_the_registry_is_named_by_a_variable_and_by_no_argument(
    store: Store, tmp_path: Path, codes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = "s3://key:secret@bucket/models"
    tell = "import os, sys; print('decant:', os.environ['DECANT_REGISTRY'] == sys.argv[1]); sys.exit(3)"
    monkeypatch.setattr(work_module, "promote_command", lambda one: [sys.executable, "-c", tell, registry])
    one = schedule(tmp_path, promote_to=registry, pairs=str(tmp_path / "data.tsv"))
    store.add(one)
    assert due(store, tmp_path).said == "True"
    assert registry not in promote_command(one)
    assert "DECANT_REGISTRY" not in os.environ


def test_promote_takes_the_registry_of_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Missing option '--to'" in decant("promote", tmp_path).err
    monkeypatch.setenv("DECANT_REGISTRY", str(tmp_path / "registry"))
    assert decant("promote", tmp_path).lines == [
        f"decant: {tmp_path} is neither an artifact (decant.json) nor a finished run (report/report.json)"
    ]


def test_a_promotion_needs_pairs(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: my\n", encoding="utf-8")
    values = {"recipe": str(recipe), "promote_to": "/registry", "pairs": None, "overrides": ()}
    with pytest.raises(InputError, match=r"--promote-to needs pairs to measure on"):
        check_promotion(values)
    check_promotion(values | {"pairs": "x.tsv"})
    check_promotion(values | {"promote_to": None})
    check_promotion(values | {"overrides": ("promotion.pairs=x.tsv",)})
    recipe.write_text("name: my\npromotion: {pairs: x.tsv}\n", encoding="utf-8")
    check_promotion(values)


def test_a_skip_takes_less_than_two_seconds(store: Store, tmp_path: Path, codes: dict[str, int]) -> None:
    store.add(schedule(tmp_path))
    due(store, tmp_path)
    began = time.monotonic()
    assert due(store, tmp_path).state == "skipped"
    assert time.monotonic() - began < 2
