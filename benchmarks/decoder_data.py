"""Texts, tokenizer and untrained causal language model; for `shared_decoder.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast

from decant.errors import InputError
from pipeline.texts.source import DATA_VARIABLE, Source, data_folder, read_rows
from students.distill.distill_causal import pack_blocks

HEADS, KEY_HEADS = 4, 2
END = "<|end|>"
DEV_BLOCKS = 48  # of the training texts: for the bar, and for the comparison of maps


@dataclass(frozen=True)
class Work:
    """Blocks of token ids, int64 [blocks, length]."""

    tokenizer: PreTrainedTokenizerFast
    train: NDArray[np.int64]
    dev: NDArray[np.int64]
    test: NDArray[np.int64]


def read_work(options: argparse.Namespace) -> Work:
    """Distinct texts, the held-out ones in no training; a byte-level BPE tokenizer of the training texts.

    Captions are held out by image, as the set has them, and definitions by the seed.

    Raises:
        InputError: a file is not there, or the texts are too few.
    """
    folder = options.data or data_folder()
    if folder is None:
        raise InputError(f"no folder with wordnet and flickr8k: give --data DIR, or set {DATA_VARIABLE}")
    generator = np.random.default_rng(options.seed)
    definitions = _column(folder, "wordnet/glosses.tsv", "definition")
    definitions = [definitions[place] for place in generator.permutation(len(definitions))]
    held = definitions[: options.held_out] + _column(folder, "flickr8k/test.tsv", "caption")[: options.held_out]
    out = set(held)
    texts = definitions[options.held_out :] + _column(folder, "flickr8k/train.tsv", "caption")
    texts = [text for text in texts if text not in out]
    texts = [texts[place] for place in generator.permutation(len(texts))]
    tokenizer = new_tokenizer(texts, options.vocabulary)
    blocks = pack_blocks(texts, tokenizer, options.length)
    return Work(tokenizer, blocks[DEV_BLOCKS:], blocks[:DEV_BLOCKS], pack_blocks(held, tokenizer, options.length))


def new_tokenizer(texts: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `size` tokens; the end token is 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)


def new_model(options: argparse.Namespace) -> PreTrainedModel:
    """Random weights by the seed; input and output embeddings are one matrix. Nothing ends a generation early."""
    config = LlamaConfig(
        vocab_size=options.vocabulary, hidden_size=options.hidden, num_hidden_layers=options.layers,
        num_attention_heads=HEADS, num_key_value_heads=KEY_HEADS, head_dim=options.hidden // HEADS,
        intermediate_size=options.hidden * 5 // 2, max_position_embeddings=512, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    torch.manual_seed(options.seed)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)


def portions(blocks: NDArray[np.int64], steps: Sequence[int], batch_size: int) -> list[NDArray[np.int64]]:
    """Blocks for as many steps each, none in two.

    Raises:
        InputError: there are too few.
    """
    ends = np.cumsum([0, *steps]) * batch_size
    if ends[-1] > len(blocks):
        raise InputError(f"the texts fill {len(blocks)} blocks; the steps take {ends[-1]}: lower --steps or --batch")
    return [blocks[start:end] for start, end in pairwise(ends)]


def _column(folder: Path, file: str, column: str) -> list[str]:
    """Distinct texts in the file's order."""
    rows, _ = read_rows(Source(path=file), folder, (column,))
    return list(dict.fromkeys(row[column] or "" for row in rows))
