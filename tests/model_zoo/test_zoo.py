"""The zoo holds what it promises: every kind loads, is small, and depends on the text and on what is special in it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from tests.model_zoo import KINDS, REFUSED, TEXTS, Kind, Refused, vectors

HERE = Path(__file__).parent
MAX_BYTES = 2_000_000
FAR = 0.045  # as far as vectors of one length are whose cosine is 0.999
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Built:
    kind: Kind
    folder: Path
    by_task: dict[str | None, Vectors]

    @property
    def vectors(self) -> Vectors:
        return self.by_task[None]


def all_tasks(kind: Kind, folder: Path) -> dict[str | None, Vectors]:
    return {task: vectors(folder, TEXTS, task=task) for task in kind.tasks}


@pytest.fixture(scope="module", params=KINDS, ids=[kind.name for kind in KINDS])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp("zoo") / kind.name
    kind.build(folder)
    return Built(kind, folder, all_tasks(kind, folder))


def apart(one: Vectors, other: Vectors) -> Vectors:
    """Each row's distance from the same row of the other, as a part of the longer of the two."""
    longer = np.maximum(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
    return np.linalg.norm(one - other, axis=1) / np.maximum(longer, 1e-12)


def weights_of(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {str(file.relative_to(folder)): load_file(file) for file in sorted(folder.rglob("*.safetensors"))}


def in_half_precision(folder: Path) -> bool:
    halves = {torch.float16, torch.bfloat16}
    return any(value.dtype in halves for weights in weights_of(folder).values() for value in weights.values())


@pytest.mark.slow
def test_a_kind_is_small_and_gives_a_finite_vector_for_each_text(built: Built) -> None:
    size = sum(file.stat().st_size for file in built.folder.rglob("*") if file.is_file())
    assert size < MAX_BYTES
    assert None in built.kind.tasks
    for made in built.by_task.values():
        assert made.dtype == np.float32
        assert made.shape[0] == len(TEXTS)
        assert np.isfinite(made).all()


@pytest.mark.slow
def test_a_kind_has_the_same_weights_every_time(built: Built, tmp_path: Path) -> None:
    built.kind.build(tmp_path / "again")
    first, second = weights_of(built.folder), weights_of(tmp_path / "again")
    assert first
    torch.testing.assert_close(second, first, rtol=0, atol=0)


@pytest.mark.slow
def test_the_text_matters(built: Built) -> None:
    unit = built.vectors / np.maximum(np.linalg.norm(built.vectors, axis=1, keepdims=True), 1e-12)
    pairs = np.triu_indices(len(TEXTS), 1)
    assert (unit @ unit.T)[pairs].mean() < 0.999
    assert len(np.unique(built.vectors.round(5), axis=0)) > 0.6 * len(TEXTS)


@pytest.mark.slow
def test_a_text_alone_has_the_vector_that_it_has_beside_others(built: Built) -> None:
    some = [text for text in TEXTS if text.strip()][::4]  # a text without a token is an error on its own
    alone = vectors(built.folder, some, batch_size=1)
    beside = built.vectors[[TEXTS.index(text) for text in some]]
    assert apart(alone, beside).max() < (0.02 if in_half_precision(built.folder) else 1e-4)


@pytest.mark.slow
def test_what_is_special_matters(built: Built) -> None:
    if built.kind.spoil is None:
        pytest.skip("the architecture itself is what is special")
    built.kind.spoil(built.folder)
    spoiled = all_tasks(built.kind, built.folder)
    changed = [
        made.shape != built.by_task[task].shape or (apart(made, built.by_task[task]) > FAR).sum() >= 2
        for task, made in spoiled.items()
    ]
    assert any(changed)


@pytest.mark.slow
@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_what_is_refused_is_real(refused: Refused, tmp_path: Path) -> None:
    folder = tmp_path / refused.name
    refused.build(folder)
    re.compile(refused.says)
    assert any(file.is_file() for file in folder.rglob("*"))
    try:
        loaded = vectors(folder, TEXTS).shape[0] == len(TEXTS)
    except (OSError, ValueError, RuntimeError, ImportError, AttributeError, KeyError):
        loaded = False
    assert loaded == refused.loads


def test_names_are_unique_and_texts_are_fifty() -> None:
    names = [entry.name for entry in (*KINDS, *REFUSED)]
    assert len(set(names)) == len(names)
    assert len(set(TEXTS)) == len(TEXTS) == 50


def test_nothing_of_decant_is_imported() -> None:
    for file in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [module] if module else [one.name for one in node.names] if isinstance(node, ast.Import) else []
            roots = {name.split(".")[0] for name in names}
            assert not roots & {"decant", "teachers", "students", "export", "pipeline"}, file
            assert all(name.startswith("tests.model_zoo") for name in names if name.split(".")[0] == "tests"), file
