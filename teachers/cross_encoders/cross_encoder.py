"""CrossEncoder: a pair of texts → raw logits, both read together by one transformer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

from decant.batches import padded, sorted_batches
from decant.errors import InputError
from decant.models.backbone import load_backbone, quiet_transformers
from decant.models.quantized import Quantize
from decant.models.reference import resolve_model
from decant.models.save_model import save_model
from decant.progress import Advance
from teachers.cross_encoders.cross_folder import TORCH_NAMES, Activation, CrossFolder, write_cross_folder
from teachers.cross_encoders.cross_folder import stated_activation as stated_activation
from teachers.cross_encoders.cross_head import reorder_outputs
from teachers.cross_encoders.cross_reading import (
    Classes,
    check_kind,
    finds_last_token,
    pair_length,
    pair_tokenizer,
    reads_types,
    start_tokenizer,
    statements,
)

Pair = tuple[str, str]


class CrossEncoder(nn.Module):
    """[CLS] first [SEP] second [SEP] → logits.

    Args:
        outputs: logits a pair, 1 for a score and C for classes.
        max_length: the most tokens a pair may have, specials included; the longer text is cut first.
        prompt: put before the first text of each pair.
        activation: what turns a single logit into a score on the scale that the model was trained on.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, outputs: int, max_length: int,
        prompt: str = "", activation: Activation = "identity",
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self.tokenizer, self.outputs, self.max_length = model, tokenizer, outputs, max_length
        self.prompt, self.activation = prompt, activation
        self.uses_types = reads_types(model, tokenizer)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Raw logits, float32 [batch, outputs]; the inputs are int64 [batch, length]."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits.float()

    def tokenize(self, pairs: Sequence[Pair]) -> tuple[list[list[int]], list[list[int]] | None]:
        """Token ids of each pair, and token types where the model reads them.

        Raises:
            InputError: a pair has no token at all, as two empty texts have where a tokenizer adds none.
        """
        if not pairs:
            return [], [] if self.uses_types else None
        first, second = zip(*pairs, strict=True)
        encoded = self.tokenizer(
            [self.prompt + text for text in first], list(second), truncation=True, max_length=self.max_length,
            padding=False, return_attention_mask=False, return_token_type_ids=self.uses_types,
        )  # fmt: skip
        ids = list(encoded["input_ids"])
        if not all(ids):
            raise InputError(
                f"pair {[bool(row) for row in ids].index(False)} of {len(ids)} has no token for this cross-encoder to "
                "read: both of its texts are empty; drop such pairs"
            )
        return ids, list(encoded["token_type_ids"]) if self.uses_types else None

    def collate(self, ids: Sequence[list[int]], types: Sequence[list[int]] | None) -> dict[str, Tensor]:
        """Padded inputs of `forward`."""
        input_ids, mask = padded(ids, int(self.tokenizer.pad_token_id))
        batch = {"input_ids": input_ids, "attention_mask": mask}
        if types is not None:
            batch["token_type_ids"] = padded(types, int(self.tokenizer.pad_token_type_id))[0]
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

    def name_classes(self, names: Sequence[str]) -> None:
        """Say in the config which class each output stands for; a single output stands for the last.

        Args:
            names: in the order of the outputs; none: the outputs stand for no classes.
        """
        if names:
            own = names[-self.outputs :]
            self.model.config.id2label = dict(enumerate(own))
            self.model.config.label2id = {name: number for number, name in enumerate(own)}

    def save(self, folder: Path) -> None:
        """Safetensors, config and tokenizer.

        sentence-transformers' CrossEncoder loads it and gives the same logits, or puts the activation on them.
        """
        folder.mkdir(parents=True, exist_ok=True)
        stated = {"activation_fn": TORCH_NAMES[self.activation], "version": "4.0.0"}
        self.model.config.sentence_transformers = stated
        with quiet_transformers():
            save_model(self.model, folder)
            self.tokenizer.model_max_length = self.max_length
            self.tokenizer.save_pretrained(folder)
        if self.prompt:
            write_cross_folder(folder, self.prompt, self.activation)

    @classmethod
    def load(
        cls, reference: str | Path, outputs: Sequence[int], max_length: int | None = None, *,
        classes: Classes | None = None, quantize: Quantize | None = None, dropout: float | None = None,
    ) -> CrossEncoder:  # fmt: skip
        """A trained cross-encoder, in eval mode.

        Args:
            outputs: the numbers of logits that it may give.
            max_length: tokens a pair; default: what its folder says and the model can take.
            classes: what its outputs are to stand for, in this order; default: what they stand for in the folder.
            quantize: of the weights of its linear layers, the head's excepted, as they are read.
            dropout: every dropout, 0..1, where it is trained further; default: as its config says.

        Raises:
            InputError: it cannot be loaded, its head was never trained, it has another number of outputs or other
                classes, or its folder says what Decant does not follow.
        """
        folder = resolve_model(reference)
        order, said = statements(folder, outputs, classes)
        model = load_backbone(
            folder, AutoModelForSequenceClassification, dropout=dropout, quantize=quantize, complete=True
        )
        check_kind(folder, model)
        tokenizer = pair_tokenizer(folder, model, said)
        length = pair_length(folder, model, tokenizer, said, max_length)
        given = int(model.config.num_labels or 0)
        cross = cls(_without_cache(model), tokenizer, given, length, said.prompt, said.activation or "identity")
        if order is not None and list(order) != sorted(order):
            reorder_outputs(model, order)
        cross.name_classes(classes.names if classes is not None else ())
        return cross.eval()

    @classmethod
    def from_backbone(
        cls, reference: str | Path, outputs: int, max_length: int | None = None, *, dropout: float = 0.1,
        seed: int = 0, quantize: Quantize | None = None, classes: Sequence[str] = (),
    ) -> CrossEncoder:  # fmt: skip
        """An encoder's body under a new, untrained head, to be fine-tuned.

        Args:
            classes: their names in the order of the outputs; none: the outputs stand for no classes.
        """
        folder = resolve_model(reference)
        tokenizer = start_tokenizer(folder)
        torch.manual_seed(seed)
        model = load_backbone(
            folder, AutoModelForSequenceClassification, num_labels=outputs, dropout=dropout, for_training=True,
            quantize=quantize,
        )  # fmt: skip
        check_kind(folder, model)
        if finds_last_token(model):
            model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        length = pair_length(folder, model, tokenizer, CrossFolder(), max_length)
        cross = cls(_without_cache(model), tokenizer, outputs, length)
        cross.name_classes(classes)
        return cross


def _without_cache(model: PreTrainedModel) -> PreTrainedModel:
    """A decoder keeps keys and values for the words that would come next; there are none."""
    if finds_last_token(model):
        model.config.use_cache = False
    return model
