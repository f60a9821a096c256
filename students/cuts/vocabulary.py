"""Vocabulary pruning: the tokens that given texts need, a smaller token table, and a tokenizer that gives no others.

A text whose pieces all stay is read as before, by the same vectors. Another one falls back to shorter pieces: every
kind of tokenizer keeps what it spells any text with.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn
from transformers import PretrainedConfig, PreTrainedTokenizerFast

from decant.errors import InputError
from decant.files import expand_user
from decant.models.backbone import load_tokenizer, quiet_transformers
from decant.models.encoder import SentenceEncoder
from decant.models.folder_files import TOKENIZER
from decant.models.shared_config import read_config
from students.cuts.prune import FAMILIES
from students.cuts.tokenizer_json import Chains, Content, base_tokens, check_model, tokens_of, without_the_others
from students.cuts.vocabulary_settings import VocabularySettings

COUNTED_FROM_PADDING = {"roberta", "xlm-roberta", "mpnet"}  # their positions start after the padding token's id
MPNET_PADDING = 1  # which its code counts from, whatever its config says
CHUNK = 4096  # texts tokenized at a time


def prune_vocabulary(
    encoder: SentenceEncoder, texts: Sequence[str], settings: VocabularySettings, listed: Sequence[str] = ()
) -> SentenceEncoder:
    """An encoder with the rows of the kept tokens only, in their old order, and the tokenizer to go with them.

    Args:
        encoder: not changed.
        texts: whose tokens are kept where they hold them `min_count` times; counted whole, not cut at `max_length`.
        listed: whose tokens are kept however rare, which is what `listed_texts` reads; they add to the counts.

    Raises:
        InputError: no text, a family or tokenizer that cannot be pruned, one that does not match the token table, or
            a size below the tokens that always stay.
    """
    if not texts and not listed:
        raise InputError("a vocabulary is pruned to what texts need, and none is given; give the texts of the training")
    backbone = encoder.backbone
    content, base = _base(encoder.tokenizer, backbone.config, settings)
    kept = sorted(_kept(content, base, texts, listed, settings))
    table = cast(nn.Embedding, backbone.get_input_embeddings())
    if kept[-1] >= table.num_embeddings:
        raise InputError(
            f"the tokenizer does not match the model: it gives ids up to {kept[-1]}, but the token table has "
            f"{table.num_embeddings} rows; take both from one model"
        )
    tokenizer = _loaded(encoder, without_the_others(content, kept))
    new = {old: number for number, old in enumerate(kept)}
    memo = {id(table): _rows(table, kept, new), id(encoder.tokenizer): tokenizer}
    pruned = copy.deepcopy(encoder, memo)  # neither the large table nor the old tokenizer is copied on the way
    config = pruned.backbone.config
    config.vocab_size = len(kept)
    for name, number in _named_tokens(config).items():
        setattr(config, name, new[number])
    return pruned


def listed_texts(settings: VocabularySettings | None, base: Path) -> list[str]:
    """The lines of `keep_from` that are not blank; none where no file is named.

    Args:
        base: folder that a relative path starts from, the recipe's own.

    Raises:
        InputError: the file is not there, is not UTF-8, or has no line.
    """
    if settings is None or settings.keep_from is None:
        return []
    path = base / expand_user(settings.keep_from)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8; give one text or word a line") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        said = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({said}); give a file of one text or word a line") from error
    if not any(lines):
        raise InputError(f"{path} is empty; give one text or word a line, or leave keep_from out")
    return [line for line in lines if line]


def check_vocabulary(folder: Path, settings: VocabularySettings) -> None:
    """Refuse a model that cannot be pruned so, by its config and tokenizer alone.

    Raises:
        InputError: as `prune_vocabulary`, as far as neither texts nor weights decide it.
    """
    _base(load_tokenizer(folder), read_config(folder), settings)


def vocabulary_size(folder: Path) -> int:
    """Rows of the token table, as the folder's config states them."""
    return int(read_config(folder).vocab_size)


