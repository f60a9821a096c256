import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from decant.errors import DecantError, InputError
from export.artifact.manifest import MANIFEST, verify_artifact
from pipeline.registry.records import Event, Pointer, now
from pipeline.registry.registry import Registry
from pipeline.registry.storage import RemoteStorage
from tests.tiny_artifacts import tiny_artifact

PROMOTIONS = 200
READER = """
import json, sys, tempfile
from pathlib import Path
from pipeline.registry.registry import Registry

registry, stop = Registry.at(sys.argv[1]), Path(sys.argv[2])
reads, versions = 0, set()
print("reading", flush=True)
while not stop.exists():
    pointer = registry.current()
    with tempfile.TemporaryDirectory() as scratch:
        registry.fetch(pointer.version, Path(scratch))  # holds every file to its sha256
    reads, versions = reads + 1, versions | {pointer.version}
print(json.dumps({"reads": reads, "versions": len(versions)}))
"""
WRITER = """
import sys
from itertools import count
from pathlib import Path
from pipeline.registry.registry import Registry

registry, artifacts = Registry.at(sys.argv[1]), [Path(path) for path in sys.argv[2:]]
for number in count():
    with registry.storage.locked():
        registry.add(artifacts[number % len(artifacts)])
    print(number, flush=True)
"""


