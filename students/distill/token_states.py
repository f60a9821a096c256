"""Losses to the token states of a teacher that runs beside the student, on the very tokens that the student reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from decant.errors import InputError
from decant.models.backbone import load_tokenizer, max_tokens, model_size
from decant.models.encoder import SentenceEncoder
from decant.models.shared_config import shared_attention
from students.cuts.cut import with_layers
from students.distill.distill_settings import BlockStates, RelationStates, States
from students.losses.relation_losses import hidden_mse, relation_kl
from students.nesting.exits import exit_states
from students.nesting.nesting import Step

SAMPLE = 512  # of a training's texts, to compare tokenizers on
PROBES = (
    "A man is playing a guitar.", "Über naïve cafés: Ångström, fiancée", "unaffordable electroencephalography",
    "3.14159 × 10^23 = ?", "don't \"quote\" co-operative_names…", "日本語のテキスト и русский текст 🙂",
)  # fmt: skip


class Reader(NamedTuple):
    """What decides whether two encoders can read the same tokens."""

    tokenizer: PreTrainedTokenizerFast
    hidden_size: int
    max_length: int

    @classmethod
    def of(cls, encoder: SentenceEncoder) -> Reader:
        """Of a loaded encoder."""
        return cls(encoder.tokenizer, encoder.hidden_size, encoder.max_length)

    @classmethod
    def at(cls, folder: Path, max_length: int | None) -> Reader:
        """Of a model's folder, without its weights.

        Args:
            max_length: tokens it is to read; default: what it can take.

        Raises:
            InputError: its config or tokenizer cannot be read.
        """
        tokenizer, (_, width) = load_tokenizer(folder), model_size(folder)
        return cls(tokenizer, width, max_length or max_tokens(folder, tokenizer))


def check_states(settings: States, student: Reader, teacher: Reader, texts: Sequence[str]) -> None:
    """Refuse a teacher that cannot read the student's tokens, and relation heads that do not fit.

    Args:
        texts: on which the ids of both tokenizers are compared, cut at the student's length.

    Raises:
        InputError: other ids, a shorter teacher, or heads that do not divide a width.
    """
    if student.max_length > teacher.max_length:
        raise InputError(
            f"the student reads {student.max_length} tokens and the teacher {teacher.max_length} at most; "
            f"lower student.max_length to {teacher.max_length}"
        )
    ids = [_ids(one.tokenizer, texts, student.max_length) for one in (student, teacher)]
    differs = next((text for text, own, other in zip(texts, *ids, strict=True) if own != other), None)
    if differs is not None:
        raise InputError(
            f"the teacher's tokenizer gives other ids than the student's, as for {differs[:40]!r}; "
            "take a teacher of the student's vocabulary, or leave states out"
        )
    common = math.gcd(student.hidden_size, teacher.hidden_size)
    if isinstance(settings, RelationStates) and common % settings.heads:
        raise InputError(
            f"heads {settings.heads} does not divide both widths, the student's {student.hidden_size} and the "
            f"teacher's {teacher.hidden_size}; take a divisor of {common}"
        )


def teacher_layer(settings: States, layer: int, layers: int, teacher_layers: int) -> int:
    """The teacher's layer (from 1) that the student's `layer` of `layers` follows.

    Relations follow the last one; the others TinyBERT's uniform map, ⌈layer·M/N⌉ for M layers of the teacher.
    """
    return teacher_layers if isinstance(settings, RelationStates) else -(-layer * teacher_layers // layers)


class LiveTeacher:
    """A teacher's token states, its weights left as they are.

    Not a module: what holds it neither trains it nor stores it with every checkpoint.
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder.eval().requires_grad_(False)
        self._shallow: dict[int, SentenceEncoder] = {}

    @torch.no_grad()  # autograd takes no tensors of inference_mode, not even as targets
    def states(self, depth: int, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """Token states after layers 1..depth, each [batch, length, hidden]; deeper layers do not run."""
        encoder = self.encoder.to(input_ids.device)
        if depth < encoder.layers:
            if depth not in self._shallow:
                self._shallow[depth] = with_layers(encoder, range(depth))
            encoder = self._shallow[depth]
        return exit_states(encoder, input_ids, attention_mask)


class StateLoss(nn.Module):
    """What a step's exits, or block ends, still lack of the teacher's token states.

    It is weight · the mean over them, each taken once.
    """

    def __init__(self, settings: States, student: SentenceEncoder, teacher: SentenceEncoder) -> None:
        super().__init__()
        self.settings, self.layers, self.teacher = settings, student.layers, LiveTeacher(teacher)
        widths = student.hidden_size, teacher.hidden_size
        mapped = not isinstance(settings, RelationStates) and widths[0] != widths[1]
        self.block_ends = [group[-1] + 1 for group in shared_attention(student.backbone.config).groups]
        self.head = nn.ModuleList(nn.Linear(*widths) if mapped else nn.Identity() for _ in range(student.layers))

    def forward(self, step: Step, states: Sequence[Tensor], input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            states: the student's, each [batch, length, hidden]: item i after layer i + 1, through `step.deepest`.
            input_ids: int64 [batch, length], which `states` are of.
            attention_mask: int64 [batch, length], 1 for a token.
        """
        deepest = self.teacher.encoder.layers
        own_layers = [layer for layer, _, _ in step.terms]
        if isinstance(self.settings, BlockStates):
            own_layers = [end for end in self.block_ends if end <= step.deepest]
        if not own_layers:
            return states[0].new_zeros(())
        followed = {i: teacher_layer(self.settings, i, self.layers, deepest) for i in own_layers}
        taught = self.teacher.states(max(followed.values()), input_ids, attention_mask)
        with torch.autocast(input_ids.device.type, enabled=False):
            losses = [
                self._at(self.head[own - 1](states[own - 1].float()), taught[other - 1].float(), attention_mask)
                for own, other in followed.items()
            ]
            return self.settings.weight * torch.stack(losses).mean()

    def _at(self, own: Tensor, taught: Tensor, mask: Tensor) -> Tensor:
        if isinstance(self.settings, RelationStates):
            return relation_kl(own, taught, mask, self.settings.heads)
        return hidden_mse(own, taught, mask)


def _ids(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_length: int) -> list[list[int]]:
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length, return_attention_mask=False)
    return list(encoded["input_ids"])
