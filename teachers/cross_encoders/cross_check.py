"""Whether a folder is a cross-encoder that Decant reads rightly, found without reading its weights.

A model on the meta device, which has shapes but no numbers, is asked what the real one is asked when it is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from decant.errors import InputError, one_line
from decant.models.backbone import quiet_transformers
from decant.models.quantized import QUANTIZE, require_packages, stored_kind
from decant.models.reference import stored_shapes
from decant.models.shared_config import read_config
from teachers.cross_encoders.cross_folder import CrossFolder, read_cross_folder
from teachers.cross_encoders.cross_head import output_layer
from teachers.cross_encoders.cross_reading import (
    Classes,
    check_kind,
    pair_length,
    pair_tokenizer,
    start_tokenizer,
    stated_length,
    statements,
)


def check_cross_encoder(
    folder: Path, outputs: Sequence[int], max_length: int | None = None, classes: Classes | None = None
) -> None:
    """Refuse what `CrossEncoder.load` would refuse, whose arguments these are, without reading weights.

    Raises:
        InputError: it would.
    """
    order, said = statements(folder, outputs, classes)
    if stored_kind(folder) is not None:
        require_packages(f"{folder}: loading quantized weights", *QUANTIZE)
    model = _skeleton(folder)
    if order is not None and order != tuple(range(len(order))):
        output_layer(model)
    _check_head_is_there(folder, model)
    pair_length(folder, model, pair_tokenizer(folder, model, said), said, max_length)


def check_fine_tunable(folder: Path, outputs: int, max_length: int | None = None) -> None:
    """Refuse what `CrossEncoder.from_backbone` would refuse, without reading weights.

    Raises:
        InputError: it would.
    """
    if stored_kind(folder) is not None:
        raise InputError(
            f"{folder}: its weights are quantized already, so they cannot be trained; give the model it was made from"
        )
    model = _skeleton(folder, num_labels=outputs)
    _check_no_other_head(folder, model)
    pair_length(folder, model, start_tokenizer(folder), CrossFolder(), max_length)


def own_length(folder: Path) -> int | None:
    """The most tokens of a pair by what a cross-encoder's folder says; None where it says nothing."""
    model, said = _skeleton(folder), read_cross_folder(folder)
    return stated_length(folder, model, pair_tokenizer(folder, model, said), said)


def _skeleton(folder: Path, **options: object) -> PreTrainedModel:
    """The model of a folder with its head, without numbers."""
    with quiet_transformers():
        config = read_config(folder, **options)
    try:
        with torch.device("meta"), quiet_transformers():
            model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    except Exception as error:  # a kind of model without such a head, or values that no layer can be made with
        raise InputError(f"{folder}: the model cannot be loaded ({type(error).__name__}: {one_line(error)})") from error
    check_kind(folder, model)
    return model


def _check_head_is_there(folder: Path, model: PreTrainedModel) -> None:
    body, stored = f"{model.base_model_prefix}.", stored_shapes(folder)
    wanted = [name for name in model.state_dict() if not name.startswith(body) or ".pooler." in name]
    missing = [name for name in wanted if not {name, name.removeprefix(body)} & stored.keys()]
    if missing:
        raise InputError(f"{folder}: {len(missing)} weights of the model are not in its file, such as {missing[0]!r}")


def _check_no_other_head(folder: Path, model: PreTrainedModel) -> None:
    stored = stored_shapes(folder)
    for name, weight in model.state_dict().items():
        shape = stored.get(name, list(weight.shape))
        if not name.startswith(f"{model.base_model_prefix}.") and shape != list(weight.shape):
            raise InputError(
                f"{folder} has a trained head of {shape[0]} outputs, but the task needs {weight.shape[0]}; give the "
                "encoder that it was made from"
            )
