"""What every test shares: one thread a process, no data of this machine, and tiny models to build a run from."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pipeline.texts.source import DATA_VARIABLE
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.tiny_models import tiny_backbone_folder
from tests.tiny_runs import CLASSES, Models, SmokeRun, make_smoke_run

torch.set_num_threads(1)  # on models this small, threads only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the same for the processes that tests start


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: half a million objects that stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A tiny encoder, and trained-looking cross-encoders of it with one, two and three outputs."""
    root = tmp_path_factory.mktemp("models")
    encoder = tiny_backbone_folder(root, "bert", num_hidden_layers=3)
    teachers = {}
    for outputs in (1, 2, 3):
        teachers[outputs] = root / f"teacher{outputs}"
        names = {1: (), 2: ("0", "1"), 3: CLASSES}[outputs]
        CrossEncoder.from_backbone(encoder, outputs, seed=outputs, classes=names).save(teachers[outputs])
    return Models(encoder, teachers)


@pytest.fixture(scope="session")
def smoke_run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    """One finished run, for tests that only read it."""
    return make_smoke_run(tmp_path_factory.mktemp("smoke"), models)


@pytest.fixture
def without_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No folder of public sets: neither named nor found."""
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr("pipeline.texts.source.DEFAULT_DATA", tmp_path / "no such folder")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Give Ctrl-C back to pytest after a test that ran the command line."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
