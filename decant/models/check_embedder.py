"""Whether an embedding model's folder can be followed, told by its files alone: no weight of its layers is read."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModel, PreTrainedModel

from decant.errors import InputError, one_line
from decant.models.backbone import check_token_types, class_of, layer_list, load_tokenizer, max_tokens
from decant.models.encoder import check_transformer
from decant.models.families import FAMILIES
from decant.models.layout import Chain, Layout, read_layout
from decant.models.parts import out_width
from decant.models.pooling import pooled_width
from decant.models.pooling_kind import PoolingKind
from decant.models.reference import config_folder, stored_shapes
from decant.models.shared_config import read_config
from decant.models.static_encoder import StaticEncoder
from decant.models.tail import Tail


def check_embedder(folder: Path) -> Layout:
    """Refuse a folder that cannot teach.

    Its files are read, its tokenizer is loaded, and its layers are made on the meta device, where they take no memory.

    Raises:
        InputError: names what is not followed, and what would be.
    """
    layout = read_layout(folder)
    for chain in layout.chains.values():
        if chain.body.kind == "static":
            StaticEncoder.load(layout, chain)
        else:
            _check_chain(chain)
    return layout


def check_start(folder: Path) -> Layout:
    """Refuse a folder that no student can start from.

    Raises:
        InputError: as `check_embedder`; or it has several roads, no layers, or layers that cannot be exported.
    """
    layout = check_embedder(folder)
    chain = layout.chain
    check_transformer(layout)
    kind = str(read_config(chain.body.folder).model_type)
    if not FAMILIES[kind].learns:
        able = ", ".join(name for name, family in FAMILIES.items() if family.learns)
        raise InputError(f"{folder}: no student can start from a {kind!r} model: {FAMILIES[kind].why_not}; {able} can")
    return layout


def encoder_size(folder: Path, pooling: PoolingKind | None = None) -> tuple[int, int]:
    """Layers, and the width of the vector, as the folder's files state them.

    Args:
        pooling: in place of the folder's own.

    Raises:
        InputError: they state neither, or parts that do not fit each other.
    """
    layout = read_layout(folder)
    chain = layout.chain
    if chain.body.kind == "static":
        return 0, StaticEncoder.load(layout, chain).dim
    config = read_config(chain.body.folder)
    try:
        layers, hidden = int(config.num_hidden_layers), int(config.hidden_size)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: the model cannot be loaded ({type(error).__name__}: {one_line(error)})") from error
    kept = pooling is None or pooling == chain.pooling
    width = pooled_width(out_width(chain.before, hidden) if kept else hidden, pooling or chain.pooling)
    return layers, out_width(chain.after, width) if kept else width


def vector_width(folder: Path) -> int:
    """Numbers of a vector of the model in a folder, of one road or several.

    Raises:
        InputError: as `check_embedder`.
    """
    layout = read_layout(folder)
    chain = next(iter(layout.chains.values()))
    if chain.body.kind == "static":
        return StaticEncoder.load(layout, chain).dim
    hidden = int(read_config(chain.body.folder).hidden_size)
    return layout.dim or out_width(chain.after, pooled_width(out_width(chain.before, hidden), chain.pooling))


def _check_layers_stored(folder: Path, model: PreTrainedModel) -> None:
    """Refuse weights that hold nothing of one of the layers, by the names in their headers."""
    try:
        layers = layer_list(model)[1]
    except InputError:
        return  # its layers share their weights
    # by their number alone: families are stored under other names than those that transformers gives them
    parts = {part for name in stored_shapes(config_folder(folder)) for part in name.split(".")}
    absent = [number for number in range(len(layers)) if str(number) not in parts]
    if absent:
        raise InputError(
            f"{folder}: the weights of layer {absent[0]} of {len(layers)} are missing; copy the model again, or mend "
            "config.json"
        )


def _check_chain(chain: Chain) -> None:
    folder = chain.body.folder
    config = read_config(folder)
    try:
        with torch.device("meta"):
            model = class_of(folder, AutoModel, config)(config)
    except InputError:
        raise
    except Exception as error:  # a value of a config breaks whatever layer is made with it
        raise InputError(f"{folder}: the model cannot be made ({type(error).__name__}: {one_line(error)})") from error
    _check_layers_stored(folder, model)
    tokenizer = load_tokenizer(folder)
    check_token_types(folder, tokenizer)
    max_tokens(folder, tokenizer)
    width = pooled_width(out_width(chain.before, int(config.hidden_size)), chain.pooling)
    out_width(chain.after, width)
    Tail.load([*chain.before, *chain.after])
