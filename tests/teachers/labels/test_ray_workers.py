"""Labels by Ray's workers are those of this process, bit for bit, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from decant.errors import InputError, TemporaryError
from pipeline.stages.targets import fast_score, scorer
from pipeline.stages.vectors import text_encoder
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.labels import ray_workers as module
from teachers.labels import score_store as targets
from teachers.labels import vector_store as vectors
from teachers.labels.ray_workers import LabelSettings, check_ray, ray_workers
from teachers.labels.score_store import Score, teacher_targets
from teachers.labels.vector_store import teacher_vectors
from tests.tiny_models import WORDS
from tests.tiny_runs import Models

TWO = LabelSettings(engine="ray", workers=2)
SHARD, MANY = 40, 1000  # as many as the graph is exported for


def pairs(count: int) -> list[Pair]:
    generator = np.random.default_rng(0)
    words = generator.choice(WORDS, (count, 12)).tolist()
    ends = generator.integers(1, 6, (count, 2)).tolist()
    return [(" ".join(row[:a]), f"{number} " + " ".join(row[6 : 6 + b])) for number, (row, (a, b)) in
            enumerate(zip(words, ends, strict=True))]  # fmt: skip


def refused(part: Sequence[object], progress: Callable[[int], None]) -> NDArray[np.float32]:
    raise AssertionError("nothing is labelled in this process")


def dying(folder: Path, scratch: Path, *, mark: Path, times: int) -> Score:
    """A teacher whose process is killed at its second shard, until that has happened so many times."""
    score = scorer(folder, scratch, outputs=1, pairs=MANY, threads=1, precision="fp32")
    done = 0

    def label(part: Sequence[Pair], progress: Callable[[int], None]) -> NDArray[np.float32]:
        nonlocal done
        done += 1
        if done > 1 and len(list(mark.iterdir())) < times:
            (mark / f"{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return score(part, progress)

    return label


def refusing(folder: Path, scratch: Path) -> Score:
    def label(part: Sequence[Pair], progress: Callable[[int], None]) -> NDArray[np.float32]:
        raise InputError("this teacher takes no pair")

    return label


def unready(folder: Path, scratch: Path) -> Score:
    raise InputError("no such model")


def slow(folder: Path, scratch: Path, *, mark: Path) -> Score:
    def label(part: Sequence[Pair], progress: Callable[[int], None]) -> NDArray[np.float32]:
        time.sleep(0.3)
        return np.zeros(len(part), np.float32)

    return label


def test_settings_of_ray_need_ray() -> None:
    with pytest.raises(ValueError, match=r"workers goes with engine: ray"):
        LabelSettings(workers=3)


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    check_ray(LabelSettings())
    with pytest.raises(InputError, match=r"ray is not installed; pip install decant\[ray\]"):
        check_ray(TWO)


@pytest.fixture(scope="module")
def ray() -> None:
    pytest.importorskip("ray", reason="ray is not installed (the extra decant[ray])")


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
class TestRay:
    @pytest.fixture(autouse=True)
    def small_shards(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(targets, "SHARD_PAIRS", SHARD)
        monkeypatch.setattr(vectors, "SHARD_TEXTS", SHARD)

    @pytest.fixture(scope="class")
    def local(self, models: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The shards of this process."""
        folder = tmp_path_factory.mktemp("local")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(targets, "SHARD_PAIRS", SHARD)
            score = fast_score(CrossEncoder.load(models.teachers[1], (1,)), MANY, folder, threads=1)
            teacher_targets(pairs(MANY), score, folder / "shards", 1)
        return folder / "shards"

    def test_scores_are_the_same_in_the_same_shards(self, models: Models, local: Path, tmp_path: Path) -> None:
        make = partial(scorer, outputs=1, pairs=MANY, threads=1, precision="fp32")
        before = signal.getsignal(signal.SIGTERM)
        label_parts = ray_workers(TWO, make, models.teachers[1])
        found = teacher_targets(pairs(MANY), refused, tmp_path, 1, label_parts=label_parts)
        assert signal.getsignal(signal.SIGTERM) is before
        assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {
            one.name: one.read_bytes() for one in local.iterdir()
        }
        np.testing.assert_array_equal(found, teacher_targets(pairs(MANY), refused, local, 1))

    def test_vectors_are_the_same(self, models: Models, tmp_path: Path) -> None:
        texts = [second for _, second in pairs(300)]
        encode = text_encoder(models.encoder, tmp_path, texts=MANY, precision="fp32", threads=1)
        here = teacher_vectors(texts, encode, tmp_path / "here", 32)
        make = partial(text_encoder, texts=MANY, precision="fp32", threads=1)
        there = teacher_vectors(
            texts, refused, tmp_path / "there", 32, label_parts=ray_workers(TWO, make, models.encoder)
        )
        rows = np.arange(len(texts))
        np.testing.assert_array_equal(here.take(rows), there.take(rows))

    def test_a_killed_worker_changes_nothing(self, models: Models, local: Path, tmp_path: Path) -> None:
        mark = tmp_path / "deaths"
        mark.mkdir()
        make = partial(dying, mark=mark, times=2)
        shards = tmp_path / "shards"
        teacher_targets(pairs(MANY), refused, shards, 1, label_parts=ray_workers(TWO, make, models.teachers[1]))
        assert len(list(mark.iterdir())) >= 2
        assert {one.name: one.read_bytes() for one in shards.iterdir()} == {
            one.name: one.read_bytes() for one in local.iterdir()
        }

    def test_a_worker_that_dies_on_and_on(self, models: Models, tmp_path: Path) -> None:
        mark = tmp_path / "deaths"
        mark.mkdir()
        one = LabelSettings(engine="ray", workers=1)
        label_parts = ray_workers(one, partial(dying, mark=mark, times=100), models.teachers[1])
        with pytest.raises(TemporaryError, match="a Ray worker died 4 times"):
            teacher_targets(pairs(MANY), refused, tmp_path / "shards", 1, label_parts=label_parts)
        assert list((tmp_path / "shards").glob("shard-*.arrow")), "what was finished is kept"

    def test_what_a_teacher_refuses(self, models: Models, tmp_path: Path) -> None:
        label_parts = ray_workers(TWO, refusing, models.teachers[1])
        with pytest.raises(InputError, match=r"^this teacher takes no pair$"):
            teacher_targets(pairs(MANY), refused, tmp_path, 1, label_parts=label_parts)

    def test_a_teacher_that_no_worker_can_load(self, models: Models, tmp_path: Path) -> None:
        label_parts = ray_workers(TWO, unready, models.teachers[1])
        with pytest.raises(InputError, match=r"a Ray worker cannot load the teacher: .*") as told:
            teacher_targets(pairs(MANY), refused, tmp_path, 1, label_parts=label_parts)
        assert not isinstance(told.value, TemporaryError)

    def test_an_interrupt_ends_the_workers(self, models: Models, tmp_path: Path) -> None:
        import ray

        taken = []
        given = pairs(MANY)

        def parts() -> object:
            for start in range(0, MANY, SHARD):
                taken.append(start)
                yield given[start : start + SHARD]

        def interrupted(done: int) -> None:
            raise KeyboardInterrupt

        label_parts = ray_workers(TWO, partial(slow, mark=tmp_path), models.teachers[1])
        with pytest.raises(KeyboardInterrupt, match="^$"):
            list(label_parts(parts(), interrupted))
        assert not ray.is_initialized()
        assert len(taken) == 3, "a shard a worker, and the one that waits"

    def test_the_files_go_to_a_cluster(self, models: Models, tmp_path: Path) -> None:
        packed = module._packed(models.teachers[1])
        copied = module._unpacked(packed, tmp_path / "there")
        assert {path.name: path.read_bytes() for path in copied.iterdir()} == packed

    def test_a_cluster_that_is_not_there(self, models: Models) -> None:
        away, before = LabelSettings(engine="ray", address="auto"), signal.getsignal(signal.SIGTERM)
        with pytest.raises(TemporaryError, match=r"labels\.address: Ray at auto cannot be reached"):
            list(ray_workers(away, refusing, models.teachers[1])([pairs(2)], lambda done: None))
        assert signal.getsignal(signal.SIGTERM) is before
