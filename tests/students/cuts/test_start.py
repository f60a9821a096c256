from __future__ import annotations

import copy

import numpy as np
import pytest

from decant.errors import InputError
from decant.models.shared_config import shared_attention
from students.cuts.start import grouped, shared, shrink, shrunk_shape
from students.sharing.match_heads import match_heads
from students.sharing.share_maps import share_attention
from students.sharing.sharing_settings import SharingSettings
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


MANY = [f"{text} {number}" for number in range(60) for text in TEXTS]
ANY_PAIR = SharingSettings(threshold=-1, free_first=0, free_last=0, longest=2)


def test_written_groups_are_those_of_the_kept_layers() -> None:
    encoder = tiny_encoder()
    own_order = SharingSettings(groups=((1, 2),), match_heads=False, head_scale=True)
    small = shrink(encoder, (0, 2, 3), 10, TEXTS, seed=0, sharing=own_order)
    assert shared_attention(small.backbone.config).groups == ((1, 2),)
    weights = small.backbone.state_dict()
    assert weights["encoder.layer.2.intermediate.dense.weight"].shape == (10, 32)
    assert "encoder.layer.2.attention.self.query.weight" not in weights
    own = encoder.backbone.state_dict()["encoder.layer.3.attention.self.value.weight"]
    np.testing.assert_array_equal(weights["encoder.layer.2.attention.self.value.weight"], own)
    assert weights["encoder.layer.2.attention.self.head_scale"].tolist() == [1, 1, 1, 1]
    shape = shrunk_shape(encoder, (0, 2, 3), 10, own_order)
    assert {name: one.shape for name, one in shape.backbone.state_dict().items()} == {
        name: one.shape for name, one in weights.items()
    }


def test_chosen_groups_are_the_same_for_a_seed_and_share_what_is_alike() -> None:
    encoder = tiny_encoder().train()
    groups, found = grouped(encoder.backbone, encoder.tokenizer, encoder.max_length, ANY_PAIR, MANY, seed=0)
    assert groups == ((0, 1), (2, 3))
    assert encoder.training
    shrunk = shrink(encoder, (), None, MANY, seed=0, sharing=ANY_PAIR)
    expected = copy.deepcopy(encoder)
    match_heads(expected.backbone, groups, found.products)
    expected = share_attention(expected, groups)
    np.testing.assert_array_equal(shrunk.encode(TEXTS), expected.encode(TEXTS))
    assert shrunk_shape(encoder, (), None, ANY_PAIR) is encoder


def test_layers_that_are_not_alike_are_not_shared_silently() -> None:
    with pytest.raises(InputError, match=r"the most alike that may are \d and \d at 0\.\d+, and threshold is 0.9999"):
        shared(tiny_encoder(), SharingSettings(threshold=0.9999), MANY, seed=0)
    with pytest.raises(InputError, match="sharing cannot save 90 % of parameters"):
        shared(tiny_encoder(), SharingSettings(save=0.9), MANY, seed=0)
    with pytest.raises(InputError, match="all texts together have fewer than 128 tokens"):
        shared(tiny_encoder(), ANY_PAIR, TEXTS, seed=0)
