"""CrossEncoder: a pair of texts → raw logits, both read together by one transformer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

from teachers.backbone import has_trained_head, load_backbone, load_tokenizer, max_tokens, quiet_transformers
from teachers.batches import padded, sorted_batches
from teachers.errors import InputError
from teachers.json_file import read_object
from teachers.progress import Advance
from teachers.quantized import Quantize
from teachers.reference import resolve_model
from teachers.save_model import save_model

Pair = tuple[str, str]
IDENTITY = "torch.nn.modules.linear.Identity"


class CrossEncoder(nn.Module):
    """[CLS] first [SEP] second [SEP] → logits.

    Args:
        outputs: logits a pair, 1 for a score and C for classes.
        max_length: the most tokens a pair may have, specials included; the longer text is cut first.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, outputs: int, max_length: int
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.outputs, self.max_length = model, tokenizer, outputs, max_length
        types = int(getattr(model.config, "type_vocab_size", 0) or 0)
        self.uses_types = types > 1 and "token_type_ids" in tokenizer.model_input_names

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Raw logits, float32 [batch, outputs]; the inputs are int64 [batch, length]."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits.float()

    def tokenize(self, pairs: Sequence[Pair]) -> tuple[list[list[int]], list[list[int]] | None]:
        """Token ids of each pair, and token types where the model reads them."""
        if not pairs:
            return [], [] if self.uses_types else None
        first, second = zip(*pairs, strict=True)
        encoded = self.tokenizer(
            list(first), list(second), truncation=True, max_length=self.max_length, padding=False,
            return_attention_mask=False, return_token_type_ids=self.uses_types,
        )  # fmt: skip
        return list(encoded["input_ids"]), list(encoded["token_type_ids"]) if self.uses_types else None

    def collate(self, ids: Sequence[list[int]], types: Sequence[list[int]] | None) -> dict[str, Tensor]:
        """Padded inputs of `forward`."""
        input_ids, mask = padded(ids, int(self.tokenizer.pad_token_id))
        batch = {"input_ids": input_ids, "attention_mask": mask}
        if types is not None:
            batch["token_type_ids"] = padded(types, 0)[0]
        return batch

    @torch.inference_mode()
    def score(
        self, pairs: Sequence[Pair], batch_size: int = 64, progress: Advance | None = None
    ) -> NDArray[np.float32]:
        """Raw logits, float32 [pairs] for one output or [pairs, outputs], in the order of the pairs."""
        scores = np.zeros((len(pairs), self.outputs), np.float32)
        ids, types = self.tokenize(pairs)
        was_training = self.training
        self.eval()
        device = next(self.parameters()).device
        for rows in sorted_batches([len(row) for row in ids], batch_size):
            batch = self.collate([ids[row] for row in rows], None if types is None else [types[row] for row in rows])
            scores[rows] = self(**{name: tensor.to(device) for name, tensor in batch.items()}).cpu().numpy()
            if progress is not None:
                progress(len(rows))
        self.train(was_training)
        return scores[:, 0] if self.outputs == 1 else scores

    def save(self, folder: Path) -> None:
        """Safetensors, config and tokenizer; sentence-transformers' CrossEncoder loads it and gives the same logits."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.config.sentence_transformers = {"activation_fn": IDENTITY, "version": "4.0.0"}
        with quiet_transformers():
            save_model(self.model, folder)
            self.tokenizer.model_max_length = self.max_length
            self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(
        cls, reference: str | Path, outputs: Sequence[int], max_length: int | None = None, *,
        quantize: Quantize | None = None, dropout: float | None = None,
    ) -> CrossEncoder:  # fmt: skip
        """A trained cross-encoder.

        Args:
            outputs: the numbers of logits that it may give.
            max_length: tokens a pair; default: what the model can take.
            quantize: of the weights of its linear layers, the head's excepted, as they are read.
            dropout: every dropout, 0..1, where it is trained further; default: as its config says.

        Raises:
            InputError: it cannot be loaded, its head was never trained, or it has another number of outputs.
        """
        folder = resolve_model(reference)
        if not has_trained_head(folder):
            raise InputError(f"{folder} is a bare encoder without a scoring head; let the recipe fine-tune it")
        model = load_backbone(folder, AutoModelForSequenceClassification, dropout=dropout, quantize=quantize)
        given = int(model.config.num_labels or 0)
        if given not in outputs:
            needed = " or ".join(map(str, outputs))
            raise InputError(f"{folder} gives {given} scores a pair, but the task needs {needed}")
        tokenizer = load_tokenizer(folder)
        return cls(model, tokenizer, given, _length(folder, tokenizer, max_length))

    @classmethod
    def from_backbone(
        cls, reference: str | Path, outputs: int, max_length: int | None = None, *, dropout: float = 0.1,
        seed: int = 0, quantize: Quantize | None = None,
    ) -> CrossEncoder:  # fmt: skip
        """An encoder's body under a new, untrained head, to be fine-tuned."""
        folder = resolve_model(reference)
        tokenizer = load_tokenizer(folder)
        torch.manual_seed(seed)
        model = load_backbone(
            folder, AutoModelForSequenceClassification, num_labels=outputs, dropout=dropout, for_training=True,
            quantize=quantize,
        )  # fmt: skip
        return cls(model, tokenizer, outputs, _length(folder, tokenizer, max_length))


def stated_activation(folder: Path) -> str:
    """`sigmoid` or `identity`: what the folder's own config puts on a single logit (identity where it is silent)."""
    config = read_object(folder / "config.json")
    stated = config.get("sentence_transformers", {}).get("activation_fn") or config.get(
        "sbert_ce_default_activation_function"
    )
    return "sigmoid" if str(stated).lower().endswith("sigmoid") else "identity"


def _length(folder: Path, tokenizer: PreTrainedTokenizerFast, wanted: int | None) -> int:
    limit = max_tokens(folder, tokenizer, single=False)
    if wanted is not None and not 3 < wanted <= limit:
        raise InputError(f"max_length {wanted} is outside 4..{limit}, what {folder} can take for a pair")
    return wanted or limit
