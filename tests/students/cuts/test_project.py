from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from decant.errors import InputError
from students.cuts.project import pca_projection, project


def anisotropic(texts: int = 300, width: int = 24, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors around a common direction, spread along random axes of falling strength."""
    generator = np.random.default_rng(seed)
    rotation = np.linalg.qr(np.random.default_rng(9).normal(size=(width, width)))[0]
    vectors = (
        generator.normal(size=(texts, width)) * 0.8 ** np.arange(width) + np.r_[1.0, np.zeros(width - 1)]
    ) @ rotation
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("dim", [1, 4, 12, 23])
def test_axes_hold_more_of_the_similarities_than_the_first_dims(dim: int) -> None:
    vectors, unseen = anisotropic(), anisotropic(seed=1)
    projection = pca_projection(vectors, dim)
    for one in (vectors, unseen):
        gram = one @ one.T
        on_axes, on_first = one @ projection, one[:, :dim]
        assert np.linalg.norm(gram - on_axes @ on_axes.T) < np.linalg.norm(gram - on_first @ on_first.T)
    if dim > 1:  # of one dim, a cosine is only a sign
        pairs = np.triu_indices(len(unseen), 1)
        cosines = [
            (one @ one.T)[pairs]
            for one in (unseen, project(unseen, projection), project(unseen, np.eye(24, dim, dtype=np.float32)))
        ]
        assert np.corrcoef(cosines[0], cosines[1])[0, 1] > np.corrcoef(cosines[0], cosines[2])[0, 1]


def test_error_is_that_of_eckart_and_young() -> None:
    vectors = anisotropic()
    projected = vectors @ pca_projection(vectors, 6)
    singular = np.linalg.svd(vectors.astype(np.float64), compute_uv=False)
    error = np.linalg.norm(vectors @ vectors.T - projected @ projected.T)
    assert error == pytest.approx(np.sqrt((singular[6:] ** 4).sum()), rel=1e-4)


def test_axes_are_those_of_a_truncated_svd() -> None:
    vectors = anisotropic()
    axes = TruncatedSVD(5, algorithm="arpack", random_state=0).fit(vectors).components_.T
    projection = pca_projection(vectors, 5)
    assert projection.dtype == np.float32
    np.testing.assert_allclose(np.abs((axes * projection).sum(axis=0)), 1, atol=1e-5)
    np.testing.assert_allclose(projection.T @ projection, np.eye(5), atol=1e-6)
    assert (projection[np.abs(projection).argmax(axis=0), np.arange(5)] > 0).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = anisotropic()
    whole = pca_projection(vectors, 5)
    monkeypatch.setattr("students.cuts.project.BLOCK_ROWS", 7)
    np.testing.assert_allclose(pca_projection(vectors, 5), whole, atol=1e-6)


def test_every_axis_keeps_every_cosine() -> None:
    vectors = anisotropic()
    rotated = project(vectors, pca_projection(vectors, 24))
    np.testing.assert_allclose(rotated @ rotated.T, vectors @ vectors.T, atol=1e-5)


def test_projected_vectors_are_unit_by_hand() -> None:
    vectors = np.array([[3, 4, 5], [0, 0, 1]], np.float32)
    np.testing.assert_allclose(project(vectors, np.eye(3, 2, dtype=np.float32)), [[0.6, 0.8], [0, 0]], atol=1e-6)
    assert project(vectors, np.eye(3, 2, dtype=np.float32)).dtype == np.float32


def test_bad_requests_are_named() -> None:
    vectors = anisotropic(10)
    for dim in (0, 11):
        with pytest.raises(InputError, match=rf"dim {dim} is outside 1\.\.10, what 10 vectors of 24 can give"):
            pca_projection(vectors, dim)
    with pytest.raises(InputError, match=r"dim 25 is outside 1\.\.24"):
        pca_projection(anisotropic(), 25)
    with pytest.raises(InputError, match=r"shape \(24,\)"):
        pca_projection(vectors[0], 1)
    vectors[3, 2] = np.nan
    with pytest.raises(InputError, match="NaN or infinity, first in row 3"):
        pca_projection(vectors, 2)
    with pytest.raises(InputError, match="vectors are 24 wide, but the projection takes 8"):
        project(anisotropic(), np.eye(8, 2, dtype=np.float32))
