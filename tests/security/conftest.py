"""Files that would make a mark if they were unpickled or imported, and a project and an artifact to put them into."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from tests.export.conftest import artifact as exported_artifact  # noqa: F401
from tests.export.conftest import encoder as encoder
from tests.export.conftest import graph as graph
from tests.tiny_runs import Models, tiny_recipe, write_project


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What a payload makes when it runs; it must never be there."""
    return tmp_path / "the payload ran"


@pytest.fixture
def pickles(mark: Path, tmp_path: Path) -> dict[str, Path]:
    """The payload as the formats that hold pickles have it, by their endings."""
    folder = tmp_path / "pickles"
    folder.mkdir()
    for name in ("pytorch_model.bin", "model.ckpt", "model.pt"):
        torch.save({"state_dict": Payload(mark), "loops": {}}, folder / name)
    np.save(folder / "vectors.npy", np.array([Payload(mark)], object), allow_pickle=True)
    joblib.dump(Payload(mark), folder / "model.joblib")
    return {path.suffix: path for path in sorted(folder.iterdir())}


@pytest.fixture
def project(models: Models, tmp_path: Path) -> Path:
    """A good recipe with its pairs."""
    return write_project(tmp_path / "project", tiny_recipe(models))


@pytest.fixture
def artifact(exported_artifact: Path, tmp_path: Path) -> Path:  # noqa: F811
    """An artifact to be spoiled."""
    return Path(shutil.copytree(exported_artifact, tmp_path / "artifact"))
