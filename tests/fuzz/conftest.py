"""The targets, built once; nothing of them goes over the network or into the user's cache."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.every_target import every_target
from tests.fuzz.target import Target, apart


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    """All of them, by name."""
    return every_target(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module", autouse=True)
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with apart(tmp_path_factory.mktemp("cache")):
        yield
