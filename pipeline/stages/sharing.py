"""What stages state of shared attention maps: in their fingerprints, in the report, and to the reader of a run."""

from __future__ import annotations

from pathlib import Path

from decant.models.shared_config import read_config, shared_attention
from students.sharing.grouping import Groups, kept_groups
from students.sharing.sharing_settings import SharingSettings


def sharing_inputs(settings: SharingSettings | None) -> dict[str, object]:
    """What they add to a fingerprint: nothing where no map is shared, so that other runs keep theirs."""
    return {} if settings is None else {"sharing": settings.model_dump(mode="json")}


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
