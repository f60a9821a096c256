"""A table of token vectors in the place of a transformer: no layers, and a text's vector is the sum of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

STATIC = "static"


class StaticConfig(PretrainedConfig):
    """Rows and columns of the table, under the names that transformers gives them; it has no layers."""

    model_type = STATIC

    def __init__(self, vocab_size: int = 1, hidden_size: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.num_hidden_layers = self.num_attention_heads = 0


class StaticBackbone(PreTrainedModel):
    """Token ids → the table's rows; a text of no row but zeros gets the direction of the table's sum.

    While it is trained, each row is scaled by e to the power of a number of its own, which `fold` multiplies in.
    """

    config_class = StaticConfig

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.scales: nn.Parameter | None = None
        self.known: Tensor | None = None
        self.words: dict[int, tuple[int, ...]] = {}
        self.post_init()

    @classmethod
    def of(cls, table: Tensor) -> StaticBackbone:
        """One of this table, float32 [rows, width], which it takes over."""
        config = StaticConfig(vocab_size=table.shape[0], hidden_size=table.shape[1])
        with torch.device("meta"):
            made = cls(config)
        made.embeddings = nn.Embedding.from_pretrained(table, freeze=False)
        return made

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def learn_scales(self) -> None:
        """Let each row have a learned scale, for now 1; a row of zeros is not learned, and stays what it is."""
        table = self.embeddings.weight
        self.scales = nn.Parameter(torch.zeros(len(table), 1))
        self.known = table.detach().any(1, keepdim=True).float()

    @torch.no_grad()
    def compose(self, pieces: Mapping[int, Sequence[int]]) -> None:
        """Let a word's vector be the sum of its pieces' rows and of a row of its own, what it has beyond them.

        So a rare word starts from what its pieces have learned, and what it learns reaches them. `fold` makes one row
        of it all. The texts' ids must have the pieces behind each word, as `SentenceEncoder.tokenize` then gives them.

        Args:
            pieces: number of a word's token → those of its pieces.
        """
        table = self.embeddings.weight
        for word, parts in pieces.items():
            table[word] -= table[list(parts)].sum(0)
        if self.known is not None:
            self.known[list(pieces)] = 1
        self.words = {word: (word, *parts) for word, parts in pieces.items()}

    @torch.no_grad()
    def fold(self) -> None:
        """Multiply the learned scales into the rows, and add to each word's row those of its pieces."""
        table = self.embeddings.weight
        if self.scales is not None:
            table.mul_(self.scales.exp())
            self.scales = self.known = None
        for word, (_, *parts) in self.words.items():
            table[word] += table[parts].sum(0)
        self.words = {}

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool = False
    ) -> BaseModelOutput:
        """The rows of the tokens, float32 [batch, length, width], zeros where the mask is 0."""
        states = self.embeddings(input_ids)
        if self.scales is not None:
            states = states * self.scales[input_ids].exp()
        return BaseModelOutput(
            last_hidden_state=states if attention_mask is None else states * attention_mask[..., None]
        )

    def sums(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The sum of each text's rows, float32 [batch, width]; where it is zero, that of the whole table.

        The gradient of the table holds the rows of the batch alone.
        """
        counts = attention_mask.sum(1)
        ids, places = torch.unique(input_ids[attention_mask.bool()], return_inverse=True)
        rows = _Rows.apply(self.embeddings.weight, ids)
        if self.scales is not None and self.known is not None:
            rows = rows * _Rows.apply(self.scales, ids).exp() * self.known[ids]
        found = functional.embedding_bag(places, rows, counts.cumsum(0) - counts, mode="sum")
        unknown = ~found.any(1)
        return torch.where(unknown[:, None], self.whole(), found) if bool(unknown.any()) else found

    @torch.no_grad()
    def whole(self) -> Tensor:
        """The sum of all rows, float32 [width]: what stands for a text of which the table knows nothing."""
        table = self.embeddings.weight
        table = table if self.scales is None else table * self.scales.exp()
        beyond = [table[parts[1:]].sum(0) for parts in map(list, self.words.values())]
        return table.sum(0) + sum(beyond, torch.zeros_like(table[0]))


class _Rows(torch.autograd.Function):
    """Rows of a table by distinct rising numbers; the table's gradient is sparse, as large as those rows."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, numbers: Tensor) -> Tensor:
        ctx.save_for_backward(numbers)
        ctx.shape = table.shape
        return table.index_select(0, numbers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (numbers,) = ctx.saved_tensors
        gradient = torch.sparse_coo_tensor(
            numbers[None], gradients[0], ctx.shape, is_coalesced=True, check_invariants=False
        )
        return gradient, None
