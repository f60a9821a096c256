"""Marks of tests that need the extra `bnb`."""

from importlib.util import find_spec

import pytest


def _without(*packages: str) -> pytest.MarkDecorator:
    absent = [name for name in packages if find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"{', '.join(absent)} not installed: pip install 'decant[bnb]'")


needs_bitsandbytes = _without("bitsandbytes", "accelerate")
needs_peft = _without("peft", "accelerate")
