from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import AutoModel, LlamaConfig, PreTrainedModel

from students.cuts.start import shared
from students.sharing.attention_similarity import attention_similarity
from students.sharing.match_heads import head_order, match_heads, matched_similarity, query_repeats
from students.sharing.share_maps import share_backbone
from students.sharing.sharing_settings import SharingSettings
from tests.tiny_models import WORDS, tiny_backbone, tiny_encoder

IDS = np.random.default_rng(0).integers(5, 60, (3, 12))
GROUPS = [[1, 2], [3]]


def grouped_query_decoder() -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=4,
        intermediate_size=48, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    model: PreTrainedModel = AutoModel.from_config(config).eval()
    return model


def wide(kind: str) -> Callable[[], PreTrainedModel]:
    return lambda: tiny_backbone(kind, initializer_range=0.3)


@torch.inference_mode()
def states(model: PreTrainedModel) -> torch.Tensor:
    found: torch.Tensor = model(torch.from_numpy(IDS)).last_hidden_state
    return found


def test_the_best_order_by_hand() -> None:
    products = np.array([[0.1, 0.9, 0.2], [0.8, 0.85, 0.1], [0.3, 0.4, 0.5]])
    assert head_order(products).tolist() == [1, 0, 2]


def test_heads_that_read_the_same_keys_stay_together() -> None:
    products = np.zeros((4, 4))
    products[0, 3] = products[1, 2] = products[2, 1] = 1.0
    products[2, 3] = 2.5  # the best of all, but not with its neighbour
    assert head_order(products)[1:3].tolist() == [2, 3]
    assert head_order(products, repeats=2).tolist() == [3, 2, 1, 0]


MODELS = [pytest.param(wide(kind), id=kind) for kind in ("bert", "roberta", "electra", "distilbert", "modernbert")]


@pytest.mark.parametrize("make", [*MODELS, pytest.param(grouped_query_decoder, id="llama")])
def test_the_unshared_model_is_the_same_and_its_maps_fit_better(make: Callable[[], PreTrainedModel]) -> None:
    plain = make()
    found = attention_similarity(plain, IDS)
    pairs = [[first, first + 1] for first in range(len(found.layers) - 1)]
    # of random weights some layers' heads are in their best order already
    group = next(pair for pair in pairs if found.matched[*pair] > found.layers[*pair] + 1e-4)
    other = copy.deepcopy(plain)
    match_heads(other, [group], found.products)
    assert any(not torch.equal(one, two) for one, two in zip(plain.parameters(), other.parameters(), strict=True))
    torch.testing.assert_close(states(other), states(plain), atol=2e-5, rtol=0)
    again = attention_similarity(other, IDS).layers[group[0], group[1]]
    assert again == pytest.approx(found.matched[group[0], group[1]], abs=1e-5)
    assert again > found.layers[group[0], group[1]] + 1e-4


def test_the_order_that_heads_came_in_does_not_matter_any_more() -> None:
    plain = wide("bert")()
    shuffled = copy.deepcopy(plain)
    products = np.zeros((4, 4, 4, 4))
    products[1, 2][[0, 1, 2, 3], [2, 0, 3, 1]] = 1.0
    match_heads(shuffled, GROUPS, products)
    outputs = []
    for model in (plain, shuffled):
        match_heads(model, GROUPS, attention_similarity(model, IDS).products)
        outputs.append(states(share_backbone(model, GROUPS)))
    torch.testing.assert_close(*outputs, atol=2e-5, rtol=0)


def test_mpnets_values_follow_though_its_maps_have_biases_a_head() -> None:
    plain = wide("mpnet")()
    other = copy.deepcopy(plain)
    products = attention_similarity(plain, IDS).products
    match_heads(other, GROUPS, products)
    order = torch.from_numpy(head_order(products[1, 2]))
    before, after = (one.encoder.layer[2].attention.attn for one in (plain, other))
    width = before.v.weight.shape[0] // len(order)
    for place, head in enumerate(order):
        old, new = (slice(one * width, (one + 1) * width) for one in (head, place))
        assert torch.equal(after.v.weight[new], before.v.weight[old])
        assert torch.equal(after.v.bias[new], before.v.bias[old])
        assert torch.equal(after.o.weight[:, new], before.o.weight[:, old])


def test_no_order_is_better_than_the_matched_one() -> None:
    found = attention_similarity(wide("bert")(), IDS)
    np.testing.assert_allclose(np.diagonal(found.matched), 1, atol=1e-6)
    np.testing.assert_allclose(found.matched, found.matched.T)
    assert (found.matched >= found.layers - 1e-6).all()
    np.testing.assert_array_equal(found.matched, matched_similarity(found.products))
    generator = np.random.default_rng(0)
    tried = [found.products[0, 1][range(4), generator.permutation(4)].sum() for _ in range(50)]
    assert max(tried) == pytest.approx(found.matched[0, 1])
    assert query_repeats(grouped_query_decoder().config) == 2


def test_settings_say_whether_heads_are_matched() -> None:
    encoder = tiny_encoder(initializer_range=0.3)
    texts = [" ".join(np.random.default_rng(seed).choice(WORDS, 9)) for seed in range(80)]
    before = [weight.clone() for weight in encoder.parameters()]
    with_order, without = (
        shared(encoder, SharingSettings(groups=((1, 2),), match_heads=match), texts, 0) for match in (True, False)
    )
    assert not np.allclose(with_order.encode(["a cat"]), without.encode(["a cat"]), atol=1e-4)
    assert all(torch.equal(one, two) for one, two in zip(before, encoder.parameters(), strict=True))
