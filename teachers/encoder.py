"""SentenceEncoder: a backbone and a pooling; an embedding teacher, and what students are cut from."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerFast

from teachers.backbone import layer_list, load_backbone, load_tokenizer, max_tokens, quiet_transformers
from teachers.batches import padded, sorted_batches
from teachers.errors import InputError
from teachers.json_file import read_object
from teachers.pooling import TOP_LAYERS, PoolingKind, pool, pooled_width, token_states
from teachers.quantized import quantized_kind
from teachers.reference import resolve_model
from teachers.save_model import save_model

Progress = Callable[[int], None]
POOLING_MODES = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
LEGACY_MODES = (
    "pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_max_tokens",
    "pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken",
)  # fmt: skip
OWN_CONFIG = "decant_encoder.json"
EXIT_LAYERS = "exit_layers.safetensors"


class SentenceEncoder(nn.Module):
    """Text → unit vector.

    Args:
        max_length: the most tokens a text may have, specials included.
        dim: output width, 1..pooled width; fewer keeps the first dimensions.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        pooling: PoolingKind = "mean",
        max_length: int = 128,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        width = pooled_width(backbone.config.hidden_size, pooling)
        if pooling == "concat_top_mean" and backbone.config.num_hidden_layers < TOP_LAYERS - 1:
            raise InputError(f"pooling concat_top_mean needs {TOP_LAYERS - 1} layers or more, this encoder has fewer")
        if dim is not None and not 1 <= dim <= width:
            raise InputError(f"dim {dim} is outside 1..{width}, the width of this encoder's vectors")
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.pooling: PoolingKind = pooling
        self.max_length = max_length
        self.dim = dim or width
        self.exit_layers = nn.ModuleDict()

    def add_exit_layers(self, depths: Sequence[int]) -> None:
        """Give the exits at these depths a last layer of their own, for now a copy of the layer that stands there.

        An exit is the vector after that many layers. With a layer of its own it does not bend the shared one, which
        deeper layers read. The encoder itself runs as before; `students.cut` and `students.exits` take these layers.

        Args:
            depths: 1..layers − 1, each once.

        Raises:
            InputError: another depth, one that is named twice, or pooling that reads several layers.
        """
        wrong = [depth for depth in depths if not 1 <= depth < self.layers]
        if wrong or len(set(depths)) < len(depths):
            raise InputError(f"exit layers at {list(depths)}: give depths of 1..{self.layers - 1}, each once")
        if depths and self.pooling == "concat_top_mean":
            raise InputError("pooling concat_top_mean reads several layers, so no exit can have a layer of its own")
        every = layer_list(self.backbone)[1]
        self.exit_layers = nn.ModuleDict({str(depth): copy.deepcopy(every[depth - 1]) for depth in sorted(depths)})

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return int(self.backbone.config.num_hidden_layers)

    @property
    def hidden_size(self) -> int:
        """Width of the backbone's token states."""
        return int(self.backbone.config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Token states [batch, length, dim] and unit sentence vectors [batch, dim], both float32.

        Args:
            input_ids: int64 [batch, length].
            attention_mask: int64 [batch, length], 1 for a token.
        """
        output = self.backbone(
            input_ids=input_ids,
            attention_mask=attention_mask,
            output_hidden_states=self.pooling == "concat_top_mean",
        )
        hidden = output.hidden_states if self.pooling == "concat_top_mean" else (output.last_hidden_state,)
        states = token_states(hidden, self.pooling)[..., : self.dim]
        return states, functional.normalize(pool(states, attention_mask, self.pooling), dim=-1)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, specials included, cut at `max_length`."""
        if not texts:
            return []
        encoded = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_length, padding=False, return_attention_mask=False
        )
        return list(encoded["input_ids"])

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Unit vectors, float32 [texts, dim], in the order of the texts; batches are of like length."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        ids = self.tokenize(texts)
        was_training = self.training
        self.eval()
        device = next(self.parameters()).device
        for rows in sorted_batches([len(row) for row in ids], batch_size):
            input_ids, mask = padded([ids[row] for row in rows], int(self.tokenizer.pad_token_id))
            vectors[rows] = self(input_ids.to(device), mask.to(device))[1].float().cpu().numpy()
            if progress is not None:
                progress(len(rows))
        self.train(was_training)
        return vectors

    def save(self, folder: Path) -> None:
        """Write safetensors, config, tokenizer, and the files that sentence-transformers loads a model by.

        `concat_top_mean` has no counterpart there: such a folder gets no modules.json, lest it be loaded wrongly.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with quiet_transformers():
            save_model(self.backbone, folder)
            self.tokenizer.model_max_length = self.max_length
            self.tokenizer.save_pretrained(folder)
        _write_json(folder / "sentence_bert_config.json", {"max_seq_length": self.max_length, "do_lower_case": False})
        own: dict[str, object] = {"pooling": self.pooling, "dim": self.dim, "max_length": self.max_length}
        if len(self.exit_layers):
            own["exit_layers"] = [int(depth) for depth in self.exit_layers]
            weights = {
                name: weight.detach().cpu().contiguous() for name, weight in self.exit_layers.state_dict().items()
            }
            save_file(weights, folder / EXIT_LAYERS)
        _write_json(folder / OWN_CONFIG, own)
        if self.pooling in POOLING_MODES:
            self._save_modules(folder)

    def _save_modules(self, folder: Path) -> None:
        modules = ["Transformer", "Pooling", "Normalize"]
        paths = ["", "1_Pooling", "2_Normalize"]
        entries = [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{module}"}
            for index, (module, path) in enumerate(zip(modules, paths, strict=True))
        ]
        _write_json(folder / "modules.json", entries)
        pooling: dict[str, object] = {mode: mode == POOLING_MODES[self.pooling] for mode in LEGACY_MODES}
        pooling |= {"word_embedding_dimension": self.dim, "pooling_mode": self.pooling, "include_prompt": True}
        _write_json(folder / "1_Pooling" / "config.json", pooling)
        _write_json(folder / "2_Normalize" / "config.json", {})
        _write_json(
            folder / "config_sentence_transformers.json",
            {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
        )

    @classmethod
    def load(
        cls,
        reference: str | Path,
        max_length: int | None = None,
        pooling: PoolingKind | None = None,
        **options: Any,
    ) -> SentenceEncoder:
        """An encoder from a model reference; pooling and length as its folder says, unless given.

        Args:
            options: `dropout`, `for_training` and `quantize` of `load_backbone`. A quantized encoder leaves out the
                exit layers of its own, which only a cut takes.

        Raises:
            InputError: the reference cannot be loaded, or `max_length` is above what the model can take.
        """
        folder = resolve_model(reference)
        tokenizer = load_tokenizer(folder)
        backbone = load_backbone(folder, AutoModel, **options)
        own = _own_config(folder)
        limit = max_tokens(folder, tokenizer)
        if max_length is not None and not 2 < max_length <= limit:
            raise InputError(f"max_length {max_length} is outside 3..{limit}, what {folder} can take")
        chosen = pooling or own.pooling or _stated_pooling(folder)
        dim = own.dim if chosen == own.pooling else None
        encoder = cls(backbone, tokenizer, chosen, max_length or limit, dim)
        if own.exit_layers and quantized_kind(backbone) is None:
            encoder.add_exit_layers(own.exit_layers)
            _load_exit_layers(encoder, folder / EXIT_LAYERS)
        return encoder


class _OwnConfig(BaseModel, frozen=True):
    """What decant_encoder.json says."""

    pooling: PoolingKind | None = None
    dim: int | None = Field(None, ge=1)
    exit_layers: tuple[int, ...] = ()


def _own_config(folder: Path) -> _OwnConfig:
    path = folder / OWN_CONFIG
    if not path.is_file():
        return _OwnConfig()
    try:
        return _OwnConfig.model_validate(read_object(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; copy the model again") from error


def _load_exit_layers(encoder: SentenceEncoder, path: Path) -> None:
    try:
        encoder.exit_layers.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{path}: the exit layers that {OWN_CONFIG} names cannot be read from it; copy it again"
        ) from error


def _stated_pooling(folder: Path) -> PoolingKind:
    config = folder / "1_Pooling" / "config.json"
    if not config.is_file():
        return "mean"
    stated = read_object(config)
    if stated.get("pooling_mode") == "cls" or stated.get("pooling_mode_cls_token"):
        return "cls"
    if stated.get("pooling_mode") == "mean" or stated.get("pooling_mode_mean_tokens"):
        return "mean"
    raise InputError(f"{config}: its pooling is not supported; mean and cls are")


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
