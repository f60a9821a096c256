"""Which texts a static student is compared on: not those that a runtime, by its own rules, gives another vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from decant.models.folder_files import TOKENIZER, WEIGHTS
from decant.models.prompts import Prompted
from export.certify.expected import Expected
from export.certify.runtimes import MODEL2VEC, Runtime
from export.deploy.target import POOLED_BY_THE_GRAPH
from export.quantize.static_table import take_rows
from export.serve.safetensors_file import read_tensors
from export.serve.session import OnnxEncoder


def compared_texts(artifact: Path, own: OnnxEncoder, runtime: Runtime, expected: Expected) -> tuple[Expected, str]:
    """The texts on which a runtime must give a static student's vectors, and a note on those left out, or "".

    A runtime that sums or pools by itself gives zeros where no token is known; the graph gives the table's own
    direction there. model2vec cuts a text by its characters before it counts tokens.

    Args:
        artifact: a static student's.
        own: its session.
        runtime: that will be run.
        expected: of every text.
    """
    if runtime.target in POOLED_BY_THE_GRAPH:
        return expected, ""
    ids = own.tokenize([Prompted(text) for text in _prompted(expected)])
    known: NDArray[np.bool_] = np.any(take_rows(read_tensors(artifact / WEIGHTS), slice(None)), axis=1)
    unknown = np.array([not known[row].any() for row in ids])
    said = [_counted(unknown, "without a known token, whose vector is zeros there")] if unknown.any() else []
    if runtime.name == MODEL2VEC:
        most = own.max_length * int(median(len(token) for token in _tokens(artifact)))
        shorter = own.tokenize([Prompted(text[:most]) for text in _prompted(expected)])
        cut = np.array([one != other for one, other in zip(ids, shorter, strict=True)]) & ~unknown
        said += [_counted(cut, f"which it cuts after {most} characters")] if cut.any() else []
        unknown |= cut
    return left_out(expected, unknown.tolist()), "; ".join(said)


def left_out(expected: Expected, out: Sequence[bool]) -> Expected:
    """The same without some texts."""
    keep = [not one for one in out]
    groups, start = [], 0
    for group in expected.groups:
        groups.append(replace(group, count=sum(keep[start : start + group.count])))
        start += group.count
    texts = [text for text, kept in zip(expected.texts, keep, strict=True) if kept]
    return replace(expected, texts=texts, vectors=expected.vectors[keep], groups=tuple(groups))


def _prompted(expected: Expected) -> list[str]:
    prompts = [group.prompt for group in expected.groups for _ in range(group.count)]
    return [prompt + text for prompt, text in zip(prompts, expected.texts, strict=True)]


def _tokens(artifact: Path) -> list[str]:
    return list(Tokenizer.from_file(str(artifact / TOKENIZER)).get_vocab())


def _counted(which: NDArray[np.bool_], what: str) -> str:
    count = int(which.sum())
    return f"{count} text{'s' if count > 1 else ''} left out {what}"
