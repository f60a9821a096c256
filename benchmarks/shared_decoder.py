"""A causal language model whose inner layers share attention maps: perplexity, parameters, speed and cache.

    python benchmarks/shared_decoder.py [--steps 560] [--stage-steps 160] [--save 0.04] [--seed 0] [--data DIR]

A model like Llama (grouped-query heads, RoPE) is trained from nothing on WordNet's definitions and Flickr8k's captions
(DECANT_DATA). Its inner layers whose maps are most alike then share them, as many as it takes to save the stated share
of the parameters. The student is trained in two stages, on the outputs of the unshared model and then on true tokens;
the unshared model also goes on as in the second stage, since more training alone lowers the perplexity. Each training
but that one has blocks of its own, and perplexity is over texts that none of them saw.

Random groups have the sizes of the chosen ones, at other places among the inner layers; where there are too few such
places, among all layers. Times are in float32 for generation (greedy, with the cache) and in the training's precision
for steps, in turns: with PyTorch's fused attention, as it comes; with eager attention, which shows what sharing alone
does; and shared.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from decoder_data import HEADS, KEY_HEADS, Work, new_model, portions, read_work
from decoder_speed import all_speeds, cache_sentence, speed_table
from numpy.typing import NDArray
from transformers import PreTrainedModel

from decant.errors import InputError
from decant.training.cores import usable_cores
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.report.machine import read_environment
from pipeline.screen.console import Screen
from students.distill.distill_causal import CausalSettings, Loss, PseudoLabels, TokenLoss, perplexity, train_causal
from students.losses.loss_weights import PseudoWeights
from students.sharing.attention_similarity import AttentionSimilarity, attention_similarity
from students.sharing.choose_groups import Groups, choose_groups
from students.sharing.layer_costs import model_cost
from students.sharing.share_maps import share_backbone
from students.sharing.sharing_settings import SharingSettings


@dataclass(frozen=True)
class Row:
    """One model of the table of perplexities; `minutes` of its last training."""

    name: str
    groups: Groups
    parameters: int
    perplexity: float
    minutes: float | None = None


def main() -> None:
    options = _options().parse_args()
    torch.set_num_threads(options.threads)
    try:
        work = read_work(options)
        print(measure(work, options))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def measure(work: Work, options: argparse.Namespace) -> str:
    """All of it, as Markdown."""
    settings = CausalSettings(batch_size=options.batch, learning_rate=options.learning_rate)
    steps = [options.steps, options.stage_steps, options.stage_steps]
    first, second, third = portions(work.train, steps, options.batch)
    plain = new_model(options)
    train = partial(trained, dev=work.dev, seed=options.seed)
    minutes = train(plain, TokenLoss(), first, settings=settings, label="language model")
    rows = [row("unshared", plain, work, (), settings, minutes)]

    found = attention_similarity(plain, work.dev)
    sharing = SharingSettings(save=options.save)
    groups = choose_groups(found.layers, sharing, model_cost(plain), found.kinds, options.length)
    shared, longer = share_backbone(plain, groups), copy.deepcopy(plain)
    rows.append(row("shared, not trained", shared, work, groups, settings))
    for others in random_groups(groups, sharing, len(found.kinds), options.random, options.seed):
        rows.append(row("random groups, not trained", share_backbone(plain, others), work, others, settings))

    pseudo = PseudoLabels(plain, [group[-1] for group in groups], PseudoWeights(hard=options.hard))
    train = partial(train, settings=settings.model_copy(update={"learning_rate": options.stage_rate}))
    minutes = train(shared, pseudo, second, label="stage 1")
    rows.append(row("shared, after stage 1", shared, work, groups, settings, minutes))
    minutes = train(shared, TokenLoss(), third, label="stage 2")
    rows.append(row("shared, after stage 2", shared, work, groups, settings, minutes))
    minutes = train(longer, TokenLoss(), third, label="unshared as in stage 2")
    rows.append(row("unshared, trained on as in stage 2", longer, work, (), settings, minutes))

    said = [conditions(plain, work, settings, options), quality_table(rows), similarity_table(found, groups)]
    speeds = all_speeds(longer, shared, third[: options.batch], settings, options.new_tokens, options.rounds)
    return "\n\n".join([*said, speed_table(speeds), cache_sentence(longer, shared, work.test[:1])])


def conditions(model: PreTrainedModel, work: Work, settings: CausalSettings, options: argparse.Namespace) -> str:
    """What was trained, on what, and the machine."""
    environment = read_environment(options.threads)
    busy = "" if environment.busy is None else f"; others kept {100 * environment.busy:.0f} % of the cores busy"
    return (
        f"{model.config.num_hidden_layers} layers of {model.config.hidden_size}, {HEADS} heads on {KEY_HEADS} key "
        f"heads, a vocabulary of {len(work.tokenizer):,}; {options.steps} steps and {options.stage_steps} a stage, of "
        f"{options.batch} blocks of {options.length} tokens; {work.test.size:,} tokens held out; seed {options.seed}; "
        f"{training_precision(settings)} in training, threads: {options.threads}, {environment.cpu} "
        f"({', '.join(environment.cpu_features)}){busy}"
    )


def trained(
    model: PreTrainedModel, loss: Loss, blocks: NDArray[np.int64], *, dev: NDArray[np.int64], seed: int,
    settings: CausalSettings, label: str,
) -> float:  # fmt: skip
    """Minutes of training the model in place."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        training = Training(Path(folder), settings, seed, watch=Screen().watch)
        train_causal(model, loss, blocks, dev, training, label=label)
    return (time.perf_counter() - started) / 60


