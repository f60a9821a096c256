"""The zoo holds what it promises: every kind loads, is small, and depends on the text and on what is special in it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.model_zoo import KINDS, REFUSED, TEXTS, Kind, vectors

HERE = Path(__file__).parent
MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class Built:
    kind: Kind
    folder: Path
    vectors: NDArray[np.float32]


@pytest.fixture(scope="module", params=KINDS, ids=[kind.name for kind in KINDS])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp("zoo") / kind.name
    kind.build(folder)
    return Built(kind, folder, vectors(folder, TEXTS))


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each row with the same row of the other; 1 where both are all zeros, as a text without a token gives."""
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    both_zero = (np.abs(one).max(1) == 0) & (np.abs(other).max(1) == 0)
    return np.where(both_zero, 1.0, (one * other).sum(1) / np.maximum(norms, 1e-12))


def test_a_kind_is_small_and_gives_a_finite_vector_for_each_text(built: Built) -> None:
    size = sum(file.stat().st_size for file in built.folder.rglob("*") if file.is_file())
    assert size < MAX_BYTES
    assert built.vectors.dtype == np.float32
    assert built.vectors.shape[0] == len(TEXTS)
    assert np.isfinite(built.vectors).all()


def test_the_text_matters(built: Built) -> None:
    unit = built.vectors / np.maximum(np.linalg.norm(built.vectors, axis=1, keepdims=True), 1e-12)
    pairs = np.triu_indices(len(TEXTS), 1)
    assert (unit @ unit.T)[pairs].mean() < 0.999
    assert len(np.unique(built.vectors.round(5), axis=0)) > 0.8 * len(TEXTS)


def test_a_text_alone_has_the_vector_that_it_has_beside_others(built: Built) -> None:
    some = [text for text in TEXTS if text.strip()][::4]
    alone = np.concatenate(
        [vectors(built.folder, [text]) for text in some[:1]] + [vectors(built.folder, some[1:], batch_size=1)]
    )
    beside = built.vectors[[TEXTS.index(text) for text in some]]
    np.testing.assert_allclose(cosines(alone, beside), 1.0, atol=2e-5)


def test_what_is_special_matters(built: Built) -> None:
    if built.kind.spoil is None:
        pytest.skip("the architecture itself is what is special")
    built.kind.spoil(built.folder)
    spoiled = vectors(built.folder, TEXTS)
    if spoiled.shape == built.vectors.shape:
        assert (cosines(built.vectors, spoiled) < 0.999).sum() >= 3


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
