from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, FNetConfig, FNetModel

from decant.errors import InputError
from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from export.graphs.to_onnx import export_cross_encoder, export_encoder
from export.serve.session import open_session
from students.cuts.cut import at_depth, check_layers, cut, with_layers
from students.cuts.prune import ffn_importance, prune_ffn
from students.nesting.exits import encode_exits, exit_states, unit_slice
from students.sharing.share_maps import share_attention, share_backbone, share_cross_encoder
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.bnb_extra import needs_bitsandbytes
from tests.tiny_models import HEADS, HIDDEN, tiny_backbone_folder, tiny_encoder

TEXTS = ["a big dog", "the cat sleep in a small house on the street", "river", "two women play guitar"]
FAMILIES = ["bert", "roberta", "xlm-roberta", "electra", "mpnet", "distilbert", "modernbert"]
GROUPS = ((1, 2, 3), (4, 5))


def encoder_of(kind: str, **changes: Any) -> SentenceEncoder:
    """Seven layers; ModernBERT's first and last are global, the five between them local."""
    if kind == "modernbert":
        changes = {"global_attn_every_n_layers": 6} | changes
    return tiny_encoder(kind, **{"num_hidden_layers": 7} | changes)


def weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def linear(tensors: dict[str, NDArray[np.float32]], name: str, states: NDArray[np.float32]) -> NDArray[np.float32]:
    return states @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def normed(tensors: dict[str, NDArray[np.float32]], name: str, states: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = states - states.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def heads(states: NDArray[np.float32]) -> NDArray[np.float32]:
    return states.reshape(*states.shape[:-1], HEADS, -1).swapaxes(-3, -2)


def test_bert_layers_by_hand(tmp_path: Path) -> None:
    """Two layers of a group in numpy, from the weights of the unshared model and the states before them."""
    plain = encoder_of("bert", hidden_act="relu")
    shared = share_attention(plain, [[1, 2]])
    ids = torch.tensor(shared.tokenize(TEXTS[1:2]))
    with torch.inference_mode():
        states = [state.numpy() for state in exit_states(shared, ids, torch.ones_like(ids))]
    tensors = {name: weight.detach().numpy() for name, weight in plain.backbone.state_dict().items()}
    hidden = states[0]
    scores: NDArray[np.float32] = np.zeros(())
    for number in (1, 2):
        name = f"encoder.layer.{number}"
        if number == 1:
            query, key = (heads(linear(tensors, f"{name}.attention.self.{part}", hidden)) for part in ("query", "key"))
            scores = np.exp(query @ key.swapaxes(-1, -2) / np.sqrt(HIDDEN / HEADS))
            scores = scores / scores.sum(-1, keepdims=True)
        mixed = scores @ heads(linear(tensors, f"{name}.attention.self.value", hidden))
        mixed = mixed.swapaxes(-3, -2).reshape(hidden.shape)
        attended = linear(tensors, f"{name}.attention.output.dense", mixed)
        attended = normed(tensors, f"{name}.attention.output.LayerNorm", attended + hidden)
        inner = np.maximum(linear(tensors, f"{name}.intermediate.dense", attended), 0)
        hidden = normed(tensors, f"{name}.output.LayerNorm", linear(tensors, f"{name}.output.dense", inner) + attended)
        np.testing.assert_allclose(states[number], hidden, atol=2e-5)
    assert not np.allclose(states[2], exit_states(plain, ids, torch.ones_like(ids))[2].detach(), atol=1e-2)


@pytest.mark.parametrize("kind", FAMILIES)
def test_followers_mix_their_own_values_by_the_map_that_the_family_computes(kind: str) -> None:
    """The map is taken from the unshared model's own output, so that masks, rotations and biases are the family's."""
    plain = encoder_of(kind)
    plain.backbone.set_attn_implementation("eager")
    shared = share_attention(plain, [[1, 2, 3]])
    ids = torch.tensor([[0, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 2], [0, 80, 90, 2, *[1] * 9]])
    mask = (ids != 1).long()
    with torch.inference_mode():
        wanted = plain.backbone(input_ids=ids, attention_mask=mask, output_attentions=True).attentions[1]
        for number in (2, 3):
            follower = layer_list(shared.backbone)[1][number]
            seen = _attention_traffic(follower, kind, shared, ids, mask)
            names = {"modernbert": ("Wv", "Wo"), "mpnet": ("v", "o"), "distilbert": ("v_lin", "out_lin")}
            value, output = names.get(kind, ("value", None))
            module = follower.get_submodule(_attention_path(kind))
            values = module.get_submodule(value)(seen[0]).view(2, 13, HEADS, -1)
            mixed = torch.einsum("bhqk,bkhd->bqhd", wanted, values).flatten(-2)
            mixed = mixed if output is None else module.get_submodule(output)(mixed)
            torch.testing.assert_close(seen[1], mixed, atol=1e-5, rtol=1e-4)


def _attention_path(kind: str) -> str:
    return {"mpnet": "attention.attn", "distilbert": "attention", "modernbert": "attn"}.get(kind, "attention.self")


def _attention_traffic(
    layer: nn.Module, kind: str, encoder: SentenceEncoder, ids: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    seen: list[tuple[Tensor, Tensor]] = []
    hook = layer.get_submodule(_attention_path(kind)).register_forward_hook(
        lambda module, inputs, output: seen.append((inputs[0], output[0]))
    )
    encoder(ids, mask)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("kind", FAMILIES)
def test_queries_and_keys_are_gone_from_module_and_file(kind: str, tmp_path: Path) -> None:
    plain = encoder_of(kind)
    before = plain.encode(TEXTS)
    shared = share_attention(plain, GROUPS)
    bias = 0 if kind == "modernbert" else HIDDEN
    assert weights(plain) - weights(shared) == 3 * 2 * (HIDDEN**2 + bias)
    shared.save(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert sum(tensor.size for tensor in stored.values()) == weights(shared)
    np.testing.assert_array_equal(plain.encode(TEXTS), before)
    assert np.abs(shared.encode(TEXTS) - before).max() > 1e-3


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_folder_gives_the_same_vectors_again(kind: str, tmp_path: Path) -> None:
    shared = share_attention(encoder_of(kind), GROUPS)
    shared.save(tmp_path)
    loaded = SentenceEncoder.load(tmp_path)
    assert type(loaded.backbone) is type(shared.backbone)
    np.testing.assert_array_equal(loaded.encode(TEXTS), shared.encode(TEXTS))
    loaded.save(tmp_path / "again")
    np.testing.assert_array_equal(SentenceEncoder.load(tmp_path / "again").encode(TEXTS), shared.encode(TEXTS))
    trained = SentenceEncoder.load(tmp_path, dropout=0.0, for_training=True).train()
    ids, mask = torch.tensor([[0, 70, 80, 2]]), torch.ones(1, 4, dtype=torch.long)
    torch.testing.assert_close(trained(ids, mask)[1], shared(ids, mask)[1], atol=1e-6, rtol=0)


def test_plain_loaders_refuse_the_folder(tmp_path: Path) -> None:
    share_attention(encoder_of("bert"), GROUPS).save(tmp_path)
    for load in (AutoModel.from_pretrained, AutoModelForSequenceClassification.from_pretrained, SentenceTransformer):
        with pytest.raises(ValueError, match=r"model type `decant-shared-bert`"):
            load(str(tmp_path))


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_class_that_is_named_by_hand_refuses_the_folder_too(kind: str, tmp_path: Path) -> None:
    encoder = share_attention(encoder_of(kind), GROUPS)
    encoder.save(tmp_path)
    family = type(encoder.backbone)
    with pytest.raises(RuntimeError, match="`ignore_mismatched_sizes`"):
        family.from_pretrained(tmp_path)
    again = SentenceEncoder.load(tmp_path)
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))
    again.save(tmp_path / "again")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    share_attention(encoder_of("bert"), GROUPS).save(tmp_path)
    stated = json.loads((tmp_path / "config.json").read_text())
    for groups, message in (([[5, 7]], r"names the layers \[5, 7\], but there are 7"), ("all", "validation error")):
        changed = stated | {"shared_attention": {"groups": groups}}
        (tmp_path / "config.json").write_text(json.dumps(changed))
        with pytest.raises(InputError, match=message):
            SentenceEncoder.load(tmp_path)


@pytest.mark.parametrize("kind", ["bert", "mpnet", "modernbert"])
def test_groups_of_one_are_the_model_itself(kind: str, tmp_path: Path) -> None:
    plain = encoder_of(kind)
    for groups in ((), [[number] for number in range(7)]):
        shared = share_attention(plain, groups)
        np.testing.assert_array_equal(shared.encode(TEXTS), plain.encode(TEXTS))
        assert weights(shared) == weights(plain)
    shared.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == kind


@pytest.mark.parametrize("kind", FAMILIES)
def test_padding_and_batch_change_nothing(kind: str) -> None:
    shared = share_attention(encoder_of(kind), GROUPS)
    together = shared.encode(TEXTS)
    np.testing.assert_allclose(shared.encode(TEXTS, batch_size=1), together, atol=1e-6)
    np.testing.assert_allclose(shared.encode(TEXTS[::-1])[::-1], together, atol=1e-6)


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_exit_is_its_cut(kind: str, tmp_path: Path) -> None:
    shared = share_attention(encoder_of(kind), GROUPS)
    exits = encode_exits(shared, TEXTS)
    for depth, groups in ((1, []), (2, []), (3, [[1, 2]]), (4, [[1, 2, 3]]), (6, [[1, 2, 3], [4, 5]])):
        smaller = cut(shared, depth, 16)
        np.testing.assert_allclose(smaller.encode(TEXTS), unit_slice(exits[depth - 1], 16), atol=1e-6)
        smaller.save(tmp_path / f"{depth}")
        loaded = SentenceEncoder.load(tmp_path / f"{depth}")
        np.testing.assert_allclose(loaded.encode(TEXTS), smaller.encode(TEXTS), atol=1e-6)
        stated = json.loads((tmp_path / f"{depth}" / "config.json").read_text())
        assert stated.get("shared_attention", {}).get("groups", []) == groups
        assert stated["model_type"] == (f"decant-shared-{kind}" if groups else kind)


def test_chosen_layers_keep_their_group(tmp_path: Path) -> None:
    shared = share_attention(encoder_of("bert"), GROUPS)
    smaller = cut(shared, [0, 1, 3, 6])
    smaller.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["shared_attention"]["groups"] == [[1, 2]]
    np.testing.assert_array_equal(SentenceEncoder.load(tmp_path).encode(TEXTS), smaller.encode(TEXTS))
    shared.save(tmp_path / "whole")
    refused = r"keep layers \[0, 2, 6\]: layer 2 reuses the attention map of layer 1, which is not kept"
    for choose in (cut, with_layers):
        with pytest.raises(InputError, match=refused):
            choose(shared, [0, 2, 6])
    with pytest.raises(InputError, match=refused):
        check_layers(tmp_path / "whole", [0, 2, 6], "mean")


@pytest.mark.parametrize("kind", ["bert", "mpnet", "modernbert"])
def test_exits_with_layers_of_their_own(kind: str, tmp_path: Path) -> None:
    plain = encoder_of(kind)
    plain.add_exit_layers([2, 3, 5])  # anchor, follower, anchor
    with torch.no_grad():
        for weight in plain.exit_layers.parameters():
            weight.mul_(1.2)
    shared = share_attention(plain, GROUPS)
    assert weights(plain.exit_layers) - weights(shared.exit_layers) == 2 * HIDDEN * (HIDDEN + (kind != "modernbert"))
    exits = encode_exits(shared, TEXTS)
    shared.save(tmp_path)
    loaded = SentenceEncoder.load(tmp_path)
    np.testing.assert_array_equal(encode_exits(loaded, TEXTS), exits)
    for depth in range(1, 8):
        np.testing.assert_allclose(cut(loaded, depth).encode(TEXTS), unit_slice(exits[depth - 1], 32), atol=1e-6)
    cut(loaded, 2).save(tmp_path / "two")
    two = SentenceEncoder.load(tmp_path / "two")
    np.testing.assert_allclose(two.encode(TEXTS), cut(loaded, 2).encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_graph_computes_one_map_a_group(kind: str, tmp_path: Path) -> None:
    shared = share_attention(encoder_of(kind), GROUPS)
    export_encoder(shared, tmp_path / "model.onnx")
    assert softmaxes(tmp_path / "model.onnx") == 4
    session = open_session(tmp_path / "model.onnx", threads=1)
    for batch, length in ((1, 2), (2, 7), (5, 40)):
        ids = np.random.default_rng(length).integers(5, len(shared.tokenizer), (batch, length))
        lengths = np.linspace(2, length, batch).astype(int)[::-1]
        mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
        ids = np.where(mask == 1, ids, 1)
        states, vectors = session.run(None, {"input_ids": ids, "attention_mask": mask})
        with torch.inference_mode():
            expected_states, expected = shared(torch.from_numpy(ids), torch.from_numpy(mask))
        assert (vectors * expected.numpy()).sum(axis=1).min() >= 0.99999
        np.testing.assert_allclose(states[mask == 1], expected_states.numpy()[mask == 1], atol=1e-4)


def softmaxes(path: Path) -> int:
    return sum(node.op_type == "Softmax" for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet", "distilbert", "modernbert"])
def test_cross_encoders_share_too(kind: str, tmp_path: Path) -> None:
    changes = {"num_hidden_layers": 5} | ({"global_attn_every_n_layers": 4} if kind == "modernbert" else {})
    cross = CrossEncoder.from_backbone(tiny_backbone_folder(tmp_path, kind, **changes), 1, max_length=60).eval()
    pairs = [("a man play", "the girl run"), ("", "two dogs run"), ("big dog", "cat"), ("a", "b")]
    before = cross.score(pairs)
    shared = share_cross_encoder(cross, [[1, 2, 3]])
    np.testing.assert_array_equal(cross.score(pairs), before)
    scores = shared.score(pairs)
    assert np.abs(scores - before).max() > 1e-4
    shared.save(tmp_path / "saved")
    np.testing.assert_array_equal(CrossEncoder.load(tmp_path / "saved", (1,), 60).score(pairs), scores)
    np.testing.assert_allclose(shared.score(pairs, batch_size=1), scores, atol=1e-5)
    export_cross_encoder(shared, tmp_path / "model.onnx")
    assert softmaxes(tmp_path / "model.onnx") == 3
    ids, types = shared.tokenize(pairs)
    feed = {name: tensor.numpy() for name, tensor in shared.collate(ids, types).items()}
    (logits,) = open_session(tmp_path / "model.onnx", threads=1).run(None, feed)
    np.testing.assert_allclose(logits[:, 0], scores, atol=1e-4)


def test_head_scale_is_one_at_first_and_multiplies_the_map(tmp_path: Path) -> None:
    plain = encoder_of("bert")
    shared, scaled = share_attention(plain, [[1, 2]]), share_attention(plain, [[1, 2]], head_scale=True)
    assert weights(scaled) - weights(shared) == HEADS
    np.testing.assert_array_equal(scaled.encode(TEXTS), shared.encode(TEXTS))
    scales = torch.tensor([0.5, 1.0, 2.0, 0.0])
    attention: Any = layer_list(scaled.backbone)[1][2].get_submodule("attention.self")
    value: Any = layer_list(shared.backbone)[1][2].get_submodule("attention.self.value")
    with torch.no_grad():
        attention.head_scale.copy_(scales)
        rows = scales.repeat_interleave(HIDDEN // HEADS)  # γ(A·V) = A·(γV)
        value.weight.mul_(rows[:, None])
        value.bias.mul_(rows)
    np.testing.assert_allclose(scaled.encode(TEXTS), shared.encode(TEXTS), atol=1e-6)
    scaled.save(tmp_path)
    np.testing.assert_array_equal(SentenceEncoder.load(tmp_path).encode(TEXTS), scaled.encode(TEXTS))


@pytest.mark.parametrize("kind", ["bert", "mpnet", "distilbert"])
def test_each_layer_drops_out_of_the_whole_map_anew(kind: str) -> None:
    names = {"distilbert": ("attention_dropout", "dropout")}
    attention, hidden = names.get(kind, ("attention_probs_dropout_prob", "hidden_dropout_prob"))
    shared = share_attention(encoder_of(kind, **{attention: 0.5, hidden: 0.0}), [[1, 2]]).train()
    ids = torch.tensor([[0, 70, 80, 90, 60, 2]])
    maps: list[Tensor] = []
    for number in (1, 2):
        layer_list(shared.backbone)[1][number].get_submodule(_attention_path(kind)).register_forward_hook(
            lambda module, inputs, output: maps.append(output[1])
        )
    first, second = (shared(ids, torch.ones_like(ids))[1] for _ in range(2))
    assert not torch.allclose(first, second, atol=1e-4)
    assert maps[0] is maps[1]
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(1, HEADS, 6))
    follower = layer_list(shared.backbone)[1][2].get_submodule(_attention_path(kind))
    states = torch.randn(1, 6, HIDDEN)
    torch.manual_seed(0)
    with torch.inference_mode():
        drawn = torch.stack([follower(states, shared_maps={1: maps[0]})[0] for _ in range(2000)])
        whole = follower.eval()(states, shared_maps={1: maps[0]})[0]
    error = drawn.std(0) / 2000**0.5
    assert error.min() > 0
    assert ((drawn.mean(0) - whole).abs() < 5 * error + 1e-5).all()


def test_followers_train_the_queries_of_their_anchor() -> None:
    shared = share_attention(encoder_of("bert"), [[5, 6]]).train()
    anchor = layer_list(shared.backbone)[1][5]
    query: Any = anchor.get_submodule("attention.self.query")
    ids = torch.tensor([[0, 70, 80, 90, 60, 2]])
    with torch.no_grad():
        anchor.get_submodule("attention.output.dense").weight.zero_()  # so the map acts through the follower alone
    shared(ids, torch.ones_like(ids))[1][:, 0].sum().backward()
    assert query.weight.grad.abs().max() > 1e-6


def test_forwards_do_not_read_each_others_maps() -> None:
    shared = share_attention(encoder_of("bert"), GROUPS)
    texts = [" ".join(["dog", "river", "play"] * (1 + number % 5)) for number in range(24)]
    alone = [shared.encode([text]) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for vector, expected in zip(pool.map(lambda text: shared.encode([text]), texts), alone, strict=True):
            np.testing.assert_allclose(vector, expected, atol=1e-6)
    inner: list[NDArray[np.float32]] = []

    def run_another(*_: object) -> None:
        hook.remove()
        inner.append(shared.encode(TEXTS[3:]))

    hook = layer_list(shared.backbone)[1][2].register_forward_pre_hook(run_another)
    outer = shared.encode(TEXTS[:1])
    np.testing.assert_array_equal(outer, shared.encode(TEXTS[:1]))
    np.testing.assert_array_equal(inner[0], shared.encode(TEXTS[3:]))


def test_copies_and_shallow_cuts_hold_their_own() -> None:
    shared = share_attention(encoder_of("bert"), GROUPS)
    copied, shallow = copy.deepcopy(shared), at_depth(shared, 3)
    before = shared.encode(TEXTS)
    with torch.no_grad():
        for weight in copied.parameters():
            weight.zero_()
    np.testing.assert_array_equal(shared.encode(TEXTS), before)
    np.testing.assert_array_equal(shallow.encode(TEXTS), cut(shared, 3).encode(TEXTS))
    np.testing.assert_array_equal(shared.encode(TEXTS), before)


def test_narrower_ffns_and_hidden_states_work_on(tmp_path: Path) -> None:
    for kind in ("bert", "mpnet"):
        shared = share_attention(encoder_of(kind), GROUPS)
        pruned = prune_ffn(shared, 48, ffn_importance(shared, TEXTS))
        pruned.save(tmp_path / kind)
        np.testing.assert_array_equal(SentenceEncoder.load(tmp_path / kind).encode(TEXTS), pruned.encode(TEXTS))
        wide = share_attention(tiny_encoder(kind, "concat_top_mean", num_hidden_layers=7), GROUPS)
        assert wide.encode(TEXTS).shape == (4, 4 * HIDDEN)


@needs_bitsandbytes
@pytest.mark.parametrize("kind", ["bert", "mpnet", "modernbert"])
def test_the_folder_is_quantized_as_it_is_read(kind: str, tmp_path: Path) -> None:
    shared = share_attention(encoder_of(kind, hidden_size=64), GROUPS)
    shared.save(tmp_path)
    loaded = SentenceEncoder.load(tmp_path, quantize="int8")
    assert (loaded.encode(TEXTS) * shared.encode(TEXTS)).sum(axis=1).min() > 0.99
    with pytest.raises(InputError, match="weights of this model are quantized; share its attention maps before"):
        share_attention(SentenceEncoder.load(tiny_backbone_folder(tmp_path, kind), quantize="int8"), [[1, 2]])


def test_maps_that_cannot_be_shared() -> None:
    with pytest.raises(InputError, match=r"a 'deberta-v2' model has no attention maps that its layers could share; "):
        share_attention(tiny_encoder("deberta-v2"), [[1, 2]])
    fourier = FNetModel(FNetConfig(vocab_size=20, hidden_size=8, num_hidden_layers=2, intermediate_size=8))
    with pytest.raises(InputError, match=r"a 'fnet' model has no attention maps .* bert, roberta"):
        share_backbone(fourier, [[0, 1]])
    with pytest.raises(InputError, match=r"\[6, 7\] names layer 7, but the model has 7"):
        share_attention(encoder_of("bert"), [[6, 7]])
    with pytest.raises(InputError, match=r"\[5, 6\] mixes full_attention and sliding_attention layers"):
        share_attention(encoder_of("modernbert"), [[5, 6]])
    with pytest.raises(InputError, match="share attention maps already"):
        share_attention(share_attention(encoder_of("bert"), [[1, 2]]), [[3, 4]])


def test_other_attention_is_refused_when_it_runs() -> None:
    shared = share_attention(encoder_of("bert"), GROUPS)
    shared.backbone.set_attn_implementation("sdpa")
    with pytest.raises(RuntimeError, match=r"need set_attn_implementation\('eager'\)"):
        shared.encode(TEXTS[:2])
    layer = layer_list(shared.backbone)[1][2]
    with pytest.raises(RuntimeError, match="the attention map of group 1 was not computed in this forward"):
        layer(torch.zeros(1, 3, HIDDEN))