def row(
    name: str, model: PreTrainedModel, work: Work, groups: Groups, settings: CausalSettings,
    minutes: float | None = None,
) -> Row:  # fmt: skip
    """Perplexity over the held-out texts; also told at once on stderr."""
    parameters = sum(weight.numel() for weight in model.parameters())
    found = Row(name, groups, parameters, perplexity(model, work.test, settings.batch_size), minutes)
    print(f"{name} {_written(groups)}: perplexity {found.perplexity:.2f}", file=sys.stderr, flush=True)
    return found


def random_groups(groups: Groups, sharing: SharingSettings, layers: int, count: int, seed: int) -> list[Groups]:
    """Up to `count` other groupings of the same sizes, drawn by the seed."""
    sizes = [len(group) for group in groups]
    inner = [one for one in placements(sizes, sharing.free_first, layers - sharing.free_last) if one != groups]
    others = inner if len(inner) >= count else [one for one in placements(sizes, 0, layers) if one != groups]
    return [others[place] for place in np.random.default_rng(seed).permutation(len(others))[:count]]


def placements(sizes: Sequence[int], start: int, end: int) -> list[Groups]:
    """Every grouping of the layers start..end − 1 that has groups of these sizes, in any order."""
    if not sizes:
        return [()]
    found = set()
    for place, size in enumerate(sizes):
        rest = [*sizes[:place], *sizes[place + 1 :]]
        for first in range(start, end - sum(sizes) + 1):
            group = tuple(range(first, first + size))
            found.update((group, *others) for others in placements(rest, first + size, end))
    return sorted(found)


def quality_table(rows: Sequence[Row]) -> str:
    """A line a model; × is perplexity over that of the first."""
    lines = [
        "| model | groups | parameters | perplexity | × | minutes |",
        "| :--- | :--- | ---: | ---: | ---: | ---: |",
    ]
    for one in rows:
        minutes = "–" if one.minutes is None else f"{one.minutes:.1f}"
        lines.append(
            f"| {one.name} | {_written(one.groups) or '–'} | {one.parameters:,} | {one.perplexity:.2f} "
            f"| {one.perplexity / rows[0].perplexity:.3f} | {minutes} |"
        )
    return "\n".join(lines)


def similarity_table(found: AttentionSimilarity, groups: Groups) -> str:
    """Cosines of the layers' maps, and the least of two layers of one group."""
    layers = range(len(found.layers))
    lines = [f"| map | {' | '.join(map(str, layers))} |", f"| ---: |{' ---: |' * len(layers)}"]
    lines += [f"| {one} | {' | '.join(f'{value:.2f}' for value in found.layers[one])} |" for one in layers]
    least = min(float(found.layers[np.ix_(group, group)].min()) for group in groups)
    return "\n".join([*lines, "", f"No two layers of a group are below {least:.3f}."])


def _written(groups: Groups) -> str:
    return ", ".join("–".join(map(str, (group[0], group[-1]))) for group in groups)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder that holds wordnet and flickr8k")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=256, help=f"width; divisible by {2 * HEADS}")
    parser.add_argument("--vocabulary", type=int, default=4096, help="tokens")
    parser.add_argument("--length", type=int, default=128, help="tokens a block")
    parser.add_argument("--batch", type=int, default=8, help="blocks a step")
    parser.add_argument("--steps", type=int, default=560, help="of the first training")
    parser.add_argument("--stage-steps", type=int, default=160, help="of each later one")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="peak, of the first training")
    parser.add_argument("--stage-rate", type=float, default=1e-3, help="peak, of the later ones")
    parser.add_argument("--hard", type=float, default=PseudoWeights().hard, help="weight of stage 1's hard labels")
    parser.add_argument("--save", type=float, default=0.04, help="least share of the parameters that sharing saves")
    parser.add_argument("--random", type=int, default=3, help="random groupings")
    parser.add_argument("--held-out", type=int, default=800, help="definitions, and as many captions")
    parser.add_argument("--rounds", type=int, default=5, help="that count; one more is run first and thrown away")
    parser.add_argument("--new-tokens", type=int, default=96, help="generated a prompt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=usable_cores(), help="default: all cores")
    return parser


if __name__ == "__main__":
    main()
