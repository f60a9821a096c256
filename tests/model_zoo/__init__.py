"""Tiny random embedding models of every kind that sentence-transformers saves, each saved by it.

It is a reference that knows nothing of Decant: none of Decant's packages is imported here. `KINDS` are folders whose
vectors a reader must give exactly as `vectors` does; `REFUSED` are folders that it must refuse, and in which words.
"""

from tests.model_zoo.families import KINDS as FAMILIES
from tests.model_zoo.heads import KINDS as HEADS
from tests.model_zoo.kind import Kind, Refused
from tests.model_zoo.layouts import KINDS as LAYOUTS
from tests.model_zoo.named import KINDS as NAMED
from tests.model_zoo.poolings import KINDS as POOLINGS
from tests.model_zoo.refused import REFUSED
from tests.model_zoo.settings import KINDS as SETTINGS
from tests.model_zoo.splitting import KINDS as SPLITTING
from tests.model_zoo.texts import TEXTS
from tests.model_zoo.vectors import vectors

KINDS: tuple[Kind, ...] = (*FAMILIES, *POOLINGS, *HEADS, *SETTINGS, *SPLITTING, *LAYOUTS, *NAMED)

__all__ = ["KINDS", "REFUSED", "TEXTS", "Kind", "Refused", "vectors"]
