"""Speed and cache of a causal language model with and without shared maps; for `shared_decoder.py`."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache, PreTrainedModel

from decant.training.optimizer import adamw, training_precision
from students.distill.distill_causal import CausalSettings, TokenLoss

SHARED, FUSED, EAGER = "shared", "unshared, fused", "unshared, eager"
MILLISECONDS = "ms"
PROMPT, PROMPTS = 16, (1, 8)  # tokens a prompt, and prompts at once
Ways = dict[str, Callable[[], None]]


def all_speeds(
    plain: PreTrainedModel, shared: PreTrainedModel, blocks: NDArray[np.int64], settings: CausalSettings,
    new_tokens: int, rounds: int,
) -> dict[str, dict[str, NDArray[np.float64]]]:  # fmt: skip
    """A training step's milliseconds and generation's tokens a second: what → way → a figure a round.

    Args:
        blocks: of one step, int64 [batch, length]; prompts are their beginnings.
    """
    batch, length = blocks.shape
    steps = time_in_turns(step_ways(plain, shared, blocks, settings), rounds)
    what = f"training step of {batch} × {length} tokens, {MILLISECONDS}"
    speeds = {what: {name: 1000 * seconds for name, seconds in steps.items()}}
    for prompts in PROMPTS:
        made = min(prompts, batch) * new_tokens
        times = time_in_turns(generation_ways(plain, shared, blocks[:prompts, :PROMPT], new_tokens), rounds)
        what = f"generation, batch {min(prompts, batch)}, tokens/s"
        speeds[what] = {name: made / seconds for name, seconds in times.items()}
    return speeds


def step_ways(
    plain: PreTrainedModel, shared: PreTrainedModel, blocks: NDArray[np.int64], settings: CausalSettings
) -> Ways:
    """One optimiser step of each, on copies: forward, backward, AdamW."""
    bf16 = training_precision(settings) == "bf16-mixed"
    loss, ids = TokenLoss(), torch.from_numpy(blocks)

    def step(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            value = loss(model, ids)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    copies = {name: model.train() for name, model in _each_way(plain, shared).items()}
    return {name: partial(step, model, adamw(model, settings, 1)["optimizer"]) for name, model in copies.items()}


def generation_ways(
    plain: PreTrainedModel, shared: PreTrainedModel, prompts: NDArray[np.int64], new_tokens: int
) -> Ways:
    """Greedy generation of so many tokens a prompt, int64 [batch, tokens], with the cache."""
    ids = torch.from_numpy(prompts)

    def generate(model: Any) -> None:
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False, use_cache=True
        )
        if made.shape[1] != ids.shape[1] + new_tokens:
            raise RuntimeError(f"{made.shape[1] - ids.shape[1]} tokens were generated, not {new_tokens}")

    return {name: partial(generate, model.eval()) for name, model in _each_way(plain, shared).items()}


def time_in_turns(ways: Ways, rounds: int) -> dict[str, NDArray[np.float64]]:
    """Seconds of each way in each round after the first; every other round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name in list(ways) if turn % 2 == 0 else list(reversed(ways)):
            started = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - started)
    return {name: np.array(times[1:]) for name, times in seconds.items()}


def cache_sentence(plain: PreTrainedModel, shared: PreTrainedModel, blocks: NDArray[np.int64]) -> str:
    """What the caches of these blocks hold in each layer."""
    before, after = (cache_bytes(model, blocks) for model in (plain, shared))
    return (
        f"KV cache of {blocks.size} tokens, bytes by layer: unshared {_listed(before)}; shared {_listed(after)}: "
        f"{100 * sum(after) / sum(before):.1f} % of it."
    )


@torch.inference_mode()
def cache_bytes(model: PreTrainedModel, blocks: NDArray[np.int64]) -> list[int]:
    """Of the keys and values that each layer holds for these blocks."""
    cache: Any = DynamicCache(config=model.config)
    model.eval()(input_ids=torch.from_numpy(blocks), past_key_values=cache, use_cache=True)
    return [layer.keys.nbytes + layer.values.nbytes for layer in cache.layers]


def speed_table(speeds: dict[str, dict[str, NDArray[np.float64]]]) -> str:
    """Medians over the rounds, and the median of the ratios round by round: above 1 where sharing is faster."""
    lines = [
        f"| | {FUSED} | {EAGER} | {SHARED} | × fused | × eager |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for what, values in speeds.items():
        cells = [f"{np.median(values[name]):,.0f}" for name in (FUSED, EAGER, SHARED)]
        for other in (FUSED, EAGER):
            ratios = values[SHARED] / values[other]
            ratios = 1 / ratios if what.endswith(MILLISECONDS) else ratios
            cells.append(f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})")
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _each_way(plain: PreTrainedModel, shared: PreTrainedModel) -> dict[str, PreTrainedModel]:
    ways = {FUSED: copy.deepcopy(plain), EAGER: copy.deepcopy(plain), SHARED: copy.deepcopy(shared)}
    ways[EAGER].set_attn_implementation("eager")
    return ways


def _listed(numbers: list[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)
