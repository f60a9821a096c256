from __future__ import annotations

import numpy as np
import pytest

from students.start import shrink, shrunk_shape
from teachers.errors import InputError
from tests.tiny_models import tiny_encoder

TEXTS = ["a dog runs", "the big cat sleeps", "water in a river", "play a red guitar"]


def test_nothing_asked_for_changes_nothing() -> None:
    encoder = tiny_encoder()
    assert shrink(encoder, (), None, TEXTS, seed=0) is encoder


def test_chosen_layers_with_narrow_ffns() -> None:
    encoder = tiny_encoder(num_hidden_layers=3)
    small = shrink(encoder, (0, 2), 10, TEXTS, seed=0)
    assert small.layers == 2
    weights = small.backbone.state_dict()
    assert weights["encoder.layer.1.intermediate.dense.weight"].shape == (10, 32)
    own = encoder.backbone.state_dict()["encoder.layer.2.attention.self.query.weight"]
    np.testing.assert_array_equal(weights["encoder.layer.1.attention.self.query.weight"], own)
    again = shrink(encoder, (0, 2), 10, TEXTS, seed=0)
    np.testing.assert_array_equal(small.encode(TEXTS), again.encode(TEXTS))


def test_the_shape_is_found_without_texts() -> None:
    encoder = tiny_encoder(num_hidden_layers=3)
    assert shrunk_shape(encoder, (), None) is encoder
    expected = {name: weight.shape for name, weight in shrink(encoder, (0, 2), 10, TEXTS, seed=0).state_dict().items()}
    found = {name: weight.shape for name, weight in shrunk_shape(encoder, (0, 2), 10).state_dict().items()}
    assert found == expected


def test_refuses_what_is_not_there() -> None:
    with pytest.raises(InputError, match=r"keep layers \[0, 9\]"):
        shrink(tiny_encoder(), (0, 9), None, TEXTS, seed=0)
    with pytest.raises(InputError, match="FFN width 9999 is outside"):
        shrink(tiny_encoder(), (), 9999, TEXTS, seed=0)
