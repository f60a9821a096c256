"""Every pooling, alone and joined, with padding on either side, and without the prompt's tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from tests.model_zoo.backbones import HIDDEN
from tests.model_zoo.bases import bert, qwen, roberta
from tests.model_zoo.folder import pooled_by, save, set_keys
from tests.model_zoo.kind import Kind

MODES = ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
PROMPT = {"prompts": {"task": "represent the sentence: "}, "default_prompt_name": "task"}


def pooled(first: Callable[[], Transformer], mode: str | tuple[str, ...]) -> Callable[[Path], None]:
    return lambda folder: save(folder, first(), Pooling(HIDDEN, mode))


def without_prompt(first: Callable[[], Transformer], mode: str) -> Callable[[Path], None]:
    return lambda folder: save(folder, first(), Pooling(HIDDEN, mode, include_prompt=False), **PROMPT)


def other(mode: str) -> str:
    return "mean" if mode != "mean" else "max"


def single() -> tuple[Kind, ...]:
    """Each mode on a model that pads on the right, and on one that pads on the left."""
    sides = (("right", bert, "BERT"), ("left", qwen, "Qwen3"))
    return tuple(
        Kind(
            f"pooling-{mode.replace('_', '-')}-{side}",
            f"{family}, pooling {mode}, padding on the {side}",
            pooled(first, mode),
            pooled_by(other(mode)),
        )
        for side, first, family in sides
        for mode in MODES
    )


def joined() -> tuple[Kind, ...]:
    """Several modes side by side, in the order that the config gives."""
    orders = (
        ("pooling-cls-and-mean", ("cls", "mean")),
        ("pooling-mean-and-cls", ("mean", "cls")),
        ("pooling-mean-and-max", ("mean", "max")),
        ("pooling-of-three", ("max", "mean_sqrt_len_tokens", "lasttoken")),
        ("pooling-of-all-six", MODES),
    )
    return tuple(
        Kind(
            name,
            f"BERT, poolings {', '.join(modes)} side by side, in this order",
            pooled(bert, modes),
            set_keys("1_Pooling/config.json", pooling_mode=list(reversed(modes))),
        )
        for name, modes in orders
    )


def prompt_left_out() -> tuple[Kind, ...]:
    """A default prompt that the model reads and the pooling leaves out."""
    cases = (
        ("bert-mean", "BERT, mean", bert, "mean"),
        ("bert-cls", "BERT, cls: the first token behind the prompt", bert, "cls"),
        ("bert-weightedmean", "BERT, weightedmean: weights go on counting from the prompt", bert, "weightedmean"),
        ("roberta-mean", "RoBERTa, mean: the prompt alone has one token more than before a text", roberta, "mean"),
        ("qwen-mean", "Qwen3, mean, padding on the left", qwen, "mean"),
    )
    return tuple(
        Kind(
            f"include-prompt-false-{name}",
            f"{what}, include_prompt false with a default prompt",
            without_prompt(first, mode),
            set_keys("1_Pooling/config.json", include_prompt=True),
        )
        for name, what, first, mode in cases
    )


KINDS = (
    *single(),
    *joined(),
    *prompt_left_out(),
    Kind(
        "include-prompt-false-lasttoken",
        "Qwen3, lasttoken, include_prompt false: the last token is the text's all the same",
        without_prompt(qwen, "lasttoken"),
        set_keys("config_sentence_transformers.json", default_prompt_name=None),
    ),
)
