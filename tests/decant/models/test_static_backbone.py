"""A static encoder against embedding_bag, sentence-transformers and model2vec."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from decant.models.encoder import SentenceEncoder
from students.cuts.cut import cut
from students.nesting.exits import encode_exits
from tests.tiny_static import tiny_static

TEXTS = ["the cat sat", "a dog and a cat", "the the the", "dog zebra sat"]


def test_it_sums_rows_at_unit_length() -> None:
    encoder = tiny_static()
    table = encoder.backbone.embeddings.weight.detach()
    ids = encoder.tokenize(TEXTS)
    expected = np.stack([functional.normalize(table[row].sum(0), dim=0).numpy() for row in ids])
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-6)
    assert encoder.layers == 0
    assert encoder.depths == (0,)


def test_a_text_of_which_nothing_is_known_has_the_direction_of_the_whole_table() -> None:
    encoder = tiny_static()
    whole = functional.normalize(encoder.backbone.embeddings.weight.detach().sum(0), dim=0).numpy()
    found = encoder.encode(["", "zebra", "the cat"])
    np.testing.assert_allclose(found[:2], np.stack([whole, whole]), atol=1e-6)
    assert not np.allclose(found[2], whole)


def test_the_gradient_is_that_of_the_plain_lookup_and_holds_the_rows_of_the_batch() -> None:
    encoder = tiny_static()
    backbone = encoder.backbone
    backbone.learn_scales()
    with torch.no_grad():
        backbone.scales.copy_(torch.linspace(-1, 1, len(backbone.scales))[:, None])
    ids = torch.tensor([[4, 5, 0], [5, 6, 7]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    goal = torch.arange(2 * backbone.config.hidden_size).view(2, -1).float()
    (backbone.sums(ids, mask) * goal).sum().backward()
    table = backbone.embeddings.weight.detach().clone().requires_grad_()
    scales = backbone.scales.detach().clone().requires_grad_()
    states = table[ids] * scales[ids].exp() * mask[..., None]
    (states.sum(1) * goal).sum().backward()
    assert backbone.embeddings.weight.grad.is_sparse
    assert backbone.embeddings.weight.grad.coalesce().indices().tolist() == [[4, 5, 6, 7]]
    torch.testing.assert_close(backbone.embeddings.weight.grad.to_dense(), table.grad)
    torch.testing.assert_close(backbone.scales.grad.to_dense(), scales.grad)


def test_folding_scales_changes_no_vector_and_zero_rows_stay() -> None:
    encoder = tiny_static()
    encoder.backbone.learn_scales()
    with torch.no_grad():
        encoder.backbone.scales.copy_(torch.linspace(-1, 1, len(encoder.backbone.scales))[:, None])
    before = encoder.encode(TEXTS)
    encoder.backbone.fold()
    np.testing.assert_allclose(encoder.encode(TEXTS), before, atol=1e-6)
    assert not encoder.backbone.embeddings.weight[:2].any()


@pytest.mark.parametrize("dim", [None, 4])
def test_peers_give_the_same_vectors_of_its_folder(tmp_path: Path, dim: int | None) -> None:
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    encoder = cut(tiny_static(), 0, dim)
    encoder.save(tmp_path)
    expected = encoder.encode(TEXTS)
    np.testing.assert_allclose(StaticModel.from_pretrained(tmp_path).encode(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(SentenceEncoder.load(tmp_path).encode(TEXTS), expected, atol=1e-6)


def test_texts_are_cut_at_max_length_alike_everywhere(tmp_path: Path) -> None:
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    encoder = tiny_static(max_length=5)
    encoder.save(tmp_path)
    texts = ["cat cat cat cat cat dog dog dog", "cat cat cat cat cat"]
    found = encoder.encode(texts)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(SentenceTransformer(str(tmp_path), device="cpu").encode(texts), found, atol=1e-6)
    np.testing.assert_allclose(StaticModel.from_pretrained(tmp_path).encode(texts), found, atol=1e-6)


def test_a_cut_keeps_the_first_numbers() -> None:
    encoder = tiny_static()
    shorter = cut(encoder, 0, 4)
    whole = encode_exits(encoder, TEXTS)[0][:, :4]
    expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    np.testing.assert_allclose(shorter.encode(TEXTS), expected, atol=1e-6)
    assert shorter.backbone.embeddings.weight.shape[1] == 4


def test_layers_cannot_be_cut_out_of_it() -> None:
    with pytest.raises(ValueError, match="a static encoder has none; 0 is its depth"):
        cut(tiny_static(), 1)


def test_a_word_is_its_pieces_and_a_row_of_its_own_until_it_is_folded() -> None:
    encoder, plain = tiny_static(), tiny_static()
    cat, parts = encoder.tokenizer.convert_tokens_to_ids("cat"), [2, 8]
    encoder.backbone.learn_scales()
    encoder.backbone.compose({cat: parts})
    assert encoder.tokenize(["a cat"]) == [[3, cat, 2, 8]]
    np.testing.assert_allclose(encoder.encode([*TEXTS, ""]), plain.encode([*TEXTS, ""]), atol=1e-6)
    with torch.no_grad():
        encoder.backbone.scales[8] = 0.5
        encoder.backbone.embeddings.weight[2] += 1
    before = encoder.encode([*TEXTS, ""])
    encoder.backbone.fold()
    assert encoder.tokenize(["a cat"]) == [[3, cat]]
    np.testing.assert_allclose(encoder.encode([*TEXTS, ""]), before, atol=1e-6)