def _base(
    tokenizer: PreTrainedTokenizerFast, config: PretrainedConfig, settings: VocabularySettings
) -> tuple[Content, set[int]]:
    """The parsed tokenizer, and the ids that always stay."""
    if config.model_type not in FAMILIES:
        raise InputError(f"the vocabulary of a {config.model_type!r} model cannot be pruned; {', '.join(FAMILIES)} can")
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    check_model(content)
    tokens, named = tokens_of(content), _named_tokens(config)
    base = base_tokens(content) | {int(number) for number in tokenizer.all_special_ids} | set(named.values())
    if config.model_type in COUNTED_FROM_PADDING:  # a padding token that moved would move every position
        last = max(int(tokenizer.pad_token_id), named.get("pad_token_id", 0), MPNET_PADDING)
        base |= {number for number in tokens if number <= last}
    unknown = sorted(base - tokens.keys())
    if unknown:
        raise InputError(
            f"the tokenizer does not match the model: id {unknown[0]} is used by its config or post-processing, but is "
            "no token; take both from one model"
        )
    base = Chains(content).of(base)
    if settings.size is not None and settings.size < len(base):
        raise InputError(f"size {settings.size} is below the {len(base):,} tokens that any text is spelled with")
    return content, base


def _kept(
    content: Content, base: set[int], texts: Sequence[str], listed: Sequence[str], settings: VocabularySettings
) -> set[int]:
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    length = max(tokens_of(content)) + 1
    counts, named = (_counts(tokenizer, one, length) for one in (texts, listed))
    total = counts + named
    wanted = np.flatnonzero((counts >= settings.min_count) | (named > 0))
    kept, chains = set(base), Chains(content)
    for number in wanted[np.argsort(-total[wanted], kind="stable")].tolist():
        more = chains.of({number}) - kept
        if settings.size is None or len(kept) + len(more) <= settings.size:
            kept |= more
    return kept


def _counts(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> NDArray[np.int64]:
    """How often each id stands in the texts, int64 [length]."""
    counts = np.zeros(length, np.int64)
    for start in range(0, len(texts), CHUNK):
        encoded = tokenizer.encode_batch_fast(list(texts[start : start + CHUNK]), add_special_tokens=False)
        counts += np.bincount([number for text in encoded for number in text.ids], minlength=length)
    return counts


def _loaded(encoder: SentenceEncoder, content: Content) -> PreTrainedTokenizerFast:
    """The tokenizer of the same class and settings with this content, as it will be loaded from the saved folder."""
    with tempfile.TemporaryDirectory() as scratch, quiet_transformers():
        folder = Path(scratch)
        encoder.tokenizer.save_pretrained(folder)
        encoder.backbone.config.save_pretrained(folder)
        (folder / TOKENIZER).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        tokenizer = load_tokenizer(folder)
    if json.loads(tokenizer.backend_tokenizer.to_str())["model"] != content["model"] or len(tokenizer) != len(
        tokens_of(content)
    ):
        raise InputError(
            f"a {type(tokenizer).__name__} cannot be pruned: it puts tokens of its own beside those of tokenizer.json"
        )
    tokenizer.name_or_path = encoder.tokenizer.name_or_path
    return tokenizer


def _rows(table: nn.Embedding, kept: Sequence[int], new: dict[int, int]) -> nn.Embedding:
    weight = table.weight.detach()[torch.tensor(kept, device=table.weight.device)]
    padding = None if table.padding_idx is None else new[table.padding_idx]
    rows = nn.Embedding.from_pretrained(weight, freeze=not table.weight.requires_grad, padding_idx=padding)
    return rows.train(table.training)


def _named_tokens(config: PretrainedConfig) -> dict[str, int]:
    """The ids that a config names by role, such as `pad_token_id`."""
    return {
        name: value for name, value in config.to_dict().items() if name.endswith("_token_id") and type(value) is int
    }
