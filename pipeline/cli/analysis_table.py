"""What `decant analyse` shows and writes of an analysis: a table, sentences, JSON, a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decant.table import MISSING, Column, Table, line, number_columns
from pipeline.measure.analyse import Analysis
from pipeline.report.figures import parameters, share
from students.sharing.attention_similarity import AttentionSimilarity
from students.sharing.choose_groups import nearest_pair
from students.sharing.sharing_settings import THRESHOLD

DECIMALS = 4


def analysis_table(found: Analysis) -> Table:
    """A row a layer: how alike its maps are to those of the layer before, what it does to the states, whose map."""
    similarity, several_kinds = found.similarity, len(set(found.similarity.kinds)) > 1
    groups = {number: group for group in found.groups for number in group}
    kinds = (Column("kind"),) if several_kinds else ()
    figures = number_columns("attention", "matched", "by head", "states")
    lines = []
    for number, states in enumerate(similarity.states):
        kind = [similarity.kinds[number].removesuffix("_attention")] if several_kinds else []
        group = groups.get(number)
        taken = "its own" if group is None or number == group[0] else f"that of {group[0]}"
        lines.append(line(str(number), *kind, *_to_the_one_before(similarity, number), f"{states:.3f}", taken))
    return Table((Column("layer", numeric=True), *kinds, *figures, Column("map")), tuple(lines))


def analysis_lines(found: Analysis) -> list[str]:
    """What the table says in sentences: the groups, what they save, and the layers that do least."""
    cost, length, groups = found.cost, found.length, found.groups
    kind = "causal" if found.similarity.causal else "bidirectional"
    said = [
        f"Mean cosines over {found.inputs:,} inputs of {length} tokens, {kind}. Attention: a layer's maps with those "
        "of the layer before, all heads together; matched: with its heads in the order that fits best, that of "
        "match_heads; by head, in their own order: the least and the most alike. States: a token's, before "
        "and after the layer."
    ]
    if groups:
        followers = sum(len(group) - 1 for group in groups)
        saved = cost.saved_parameters(groups)
        said += [
            f"groups: {json.dumps(groups)}  (no two layers of a group below {lowest(found):.3f})",
            f"They leave {len(cost.layers) - followers} of {len(cost.layers)} maps to compute and save "
            f"{parameters(saved)} of {parameters(cost.parameters)} parameters "
            f"({share(cost.saved(groups, 'parameters', length))}) and {share(cost.saved(groups, 'flops', length))} "
            f"of the layers' FLOPs at {length} tokens.",
        ]
    else:
        threshold = found.settings.threshold if found.settings.threshold is not None else THRESHOLD
        said.append(f"No group: {_nearest(found)}, and --threshold is {threshold:g}.")
    order = np.argsort(-found.similarity.states, kind="stable")[:3]
    told = ", ".join(f"{number} ({found.similarity.states[number]:.3f})" for number in order)
    said.append(f"Layers that change the token states least, which a cut may drop first: {told}.")
    return said


def lowest(found: Analysis) -> float:
    """The least cosine of two layers of one group."""
    layers = found.similarity.layers
    return min(float(layers[np.ix_(group, group)].min()) for group in found.groups)


def analysis_json(found: Analysis) -> dict[str, Any]:
    """All of it; matrices as nested lists, cosines with four decimals, shares as fractions."""
    similarity, cost, groups = found.similarity, found.cost, found.groups
    return {
        "model": found.model,
        "texts": found.texts,
        "inputs": found.inputs,
        "length": found.length,
        "causal": similarity.causal,
        "kinds": list(similarity.kinds),
        "attention": _nested(similarity.layers),
        "attention_matched": _nested(similarity.matched),
        "attention_heads": _nested(similarity.heads),
        "states": _nested(similarity.states),
        "sharing": found.settings.model_dump(
            mode="json", exclude={"groups", "head_scale", "match_heads"}, exclude_none=True
        ),
        "groups": [list(group) for group in groups],
        "saved_parameters": cost.saved_parameters(groups),
        "saved_of_parameters": cost.saved(groups, "parameters", found.length),
        "saved_of_flops": cost.saved(groups, "flops", found.length),
    }


def write_analysis(found: Analysis, out: Path) -> None:
    """Write attention.json and attention.png into a folder, made where it is not there."""
    from pipeline.report.attention_plot import attention_heat_map
    from pipeline.report.plot_theme import png

    picture = png(attention_heat_map(found.similarity.layers, found.similarity.heads, found.groups))
    out.mkdir(parents=True, exist_ok=True)
    (out / "attention.json").write_text(json.dumps(analysis_json(found)) + "\n", encoding="utf-8")
    (out / "attention.png").write_bytes(picture)


def _to_the_one_before(similarity: AttentionSimilarity, number: int) -> tuple[str, ...]:
    if number == 0:
        return (MISSING,) * 3
    heads = similarity.heads[:, number - 1, number]
    every = [f"{one[number - 1, number]:.3f}" for one in (similarity.layers, similarity.matched)]
    return *every, f"{heads.min():.2f} to {heads.max():.2f}"


def _nearest(found: Analysis) -> str:
    """The two neighbours that come nearest to a group, in words."""
    pair = nearest_pair(found.similarity.layers, found.settings, found.similarity.kinds)
    if pair is None:
        return "no two neighbouring layers are free to share"
    value, first = pair
    return f"the most alike neighbours that may share are {first} and {first + 1} at {value:.3f}"


def _nested(values: NDArray[np.float32]) -> Any:
    return values.astype(np.float64).round(DECIMALS).tolist()
