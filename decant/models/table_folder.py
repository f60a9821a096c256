"""The model files of a static student, so that model2vec, sentence-transformers and Decant read one and the same table.

`embeddings` of model.safetensors is the table, with a row's scale in `weights` where it is of integers: both peers take
embeddings · weights. A table of other tensors (4 bits) is read by Decant alone, so that folder gets no modules.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from decant.errors import InputError
from decant.files import write_json
from decant.models.folder_files import (
    CONFIG,
    MODULES,
    NORMALIZE_FOLDER,
    POOLING_FOLDER,
    READING,
    SETTINGS,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
)
from decant.models.layout import LEGACY_MODES
from decant.models.prompts import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MODEL_TYPE = "model2vec"  # what config.json says of every static student
EMBEDDINGS = "embeddings"
MAX_LENGTH = 512  # tokens of a text, where nothing else is said


@dataclass(frozen=True)
class StaticTable:
    """A static student: a text's vector is the sum of its tokens' rows, at unit length.

    Args:
        rows: float32 [tokens, dim], a row for each number that the tokenizer gives; of its unknown token zeros.
        tokenizer: adds no special token.
        specials: role → token, such as pad_token: [PAD]; one of that role at least.
        max_length: tokens beyond which a text is cut.
        prompts: what stands before a text, by its name.

    Raises:
        InputError: rows and tokenizer do not fit, or there is no token to pad with.
    """

    rows: NDArray[np.float32]
    tokenizer: Tokenizer
    specials: Mapping[str, str]
    max_length: int = MAX_LENGTH
    prompts: Prompts = field(default_factory=Prompts)

    def __post_init__(self) -> None:
        vocabulary = self.tokenizer.get_vocab()
        if self.rows.ndim != 2 or sorted(vocabulary.values()) != list(range(len(self.rows))):
            raise InputError(
                f"a table {list(self.rows.shape)} does not have one row for each of {len(vocabulary)} tokens"
            )
        if self.specials.get("pad_token") not in vocabulary:
            raise InputError(
                f"pad_token {self.specials.get('pad_token')!r} is no token of the tokenizer; name one of its"
            )
        unknown = vocabulary.get(self.specials.get("unk_token", ""))
        if unknown is not None and self.rows[unknown].any():
            raise InputError(
                "the row of the unknown token is not zeros, but model2vec leaves that token out; set it so"
            )

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.rows.shape[1])

    @classmethod
    def of(
        cls, rows: NDArray[np.float32], tokenizer: PreTrainedTokenizerFast, max_length: int = MAX_LENGTH,
        prompts: Prompts | None = None,
    ) -> StaticTable:  # fmt: skip
        """A table with the tokenizer of transformers, without the special tokens that it adds; raises as the class."""
        specials = {role: str(token) for role, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
        return cls(rows, _without_specials(tokenizer.backend_tokenizer), specials, max_length, prompts or Prompts())


def write_table_folder(folder: Path, table: StaticTable, tensors: Mapping[str, NDArray[Any]] | None = None) -> None:
    """Write a static student's model files, not its graph.

    Args:
        folder: made; files of these names in it are replaced.
        table: the student.
        tensors: how the rows are stored, as `stored_table` gives them; None: in float32.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    given = tensors if tensors is not None else {EMBEDDINGS: table.rows.astype(np.float32, copy=False)}
    stored = {
        name: np.ascontiguousarray(tensor) for name, tensor in given.items()
    }  # safetensors writes any as if it were
    kind = stored[EMBEDDINGS].dtype.name if EMBEDDINGS in stored else "int4"
    _save_tokenizer(folder, table)
    save_file(stored, folder / WEIGHTS)
    (folder / WEIGHTS).chmod((folder / TOKENIZER_CONFIG).stat().st_mode)  # else readable for its owner alone
    write_json(folder / CONFIG, _config(table, kind), sort_keys=True)
    write_json(folder / READING, {"max_seq_length": table.max_length, "do_lower_case": False})
    if EMBEDDINGS in stored:
        _save_modules(folder)
    pooling: dict[str, object] = {key: mode == "mean" for key, mode in LEGACY_MODES.items()}
    pooling |= {"word_embedding_dimension": table.dim, "include_prompt": True, "pooling_mode": "mean"}
    _write_in(folder / POOLING_FOLDER, pooling)
    prompts = {"prompts": dict(table.prompts.texts), "default_prompt_name": table.prompts.default}
    write_json(folder / SETTINGS, {**prompts, "similarity_fn_name": "cosine"})


def is_static(config: Mapping[str, object]) -> bool:
    """Whether config.json is that of a static student."""
    return config.get("model_type") == MODEL_TYPE


def _config(table: StaticTable, kind: str) -> dict[str, object]:
    """What model2vec reads, and the sizes that servers look for."""
    rows, dim = table.rows.shape
    pad_id = table.tokenizer.token_to_id(table.specials["pad_token"])
    return {
        "model_type": MODEL_TYPE, "architectures": ["StaticModel"], "normalize": True, "max_length": table.max_length,
        "hidden_dim": dim, "embedding_dtype": kind, "vocab_size": rows, "hidden_size": dim, "num_hidden_layers": 0,
        "max_position_embeddings": table.max_length, "pad_token_id": pad_id,
    }  # fmt: skip


def _save_tokenizer(folder: Path, table: StaticTable) -> None:
    tokenizer = _without_specials(table.tokenizer)
    tokenizer.enable_truncation(table.max_length)
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER))
    config: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": table.max_length, "padding_side": "right",
        "truncation_side": "right", "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    write_json(folder / TOKENIZER_CONFIG, config | dict(table.specials), sort_keys=True)
    write_json(folder / SPECIAL_TOKENS, dict(table.specials), sort_keys=True)


def _without_specials(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that adds no special token."""
    return Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_str()) | {"post_processor": None}))


def _save_modules(folder: Path) -> None:
    kinds = {"": "StaticEmbedding", NORMALIZE_FOLDER: "Normalize"}
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    write_json(folder / MODULES, modules)
    _write_in(folder / NORMALIZE_FOLDER, {})


def _write_in(folder: Path, config: dict[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    write_json(folder / CONFIG, config)
