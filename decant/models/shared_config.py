"""How a model whose layers share attention maps is stored: a model type of its own, which plain loaders do not know.

Under its family's type such a folder would load, with random weights in place of the queries and keys that it lacks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from decant.errors import InputError, one_line
from decant.files import read_object
from decant.models.folder_files import CONFIG
from decant.models.layout import body_folder, config_options
from decant.models.reference import config_folder
from decant.models.table_folder import is_static

if TYPE_CHECKING:  # a folder's own words are read without it, and it takes a second
    from transformers import PreTrainedConfig

PREFIX = "decant-shared-"
KEY = "shared_attention"


class SharedAttention(BaseModel, frozen=True, extra="forbid"):
    """Which layers share a map; the value of `shared_attention` in a config."""

    groups: tuple[tuple[int, ...], ...] = Field(default=(), description="0-based layers of each group, anchor first")
    head_scale: bool = Field(default=False, description="whether each follower scales the reused map, per head")


def shared_attention(config: PreTrainedConfig) -> SharedAttention:
    """What the config says; no group where it says nothing.

    Raises:
        ValueError: it says something else than `SharedAttention` holds.
    """
    return SharedAttention.model_validate(getattr(config, KEY, None) or {})


def state_sharing(config: PreTrainedConfig, sharing: SharedAttention) -> None:
    """Write into the config which layers share a map; nothing where none do."""
    if sharing.groups:
        setattr(config, KEY, sharing.model_dump(mode="json"))
    elif hasattr(config, KEY):
        delattr(config, KEY)


def read_config(folder: Path, **options: object) -> PreTrainedConfig:
    """The config of a model folder, one of our own type as that of its family.

    Args:
        options: fields to set, such as `num_labels`.

    Raises:
        InputError: it is of no known kind of model, or a value in it is impossible.
    """
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from decant.models.static_backbone import StaticConfig

    options = config_options(body_folder(folder)) | options
    folder = config_folder(folder)
    stated = read_object(folder / CONFIG)
    kind = str(stated.get("model_type"))
    try:
        if is_static(stated):
            return StaticConfig(int(stated.get("vocab_size", 1)), int(stated["hidden_dim"]))
        if not kind.startswith(PREFIX):
            return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
        stated["model_type"] = kind.removeprefix(PREFIX)
        return CONFIG_MAPPING[stated["model_type"]].from_dict(stated, **options)
    except Exception as error:  # a value of the wrong kind breaks whatever reads it first
        raise InputError(f"{folder}: the model cannot be loaded ({type(error).__name__}: {one_line(error)})") from error


def is_shared(folder: Path) -> bool:
    """Whether the folder's config is of our own type, which plain loaders refuse."""
    path = config_folder(folder) / CONFIG
    stated = read_object(path) if path.is_file() else {}  # a table of token vectors has none
    return str(stated.get("model_type")).startswith(PREFIX)


def family_config(config: dict[str, Any]) -> dict[str, Any]:
    """config.json under its family's type, for folders of a graph without weights that could be loaded wrongly."""
    stated = {key: value for key, value in config.items() if key != KEY}
    return stated | {"model_type": str(config.get("model_type")).removeprefix(PREFIX)}
