"""A table of token vectors whose mean is the text's vector: sentence-transformers' StaticEmbedding, model2vec's models.

Such a model can teach. A text without any token that it knows gets a vector of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from decant.errors import InputError
from decant.models.folder_files import TOKENIZER, TOKENIZER_CONFIG, WEIGHTS
from decant.models.layout import Chain, Layout, Similarity
from decant.models.prompts import Prompts, prompted
from decant.models.tail import Tail

UNBOUNDED = 10**9  # transformers' word for no greatest length is larger


class StaticEncoder:
    """Text → unit vector.

    Args:
        tokenizer: its special tokens are not added.
        table: float32 [tokens, width].
        tail: on the mean.
        prompts: what stands before a text, by its name.
        dim: how many of the first numbers are kept; None: all.
        unit: whether the model's own answer is of unit length.
        similarity: how the model's own answers are compared.
    """

    max_length = 1_000_000

    def __init__(
        self, tokenizer: Tokenizer, table: torch.Tensor, tail: Tail, prompts: Prompts, dim: int | None = None, *,
        unit: bool = True, similarity: Similarity = "cosine",
    ) -> None:  # fmt: skip
        self._tokenizer, self._table, self._tail = tokenizer, table, tail
        self.prompts, self.unit, self.similarity = prompts, unit, similarity
        self.dim = dim or tail.out_width(table.shape[1])

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], batch_size: int = 1024, progress: Callable[[int], None] | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Vectors, float32 [texts, dim]; arguments as of `SentenceEncoder.encode`."""
        given = self.prompts.before(texts) if prompt is None else prompted(texts, self.prompts.given(prompt))
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), batch_size):
            rows = [
                one.ids
                for one in self._tokenizer.encode_batch(given[start : start + batch_size], add_special_tokens=False)
            ]
            ids = torch.tensor([number for row in rows for number in row], dtype=torch.int64)
            starts = torch.tensor(np.cumsum([0, *map(len, rows[:-1])]), dtype=torch.int64)
            means = torch.nn.functional.embedding_bag(ids, self._table, starts, mode="mean")
            found = self._tail(means)[..., : self.dim]
            found = torch.nn.functional.normalize(found, dim=-1) if unit else found
            vectors[start : start + len(rows)] = found.numpy()
            if progress is not None:
                progress(len(rows))
        return vectors

    @classmethod
    def load(cls, layout: Layout, chain: Chain) -> StaticEncoder:
        """The table of a folder.

        Raises:
            InputError: its table or tokenizer cannot be read, or the two do not fit.
        """
        folder = chain.body.folder
        try:
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # tokenizers raises bare Exception
            raise InputError(f"{folder / 'tokenizer.json'} is no tokenizer ({type(error).__name__})") from error
        tokenizer.no_padding()
        table = static_table(folder, 1 + max(tokenizer.get_vocab().values(), default=-1))
        parts = list(chain.after)
        unit = bool(parts) and parts[-1].kind == "Normalize"
        return cls(
            tokenizer, table, Tail.load(parts), layout.prompts, layout.dim, unit=unit, similarity=layout.similarity
        )


def static_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a table that is to be trained, cut or exported.

    Raises:
        InputError: it cannot be read, or names no padding token or no greatest length.
    """
    if not (folder / TOKENIZER_CONFIG).is_file():
        raise InputError(f"{folder} has no {TOKENIZER_CONFIG}, which names a padding token; it can teach, but no more")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare Exception
        raise InputError(f"{folder / TOKENIZER} is no tokenizer ({type(error).__name__})") from error
    if tokenizer.pad_token_id is None or tokenizer.model_max_length > UNBOUNDED:
        raise InputError(f"{folder / TOKENIZER_CONFIG} names no pad_token and model_max_length; copy the model again")
    return tokenizer


def static_table(folder: Path, tokens: int) -> torch.Tensor:
    """Row by token id, float32: model2vec may store one row for several tokens, and a weight a token beside them.

    Args:
        tokens: that the tokenizer knows.

    Raises:
        InputError: it cannot be read, or has fewer rows.
    """
    table = _stored_table(folder)
    if tokens > len(table):
        raise InputError(f"{folder}: its tokenizer gives ids up to {tokens - 1}, but its table has {len(table)} rows")
    return table


def _stored_table(folder: Path) -> torch.Tensor:
    path = folder / WEIGHTS
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({type(error).__name__}); copy the model again") from error
    if "embedding.weight" in weights:
        return weights["embedding.weight"].float()
    if "embeddings" not in weights:
        raise InputError(f"{path} holds no embedding.weight and no embeddings; a StaticEmbedding has one of them")
    table = weights["embeddings"].float()
    if "mapping" in weights:
        table = table[weights["mapping"].long()]
    return table * weights["weights"].float()[:, None] if "weights" in weights else table
