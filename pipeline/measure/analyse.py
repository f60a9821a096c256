"""How alike a model's layers attend, which of them could share a map, and what that would save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoModel

from decant.errors import InputError
from decant.models.backbone import load_backbone, load_tokenizer, max_tokens
from decant.models.reference import resolve_model
from decant.progress import Watch
from pipeline.texts.quoting import Quoting
from pipeline.texts.sentences import SentenceSource, load_sentences
from students.sharing.attention_similarity import AttentionSimilarity, attention_similarity, full_inputs
from students.sharing.choose_groups import choose_groups
from students.sharing.grouping import Groups
from students.sharing.layer_costs import ModelCost, model_cost
from students.sharing.sharing_settings import SharingSettings


@dataclass(frozen=True)
class Analysis:
    """What was found of a model; layers are counted from 0."""

    model: str
    texts: str
    inputs: int
    length: int
    similarity: AttentionSimilarity
    settings: SharingSettings
    groups: Groups
    cost: ModelCost


def analyse(
    model: str, texts: Path, columns: Sequence[str], length: int, limit: int, settings: SharingSettings, watch: Watch,
    quoting: Quoting | None = None,
) -> Analysis:  # fmt: skip
    """Run a model on inputs of full length, compare its layers, and choose groups.

    Args:
        model: a model reference.
        texts: file of texts.
        columns: whose texts are read, from a file that has any.
        length: tokens of an input.
        limit: most inputs.
        settings: how groups are chosen.
        watch: shows how far it is.
        quoting: of the texts' file; default: found out.

    Raises:
        InputError: the model or the texts cannot be used, the length is none the model can take, or so much cannot
            be saved.
    """
    folder = resolve_model(model)
    tokenizer = load_tokenizer(folder, pads=False)
    most = max_tokens(folder, tokenizer)
    if not 2 < length <= most:
        raise InputError(f"--length {length} is outside 3..{most}, what {folder} can take")
    source = SentenceSource(path=str(texts), columns=tuple(columns), quoting=quoting)
    read = load_sentences([source], Path(), {"empty": "drop"}).texts
    try:
        inputs = full_inputs(read, tokenizer, length, limit)
    except InputError as error:
        raise InputError(f"{texts}: {error}") from error
    backbone = load_backbone(folder, AutoModel)
    with watch("inputs", len(inputs)) as advance:
        found = attention_similarity(backbone, inputs, progress=advance)
    cost = model_cost(backbone)
    groups = choose_groups(found.layers, settings, cost, found.kinds, length)
    return Analysis(model, str(texts), len(inputs), length, found, settings, groups, cost)
