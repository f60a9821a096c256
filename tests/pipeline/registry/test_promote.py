import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from decant.errors import GateError, InputError, TemporaryError
from pipeline.cli.releases_verb import history_lines
from pipeline.pick.run_pick import candidate_of
from pipeline.registry.promote import Promotion, promote, roll_back
from pipeline.registry.records import Today
from pipeline.registry.registry import Registry
from pipeline.registry.settings import PromotionSettings
from pipeline.registry.storage import LockedOutError
from tests.pipeline.registry.conftest import timed, today
from tests.tiny_artifacts import PARITY, tiny_artifact
from tests.tiny_runs import SmokeRun, decant, pairs, write_tsv

SETTINGS = PromotionSettings(pairs="today.tsv")
KEEP = (sys.executable, "-c", "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())")


def let_in(artifact: Path, registry: Path | str, found: Today, settings: PromotionSettings = SETTINGS) -> Promotion:
    return promote(artifact, str(registry), settings, lambda *_: found, lambda text: None)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "registry"


def test_a_better_candidate_replaces_the_deployed_and_a_worse_one_is_written_down(
    tmp_path: Path, registry: Path
) -> None:
    one, two, three = (tiny_artifact(tmp_path / name, name) for name in ("one", "two", "three"))
    first = let_in(one, registry, today(timed(0.8)))
    second = let_in(two, registry, today(timed(0.82), timed(0.8), 0.01, 0.03))
    assert (first.event, second.event) == ("promoted", "promoted")
    with pytest.raises(
        GateError, match=r"three is not promoted; accuracy against the deployed: .*, 4\.00 points too low"
    ):
        let_in(three, registry, today(timed(0.77), timed(0.82), -0.05, -0.03))
    known = Registry.at(registry)
    assert known.current().version == second.version
    assert [event.event for event in known.history()] == ["promoted", "promoted", "refused"]
    refused = known.history()[-1]
    assert refused.today == today(timed(0.77), timed(0.82), -0.05, -0.03)
    assert [gate.gate for gate in refused.gates if not gate.passed] == ["accuracy against the deployed"]
    assert known.history()[1].replaced == first.version


def test_a_changed_file_is_a_gate_of_its_own_and_nothing_is_measured(tmp_path: Path, registry: Path) -> None:
    artifact = tiny_artifact(tmp_path / "one")
    (artifact / "config.json").write_text("changed", encoding="utf-8")
    with pytest.raises(GateError, match=r"one is not promoted; manifest: .*config\.json was changed"):
        promote(artifact, str(registry), SETTINGS, lambda *_: pytest.fail("measured"), lambda text: None)
    assert history_lines(str(registry), 9)[0][18:].startswith("refused one: manifest: ")


def test_what_it_states_is_asked_before_anything_is_measured(tmp_path: Path, registry: Path) -> None:
    artifact = tiny_artifact(tmp_path / "one", parity=PARITY | {"batch_invariance": 0.9})
    with pytest.raises(GateError, match=r"invariance: .* 0\.099900 too low"):
        promote(artifact, str(registry), SETTINGS, lambda *_: pytest.fail("measured"), lambda text: None)


def test_scores_that_are_not_finite_are_a_refusal(tmp_path: Path, registry: Path) -> None:
    def measure(*_: object) -> Today:
        raise GateError("the scores of 3 of 9 pairs are not finite")

    with pytest.raises(GateError, match="accuracy: the scores of 3 of 9 pairs are not finite"):
        promote(tiny_artifact(tmp_path / "one"), str(registry), SETTINGS, measure, lambda text: None)
    assert [event.event for event in Registry.at(registry).history()] == ["refused"]


@pytest.mark.parametrize("location", ["folder", "memory://measured"])
def test_what_another_run_writes_there_in_the_meantime_is_not_promoted(tmp_path: Path, location: str) -> None:
    if location == "folder":
        location = str(tmp_path / "registry")
    else:
        pytest.importorskip("fsspec", reason="fsspec is not installed")
        location += f"/{tmp_path.name}"
    artifact = tiny_artifact(tmp_path / "one", "measured")

    def measure(*_: object) -> Today:
        tiny_artifact(artifact, "never measured")  # whole, as another run leaves it
        return today(timed())

    with pytest.raises(InputError, match="one was changed while it was measured or copied; promote it again"):
        promote(artifact, location, SETTINGS, measure, lambda text: None)
    known = Registry.at(location)
    assert (known.current(), known.storage.names("versions"), known.history()) == (None, [], [])


def test_the_deployed_itself_changes_nothing(tmp_path: Path, registry: Path) -> None:
    let_in(tiny_artifact(tmp_path / "one", "same"), registry, today(timed()))
    again = let_in(tiny_artifact(tmp_path / "again", "same"), registry, today(timed(), timed()))
    assert (again.event, again.release) == ("unchanged", None)
    assert len(Registry.at(registry).releases()) == 1


