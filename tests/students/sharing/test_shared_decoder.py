from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, PreTrainedModel, Qwen3Config

from decant.errors import InputError
from decant.models.backbone import load_backbone
from decant.models.save_model import save_model
from students.sharing.share_maps import share_backbone

IDS = torch.tensor([[5, 9, 7, 3, 11, 30, 2, 8], [4, 4, 21, 6, 13, 12, 19, 17]])


def decoder(kind: str = "llama") -> PreTrainedModel:
    """Six layers, four query heads on two key heads of 8 dimensions."""
    sizes: dict[str, Any] = {
        "vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 6, "num_attention_heads": 4, "head_dim": 8,
        "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64, "initializer_range": 0.2,
        "bos_token_id": 0, "eos_token_id": None, "pad_token_id": 1,
    }  # fmt: skip
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(
        LlamaConfig(**sizes) if kind == "llama" else Qwen3Config(**sizes), attn_implementation="eager"
    )
    return model.eval()


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@torch.inference_mode()
def test_a_follower_mixes_its_values_by_the_anchors_map(kind: str) -> None:
    plain = decoder(kind)
    shared = share_backbone(plain, [[1, 2]])
    seen: list[tuple[Tensor, Tensor]] = []
    follower: Any = shared.get_submodule("model.layers.2")
    follower.self_attn.register_forward_hook(
        lambda module, inputs, options, output: seen.append((options["hidden_states"], output[0])), with_kwargs=True
    )
    shared(IDS)
    wanted = plain(IDS, output_attentions=True).attentions[1]
    assert torch.equal(wanted, wanted.tril())
    values = follower.self_attn.v_proj(seen[0][0]).view(2, 8, 2, 8).repeat_interleave(2, dim=2)
    mixed = follower.self_attn.o_proj(torch.einsum("bhqk,bkhd->bqhd", wanted, values).flatten(-2))
    torch.testing.assert_close(seen[0][1], mixed, atol=1e-5, rtol=1e-4)
    lost = 32 * 32 + 16 * 32 + (16 if kind == "qwen3" else 0)  # queries, keys of half the heads, norms of both
    assert sum(weight.numel() for weight in plain.parameters()) - lost == sum(
        weight.numel() for weight in shared.parameters()
    )


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@torch.inference_mode()
def test_the_cache_changes_nothing_and_holds_values_alone(kind: str) -> None:
    shared = share_backbone(decoder(kind), [[1, 2, 3]])
    whole = shared(IDS).logits
    cache = DynamicCache(config=shared.config)
    steps = [shared(IDS[:, :3], past_key_values=cache).logits]
    steps += [shared(IDS[:, place : place + 1], past_key_values=cache).logits for place in range(3, 8)]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=1e-4)
    sizes = [layer.keys.numel() + layer.values.numel() for layer in cache.layers]
    assert sizes == [512, 512, 256, 256, 512, 512]  # 2 texts × 8 tokens × 2 heads × 8 dimensions, twice or once


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_is_the_same_with_and_without_cache(beams: int) -> None:
    shared = share_backbone(decoder(), [[1, 2], [3, 4]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1], [1] * 8])
    options: dict[str, Any] = {"max_new_tokens": 12, "do_sample": False, "num_beams": beams, "attention_mask": mask}
    cached = shared.generate(IDS, use_cache=True, **options)
    assert torch.equal(cached, shared.generate(IDS, use_cache=False, **options))
    assert cached.shape == (2, 20)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@torch.inference_mode()
def test_saved_and_loaded_logits_are_equal(kind: str, tmp_path: Path) -> None:
    shared = share_backbone(decoder(kind), [[1, 2, 3]], head_scale=True)
    save_model(shared, tmp_path)
    loaded = load_backbone(tmp_path, AutoModelForCausalLM)
    assert torch.equal(loaded(IDS).logits, shared(IDS).logits)
    with pytest.raises(ValueError, match=f"model type `decant-shared-{kind}`"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="`ignore_mismatched_sizes`"):
        type(shared).from_pretrained(tmp_path)


def test_groups_of_one_and_groups_over_the_end() -> None:
    plain = decoder()
    with torch.inference_mode():
        assert torch.equal(share_backbone(plain, [[0], [1]])(IDS).logits, plain(IDS).logits)
    with pytest.raises(InputError, match=r"\[5, 6\] names layer 6, but the model has 6 \(0\.\.5\)"):
        share_backbone(plain, [[5, 6]])
