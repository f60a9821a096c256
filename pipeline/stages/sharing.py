"""What stages say of shared attention maps: in the report, and to the reader of a run."""

from __future__ import annotations

from pathlib import Path

from decant.models.shared_config import read_config, shared_attention
from pipeline.run_dir import Finished
from students.sharing.grouping import Groups, kept_groups


def groups_of(folder: Path, layers: int | None = None) -> Groups:
    """The groups of the model in a folder, by its config alone.

    Args:
        layers: of its cut to so many; default: all.
    """
    config = read_config(folder)
    depth = int(config.num_hidden_layers) if layers is None else layers
    return kept_groups(shared_attention(config).groups, range(depth))


def said_groups(groups: Groups) -> str | None:
    """Groups as the report has them, such as `2–4 | 6–8`, layers from 0; None where no map is shared."""
    return " | ".join(f"{group[0]}–{group[-1]}" for group in groups) or None


def said_maps(model: Finished) -> str:
    """The same of the model in a stage's folder, behind a comma; empty where no map is shared."""
    groups = said_groups(groups_of(model.folder))
    return f", maps shared by layers {groups}" if groups else ""