@pytest.fixture(params=["folder", "object store"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "folder":
        return Registry.at(tmp_path / "registry")
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    filesystem = fsspec.filesystem("memory")
    if filesystem.exists("/models"):
        filesystem.rm("/models", recursive=True)
    return Registry.at("memory://models")


@pytest.fixture
def artifacts(tmp_path: Path) -> list[Path]:
    return [tiny_artifact(tmp_path / name, name) for name in ("one", "two", "three")]


def test_versions_are_kept_and_the_pointer_names_the_last(
    registry: Registry, artifacts: list[Path], tmp_path: Path
) -> None:
    assert registry.current() is None
    first, second = [registry.add(artifact).version for artifact in artifacts[:2]]
    assert (first[:7], second[:7]) == ("000001-", "000002-")
    assert registry.current() == Pointer(version=second, since=registry.current().since, before=(first,))
    assert [release.version for release in registry.releases()] == [first, second]
    for version, artifact in ((first, artifacts[0]), (second, artifacts[1])):
        fetched = registry.fetch(version, tmp_path / "scratch" / version)
        assert verify_artifact(fetched) == verify_artifact(artifact)


def test_rollback_goes_back_step_by_step_and_to_a_named_version(registry: Registry, artifacts: list[Path]) -> None:
    first, second, third = [registry.add(artifact).version for artifact in artifacts]
    was, become = registry.rollback()
    assert (was.version, become.version, become.before) == (third, second, (first,))
    assert registry.rollback()[1].before == ()
    with pytest.raises(InputError, match=f"{first} is the first release; there is none before it"):
        registry.rollback()
    assert registry.rollback(third)[1].before == (first,)
    with pytest.raises(InputError, match=f"{third} is deployed already"):
        registry.rollback(third)
    with pytest.raises(InputError, match=r"has no release 000009-0{12}; the last ones: 000001-"):
        registry.rollback("000009-000000000000")
    with pytest.raises(InputError, match=r"has no release \.\./current"):
        registry.rollback("../current")
    assert registry.add(artifacts[0]).version.startswith("000004-")


def test_nothing_to_roll_back_in_an_empty_registry(registry: Registry) -> None:
    with pytest.raises(InputError, match="nothing is deployed"):
        registry.rollback()


def test_a_version_that_was_changed_is_neither_fetched_nor_rolled_back_to(
    registry: Registry, artifacts: list[Path], tmp_path: Path
) -> None:
    first, second = [registry.add(artifact).version for artifact in artifacts[:2]]
    registry.storage.put(f"versions/{first}/README.md", b"changed")
    with pytest.raises(InputError, match=r"README\.md was changed: its sha256 differs"):
        registry.fetch(first, tmp_path / "a")
    with pytest.raises(InputError, match=r"README\.md was changed"):
        registry.rollback()
    assert registry.current().version == second
    registry.storage.put(f"versions/{first}/{MANIFEST}", b"{}")
    with pytest.raises(InputError, match=r"decant\.json was changed since it was let in"):
        registry.fetch(first, tmp_path / "b")


def test_a_changed_artifact_is_not_added(registry: Registry, artifacts: list[Path]) -> None:
    (artifacts[0] / "config.json").write_text("changed", encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json was changed"):
        registry.add(artifacts[0])
    assert registry.current() is None
    assert registry.storage.names("versions") == []


def test_what_is_written_there_between_check_and_copy_is_not_added(
    registry: Registry, artifacts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_another_run(source: Path, target: Path) -> Path:
        monkeypatch.undo()
        tiny_artifact(artifacts[0], "another model")
        return shutil.copytree(source, target)

    monkeypatch.setattr(shutil, "copytree", after_another_run)
    with pytest.raises(InputError, match="one was changed while it was measured or copied; promote it again"):
        registry.add(artifacts[0])
    assert registry.current() is None
    assert registry.storage.names("versions") == []


def test_history_keeps_its_order(registry: Registry) -> None:
    for index in range(12):
        registry.note(Event(time=now(), event="refused", candidate=str(index)))
    assert [event.candidate for event in registry.history()] == [str(index) for index in range(12)]


def test_a_damaged_pointer_is_named(registry: Registry, artifacts: list[Path]) -> None:
    registry.add(artifacts[0])
    registry.storage.put("current", b'{"version": "../../etc", "since": ""}')
    with pytest.raises(InputError, match=r"current: version: String should match pattern"):
        registry.current()


def test_one_promotion_at_a_time(tmp_path: Path) -> None:
    registry = Registry.at(tmp_path / "registry")
    with registry.storage.locked():
        with pytest.raises(InputError, match="another promotion is at work here"):
            with registry.storage.locked():
                pytest.fail("locked twice")


def test_a_promotion_between_is_seen(
    registry: Registry, artifacts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_folder = type(registry.storage).add_folder

    def with_another(storage: object, source: Path, folder: str, *rest: object) -> None:
        monkeypatch.undo()
        registry.add(artifacts[1])
        add_folder(storage, source, folder, *rest)

    monkeypatch.setattr(type(registry.storage), "add_folder", with_another)
    with pytest.raises(InputError, match=r"another promotion came between"):
        registry.add(artifacts[0])


def test_readers_never_see_half_an_artifact(artifacts: list[Path], tmp_path: Path) -> None:
    registry, stop = Registry.at(tmp_path / "registry"), tmp_path / "stop"
    registry.add(artifacts[0])
    command = [sys.executable, "-c", READER, registry.location, str(stop)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
    for number in range(PROMOTIONS):
        registry.add(artifacts[number % 3])
    stop.touch()
    for reader in readers:
        out, err = reader.communicate(timeout=60)
        assert reader.returncode == 0, err.decode()
        found = json.loads(out)
        assert found["reads"] > 10
        assert found["versions"] > 3


def test_a_promotion_killed_at_any_moment_leaves_a_whole_registry(artifacts: list[Path], tmp_path: Path) -> None:
    registry = Registry.at(tmp_path / "registry")
    for trial in range(4):
        command = [sys.executable, "-c", WRITER, registry.location, *map(str, artifacts)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"0\n"
        time.sleep(0.003 * trial)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        registry.fetch(registry.current().version, tmp_path)
        assert all(registry.fetch(one.version, tmp_path) for one in registry.releases())
    with registry.storage.locked():
        added = registry.add(artifacts[0])
    assert registry.current().version == added.version
    assert not list((tmp_path / "registry" / "versions").glob(".*"))


def test_a_storage_where_no_file_replaces_another_is_named(artifacts: list[Path], tmp_path: Path) -> None:
    """As HDFS is over HTTP: its rename onto a file answers false, which fsspec does not look at."""
    memory = pytest.importorskip("fsspec.implementations.memory", reason="fsspec is not installed")

    class Unmoved(memory.MemoryFileSystem):
        cachable = False

        def mv(self, path1: str, path2: str, **rest: object) -> None:
            if not self.exists(path2):
                super().mv(path1, path2, **rest)

    registry = Registry("webhdfs://host/models", RemoteStorage(Unmoved(), f"/{tmp_path.name}", whole_puts=False))
    first = registry.add(artifacts[0]).version
    with pytest.raises(InputError, match=r"current was written and is what it was: this storage lets no file replace"):
        registry.add(artifacts[1])
    assert registry.current().version == first


def test_what_goes_wrong_on_the_way_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

    def broken(*_: object, **__: object) -> bytes:
        raise RuntimeError("no credentials\nand more")

    registry = Registry.at("memory://models")
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", broken)
    with pytest.raises(DecantError, match=r"^/models cannot be reached \(no credentials\); is the address right"):
        registry.current()
    with pytest.raises(InputError, match=r"^nosuch://x: Protocol not known: nosuch; give a folder"):
        Registry.at("nosuch://x")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (FileNotFoundError("no such bucket"), r"^/models cannot be written \(no such bucket\); make the bucket"),
        (PermissionError("Forbidden"), r"^/models: you are not let in \(Forbidden\); its credentials must read"),
    ],
)
def test_a_store_that_cannot_be_written_is_named_before_anything_is_measured(
    raised: OSError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

    def refused(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refused)
    with pytest.raises(InputError, match=said):
        with Registry.at("memory://models").storage.locked():
            pytest.fail("it went on")


def test_a_version_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    storage = Registry.at("memory://models").storage
    for path in ("../x", "/x", "a/../../x", "a\\b"):
        with pytest.raises(InputError, match="leads out of the folder; it is not fetched"):
            storage.fetch("versions/1", [path], tmp_path / "scratch")


def test_the_registry_is_read_without_torch() -> None:
    code = (
        "import sys, pipeline.registry.registry, pipeline.registry.promote, pipeline.cli.releases_verb;"
        "print([name for name in ('torch', 'transformers', 'datasets', 'scipy', 'lightning') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
