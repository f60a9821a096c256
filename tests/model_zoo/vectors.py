"""The reference: what sentence-transformers itself makes of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer


def vectors(folder: Path, texts: Sequence[str], **encode_settings: Any) -> NDArray[np.float32]:
    """Vectors by `encode` (or, with `task="query"` or `"document"`, by `encode_query` or `encode_document`).

    Returns:
        float32 [texts, numbers a vector], on the CPU, as the folder says: normalized only if it normalizes.
    """
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    task = encode_settings.pop("task", None)
    encode = {None: model.encode, "query": model.encode_query, "document": model.encode_document}[task]
    made = encode(list(texts), show_progress_bar=False, convert_to_tensor=True, **encode_settings)
    return made.float().numpy()