def test_a_hook_that_fails_does_not_take_the_promotion_back(tmp_path: Path, registry: Path) -> None:
    out = tmp_path / "told.json"
    settings = PromotionSettings(pairs="today.tsv", webhook="http://127.0.0.1:1/x", command=(*KEEP, str(out)))
    done = let_in(tiny_artifact(tmp_path / "one"), registry, today(timed()), settings)
    assert done.failed[0].startswith("webhook at 127.0.0.1 cannot be reached")
    told = json.loads(out.read_text(encoding="utf-8"))
    assert (told["event"], told["version"], told["replaced"]) == ("promoted", done.version, None)
    assert [event.event for event in Registry.at(registry).history()] == [
        "promoted",
        "announced",
        "announcement failed",
    ]
    assert Registry.at(registry).current().version == done.version


def test_who_is_told_gets_no_password_of_the_registry(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    out, location = tmp_path / "told.json", f"memory://user:hunter2222@host/{tmp_path.name}"
    settings = PromotionSettings(pairs="today.tsv", command=(*KEEP, str(out)))
    assert promote(tiny_artifact(tmp_path / "one"), location, settings, lambda *_: today(timed()), print).failed == ()
    assert json.loads(out.read_text(encoding="utf-8"))["registry"] == f"memory://***@host/{tmp_path.name}"


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_a_killed_promotion_left_untold_is_told_by_the_next(tmp_path: Path, registry: Path) -> None:
    append = "import sys; print(sys.stdin.read(), file=open(sys.argv[1], 'a'))"
    settings = SETTINGS.model_copy(update={"command": (sys.executable, "-c", append, str(tmp_path / "told"))})
    first = let_in(tiny_artifact(tmp_path / "one", "one"), registry, today(timed())).version
    two, known = tiny_artifact(tmp_path / "two", "two"), Registry.at(registry)
    killed = known.add(two, today=today(timed(0.9)))  # the pointer was moved, then kill -9
    done = let_in(two, registry, today(timed(), timed(), 0.0, 0.0), settings)
    assert (done.event, done.version, done.release) == ("promoted", killed.version, killed)
    assert [event.event for event in known.history()] == ["promoted", "promoted", "announced"]
    late = known.history()[1]
    assert (late.version, late.replaced, late.today) == (killed.version, first, killed.today)
    told = lines_of(tmp_path / "told")[0]
    assert (told["version"], told["replaced"], told["released"]) == (killed.version, first, killed.released)
    again = let_in(two, registry, today(timed(), timed(), 0.0, 0.0), settings)
    assert (again.event, len(lines_of(tmp_path / "told"))) == ("unchanged", 1)


def test_a_promotion_killed_before_its_hook_ended_is_announced_by_the_next(tmp_path: Path, registry: Path) -> None:
    one = tiny_artifact(tmp_path / "one")
    code = (
        "import os, signal, sys; from pathlib import Path; from pipeline.registry.promote import promote;"
        "from pipeline.registry.settings import PromotionSettings; from tests.pipeline.registry.conftest import *;"
        "settings = PromotionSettings(pairs='x', command=('sh', '-c', f'kill -9 {os.getpid()}'));"
        "promote(Path(sys.argv[1]), sys.argv[2], settings, lambda *_: today(timed()), print)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(one), str(registry)], check=False).returncode == -9
    assert [event.event for event in Registry.at(registry).history()] == ["promoted"]
    settings = SETTINGS.model_copy(update={"command": (*KEEP, str(tmp_path / "told"))})
    done = let_in(one, registry, today(timed(), timed(), 0.0, 0.0), settings)
    assert (done.event, done.failed) == ("unchanged", ())
    assert lines_of(tmp_path / "told")[0]["version"] == done.version


@pytest.mark.parametrize("location", ["folder", "memory://damaged"])
def test_a_damaged_deployed_version_is_replaced_by_absolute_gates_where_one_says_so(
    tmp_path: Path, location: str
) -> None:
    if location == "folder":
        location = str(tmp_path / "registry")
    else:
        pytest.importorskip("fsspec", reason="fsspec is not installed")
        location += f"/{tmp_path.name}"
    one, known = tiny_artifact(tmp_path / "one"), Registry.at(location)
    settings, compared = SETTINGS.model_copy(update={"min_accuracy": 75.0}), []

    def measure(_: Path, deployed: Path | None, *__: object) -> Today:
        compared.append(deployed)
        return today(timed(0.8 if len(compared) > 2 else 0.7 if len(compared) > 1 else 0.9))

    def let(replace_damaged: bool) -> Promotion:
        return promote(one, location, settings, measure, lambda text: None, replace_damaged=replace_damaged)

    first = let(True).version
    known.storage.put(f"versions/{first}/onnx/model.onnx", b"bits that rotted")
    with pytest.raises(InputError, match=rf"onnx/model\.onnx was changed.*{first} is deployed.*--replace-damaged"):
        let(False)
    with pytest.raises(GateError, match=r"accuracy: .* 5\.00 points too low"):
        let(True)
    done = let(True)
    assert (done.event, compared, known.current().version) == ("promoted", [None, None, None], done.version)
    event = known.history()[-1]
    assert (event.event, event.replaced) == ("promoted", first)
    assert event.why.startswith("left out, because it is damaged: ")
    assert [gate.said for gate in done.release.gates if gate.gate == "deployed"] == [event.why]


@pytest.mark.parametrize(
    ("raised", "error"), [(PermissionError("Forbidden"), LockedOutError), (OSError("no route"), TemporaryError)]
)
def test_a_deployed_version_that_cannot_be_read_is_not_taken_for_damaged(
    raised: OSError, error: type[InputError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    location = f"memory://unread/{tmp_path.name}"
    let_in(tiny_artifact(tmp_path / "one"), location, today(timed()))
    filesystem = type(fsspec.filesystem("memory"))
    whole = filesystem.cat_file

    def refused(self: object, path: str, *rest: object, **options: object) -> bytes:
        if "/versions/" in path:
            raise raised
        return whole(self, path, *rest, **options)

    monkeypatch.setattr(filesystem, "cat_file", refused)
    with pytest.raises(error, match=str(raised)):
        promote(
            tiny_artifact(tmp_path / "two", "two"), location, SETTINGS, lambda *_: pytest.fail("measured"),
            lambda text: None, replace_damaged=True,
        )  # fmt: skip


def test_rollback_is_written_down(tmp_path: Path, registry: Path) -> None:
    for name in ("one", "two"):
        let_in(tiny_artifact(tmp_path / name, name), registry, today(timed(), timed(), 0.0, 0.0))
    was, become = roll_back(str(registry), None)
    assert history_lines(str(registry), 1)[0].endswith(f"rolled back one {become.version} instead of {was.version}")


def test_a_promotion_without_pairs_is_refused(tmp_path: Path, registry: Path) -> None:
    with pytest.raises(InputError, match="a promotion measures on today's data: give --pairs FILE"):
        let_in(tiny_artifact(tmp_path / "one"), registry, today(timed()), PromotionSettings())


def test_a_runs_pick_is_the_candidate(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    path = tmp_path / "report" / "report.json"
    path.write_text('{"selected": "L1xD8-fp32", "selected_because": "x"}', encoding="utf-8")
    assert candidate_of(tmp_path) == tmp_path / "artifacts" / "L1xD8-fp32"
    path.write_text('{"selected": null, "selected_because": "infeasible: so"}', encoding="utf-8")
    with pytest.raises(InputError, match="this run chose no artifact to ship: infeasible: so"):
        candidate_of(tmp_path)
    with pytest.raises(InputError, match="is neither an artifact"):
        candidate_of(tmp_path / "report")


def test_from_the_command_line_with_real_graphs(smoke_run: SmokeRun, tmp_path: Path, registry: Path) -> None:
    artifact = Path(shutil.copytree(smoke_run.artifact, tmp_path / "L4xD32-fp32"))
    today_tsv = write_tsv(tmp_path / "today.tsv", pairs("regression", 40, 5))
    common = ["--to", registry, "--pairs", today_tsv, "--rounds", "2", "--threads", "1", "--resamples", "100"]
    said = decant("promote", artifact, *common, "--json")
    assert said.code == 0, said.err
    version = said.json()["version"]
    own = said.json()["release"]["today"]["candidate"]
    assert own["accuracy"] == pytest.approx(decant("eval", artifact, "--pairs", today_tsv, "--json").json()["spearman"])
    assert own["latency_ms"] > 0
    assert (
        decant("promote", artifact, *common).text
        == f"{artifact.name} is deployed already, as {version}; nothing was changed\n"
    )
    refused = decant("promote", artifact, *common, "--max-size-mib", "0.001")
    assert refused.code == 3
    assert refused.lines[-1].startswith("decant: gate failed: L4xD32-fp32 is not promoted; size: ")
    listed = decant("releases", registry, "--json").json()
    assert listed["current"]["version"] == version
    assert [event["event"] for event in listed["history"]] == ["promoted", "unchanged", "refused"]
    assert f"*  {version}" in decant("releases", registry).text
    nothing = decant("rollback", registry)
    assert (nothing.code, nothing.lines) == (
        2,
        [f"decant: {registry}: {version} is the first release; there is none before it"],
    )
    assert decant("releases", tmp_path / "none").code == 2


def test_help_shows_examples() -> None:
    for verb in ("promote", "rollback", "releases"):
        said = decant(verb, "--help")
        assert said.code == 0
        assert f"decant {verb} " in said.text
