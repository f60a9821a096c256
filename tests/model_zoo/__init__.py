"""Tiny random embedding models of every kind that sentence-transformers saves, each saved by it.

It is a reference that knows nothing of Decant: none of Decant's packages is imported here. `KINDS` are folders whose
vectors a reader must give exactly as `vectors` does; `REFUSED` are folders that it must refuse, and in which words.
"""

from tests.model_zoo.families import KINDS as FAMILIES
from tests.model_zoo.kind import Kind, Refused
from tests.model_zoo.texts import TEXTS
from tests.model_zoo.vectors import vectors

KINDS: tuple[Kind, ...] = FAMILIES
REFUSED: tuple[Refused, ...] = ()

__all__ = ["KINDS", "REFUSED", "TEXTS", "Kind", "Refused", "vectors"]
