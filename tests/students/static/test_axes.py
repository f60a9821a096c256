"""Turned vectors have the cosines that they had, and their first numbers tell most."""

import numpy as np

from students.static.axes import TurnedVectors, principal_axes


class _Held:
    dim = 8

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        found = generator.normal(size=(300, 8)) * np.linspace(0.1, 2, 8)
        self.found = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.found)

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.found[rows]


def test_cosines_stay_and_the_first_numbers_are_the_longest() -> None:
    vectors = _Held()
    axes = principal_axes(vectors, seed=0)
    rows = np.arange(len(vectors))
    whole, turned = vectors.take(rows), TurnedVectors(vectors, axes).take(rows)
    np.testing.assert_allclose(turned @ turned.T, whole @ whole.T, atol=1e-5)
    lengths = np.square(turned).mean(0)
    assert (np.diff(lengths) <= 1e-7).all()
    np.testing.assert_allclose(lengths, np.linalg.svd(whole, compute_uv=False) ** 2 / len(whole), rtol=1e-4)
