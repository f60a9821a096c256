"""Models that are on this machine: in installed Python packages, and in the folder of DECANT_MODELS."""

from __future__ import annotations

import os
import re
from importlib.metadata import distributions
from pathlib import Path

MODELS_VARIABLE = "DECANT_MODELS"
WEIGHTS = re.compile(r"^([A-Za-z_]\w*)/((?:[\w.-]+/)*[\w.-]+)/model\.safetensors,", re.MULTILINE)


def installed_models() -> list[str]:
    """References of model folders that are here, those of packages first; in the order of their names."""
    found = set()
    for one in distributions():
        record = one.read_text("RECORD") or ""
        for package, folder in WEIGHTS.findall(record):
            if f"\n{package}/{folder}/config.json," in f"\n{record}":
                found.add(f"package:{package}/{folder}")
    models = os.environ.get(MODELS_VARIABLE)
    inside = sorted(Path(models).glob("*/config.json")) if models else []
    return [*sorted(found), *(path.parent.name for path in inside if (path.parent / "model.safetensors").is_file())]
