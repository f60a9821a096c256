"""A reader under fire: what is given to it, what is done with that, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis.strategies import SearchStrategy


@contextmanager
def apart(cache: Path) -> Iterator[None]:
    """Have no model looked for on the hub, and what `datasets` keeps of files kept here."""
    with patch("huggingface_hub.snapshot_download", side_effect=OSError("no network here")):
        with patch.object(datasets.config, "HF_DATASETS_CACHE", str(cache)):
            yield


@dataclass(frozen=True)
class Target:
    """One reader.

    Args:
        name: for people.
        inputs: what it is given.
        use: gives one input to it; fails where the input is neither used nor refused in one line.
        kept: inputs that failed once, tried first.
        few: inputs in the default tests.
        weight: inputs a round of the long hunt: the cheaper, the more.
    """

    name: str
    inputs: SearchStrategy[Any]
    use: Callable[[Any], object]
    kept: Sequence[Any] = field(default=(), repr=False)
    few: int = 200
    weight: int = 200

    def hunt(self, count: int, begin: int = 0) -> int:
        """Give it this many inputs and those that are kept; returns how many it took.

        Args:
            count: inputs.
            begin: the seed that they are drawn from.
        """
        tried = 0

        @settings(
            max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink], report_multiple_bugs=False,
        )  # fmt: skip
        @given(self.inputs)
        def one(value: Any) -> None:
            nonlocal tried
            tried += 1
            self.use(value)

        for value in self.kept:
            one = example(value)(one)
        seed(begin)(one)()
        return tried
