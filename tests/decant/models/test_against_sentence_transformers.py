"""Every kind of model folder: the vectors of sentence-transformers to five nines, or a refusal that is listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from decant.errors import InputError
from decant.models.check_embedder import check_embedder, check_start
from decant.models.embedder import Embedder, RoutedEncoder, load_embedder
from decant.models.reference import resolve_model
from tests.model_zoo import KINDS, REFUSED, TEXTS, Kind, Refused
from tests.model_zoo.followed import ALONE, NO_START, NOT_FOLLOWED

LEAST = 0.99999
EVERY_RUN = {
    "bert", "roberta", "roberta-padding-0", "xlm-roberta", "camembert", "mpnet", "distilbert", "electra", "albert",
    "deberta-v2", "modernbert", "nomic-bert", "longformer", "xlnet", "t5", "qwen2", "qwen3", "llama", "mistral",
    "gemma", "gemma3-text-bidirectional", "gpt2", "gpt-neox", "opt", "pooling-max-right",
    "pooling-mean-sqrt-len-tokens-left",
    "pooling-weightedmean-left", "pooling-lasttoken-right", "pooling-of-all-six", "pooling-mean-and-cls",
    "include-prompt-false-roberta-mean", "include-prompt-false-bert-cls", "dense-tanh", "dense-residual-projected",
    "dense-on-tokens", "normalize-dense", "layer-norm", "static-normalize", "router", "max-seq-length", "do-lower-case",
    "similarity-dot", "truncate-dim", "prompt-default", "no-special-tokens", "truncation-left", "added-word", "shards",
    "bfloat16", "t5-whole", "lora", "bare-causal-lm", "old-layout", "labse", "e5", "bge", "embedding-gemma",
    "qwen3-embedding", "sentence-t5", "instructor",
}  # fmt: skip
"""Of each family, pooling, module, setting, layout and model one; the others are slow only in their number."""


def every(kinds: tuple[Kind, ...]) -> list[object]:
    return [pytest.param(one, id=one.name, marks=[] if one.name in EVERY_RUN else [pytest.mark.slow]) for one in kinds]


def peer_of(folder: Path) -> SentenceTransformer:
    """In float32, whatever the weights are stored as: there, half precision computes in half precision too."""
    options = {"dtype": torch.float32}
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs=options)


def alone(encode: Callable[[list[str]], NDArray[np.float32]], text: str) -> NDArray[np.float64] | None:
    """A text's vector by itself; None where the library has none for a text without a token."""
    try:
        return np.asarray(encode([text])[0], np.float64)
    except (RuntimeError, IndexError, ValueError):
        assert not text.strip() or not text.isascii(), "only a text without any token may have no vector"
        return None


def least_cosine(expected: list[NDArray[np.float64] | None], found: NDArray[np.float32]) -> float:
    cosines = []
    for one, other in zip(expected, found.astype(np.float64), strict=True):
        if one is None:
            continue
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        cosines.append(float(one @ other) / lengths if lengths else float(not one.any() and not other.any()))
    return min(cosines)


def _use(folder: Path) -> None:
    """As a run does: checked first, then loaded; a router without a default road is refused when it is asked."""
    check_embedder(resolve_model(folder))
    load_embedder(folder).encode(TEXTS)


def named(own: Embedder, task: str) -> str:
    """encode_query and encode_document take the prompt of this name, and none where there is none."""
    return task if task in own.prompts.texts or isinstance(own, RoutedEncoder) else ""


@pytest.mark.parametrize("kind", every(KINDS))
def test_a_folder_is_followed_or_refused(kind: Kind, tmp_path: Path) -> None:
    kind.build(tmp_path / kind.name)
    folder = resolve_model(tmp_path / kind.name)
    if kind.name in NOT_FOLLOWED:
        for read in (check_embedder, load_embedder):
            with pytest.raises(InputError, match=NOT_FOLLOWED[kind.name]):
                read(folder)
        return
    layout = check_embedder(folder)
    own, peer = load_embedder(folder), peer_of(folder)
    assert (own.dim, layout.similarity) == (len(own.encode(["a"])[0]), peer.similarity_fn_name)
    found = own.encode(TEXTS)
    assert least_cosine([alone(peer.encode, text) for text in TEXTS], found) >= LEAST
    np.testing.assert_allclose(own.encode(TEXTS, 3), found, atol=1e-5)
    for task in filter(None, kind.tasks):
        ask = peer.encode_query if task == "query" else peer.encode_document
        asked = [text for text in TEXTS if text][:12]
        behind = own.encode(asked, prompt=named(own, task))
        assert least_cosine([alone(ask, text) for text in asked], behind) >= LEAST


@pytest.mark.parametrize("kind", [pytest.param(one, id=one.name) for one in KINDS if one.name in NO_START])
def test_who_teaches_but_is_no_start(kind: Kind, tmp_path: Path) -> None:
    kind.build(tmp_path / kind.name)
    with pytest.raises(InputError, match=NO_START[kind.name]):
        check_start(tmp_path / kind.name)


@pytest.mark.parametrize("kind", [pytest.param(one, id=one.name) for one in REFUSED if one.name not in ALONE])
def test_what_is_no_model_of_vectors_is_refused(kind: Refused, tmp_path: Path) -> None:
    kind.build(tmp_path / kind.name)
    with pytest.raises(InputError, match=kind.says) as refusal:
        _use(tmp_path / kind.name)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", [pytest.param(one, id=one.name) for one in REFUSED if one.name in ALONE])
def test_who_depends_on_the_batch_there_is_followed_alone(kind: Refused, tmp_path: Path) -> None:
    kind.build(tmp_path / kind.name)
    own, peer = load_embedder(tmp_path / kind.name), peer_of(tmp_path / kind.name)
    assert least_cosine([alone(peer.encode, text) for text in TEXTS], own.encode(TEXTS)) >= LEAST


def test_vectors_of_their_own_length_are_those_of_the_library(tmp_path: Path) -> None:
    kind = next(one for one in KINDS if one.name == "normalize-dense")
    kind.build(tmp_path / "model")
    own, peer = load_embedder(tmp_path / "model"), peer_of(tmp_path / "model")
    expected = np.stack([peer.encode([text])[0] for text in TEXTS])
    assert np.ptp(np.linalg.norm(expected, axis=1)) > 0.1, "lengths differ, so the below compares them"
    np.testing.assert_allclose(own.encode(TEXTS, unit=False), expected, atol=1e-5)
