"""The door to Decant, and the ground that every package stands on.

What a Python user imports is named here and loaded when it is first used, so that `import decant` costs nothing. The
packages above are named as strings, since nothing of the ground may import them; their types stand in `__init__.pyi`.
"""

from __future__ import annotations

import importlib
from typing import Any

DOOR = {
    "Encoder": "export.serve.artifact_models",
    "Reranker": "export.serve.artifact_models",
    "Report": "pipeline.report.rows",
    "load_recipe": "pipeline.door",
    "run": "pipeline.door",
}
__all__ = ["Encoder", "Report", "Reranker", "load_recipe", "run"]  # noqa: F822


def __getattr__(name: str) -> Any:
    if name not in DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(DOOR[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
