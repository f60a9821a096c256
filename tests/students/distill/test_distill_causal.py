from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from decant.errors import InputError
from decant.training.training import Training
from students.distill.distill_causal import (
    CausalSettings,
    PseudoLabels,
    TokenLoss,
    pack_blocks,
    perplexity,
    train_causal,
)
from students.losses.loss_weights import PseudoWeights
from students.sharing.share_maps import share_backbone
from tests.tiny_models import tiny_tokenizer

GROUPS = [[1, 2]]
SETTINGS = CausalSettings(epochs=2, batch_size=4, learning_rate=1e-2, precision="32-true")


def decoder(seed: int = 0) -> PreTrainedModel:
    """Four layers over 12 words."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=4,
        intermediate_size=24, max_position_embeddings=32, initializer_range=0.3, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def counting(rows: int) -> NDArray[np.int64]:
    """Blocks in which every token is the one before plus one, modulo 12."""
    return (np.arange(rows)[:, None] * 5 + np.arange(8)) % 12


def test_texts_are_packed_end_to_end() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = "[SEP]"
    cat, dog, end = tokenizer.convert_tokens_to_ids(["cat", "dog", "[SEP]"])
    assert pack_blocks(["cat dog", "dog", "dog cat"], tokenizer, 3).tolist() == [[cat, dog, end], [dog, end, dog]]
    with pytest.raises(InputError, match="the texts have 2 tokens together; a block takes 3"):
        pack_blocks(["cat"], tokenizer, 3)


def test_perplexity_by_the_models_probabilities() -> None:
    model, blocks = decoder(), counting(5)
    with torch.inference_mode():
        probabilities = model(torch.from_numpy(blocks)).logits.softmax(-1).double()
    taken = [float(probabilities[row, place, blocks[row, place + 1]]) for row in range(5) for place in range(7)]
    wanted = math.exp(-sum(math.log(one) for one in taken) / len(taken))
    for batch_size in (1, 2, 5):
        assert perplexity(model, blocks, batch_size) == pytest.approx(wanted, rel=1e-5)
    with torch.no_grad():
        model.get_submodule("model.norm").weight.zero_()
    assert perplexity(model, blocks, 2) == pytest.approx(12, rel=1e-6), "knows nothing: as many as there are words"


def test_two_stages_bring_a_shared_model_back(tmp_path: Path) -> None:
    plain = decoder()
    train_causal(plain, TokenLoss(), counting(96), counting(6), Training(tmp_path / "0", SETTINGS, 0), label="model")
    assert perplexity(plain, counting(12), 4) < 2, "counts"
    kept = copy.deepcopy(plain.state_dict())
    shared = share_backbone(plain, GROUPS)
    pseudo, ids = PseudoLabels(plain, [2], PseudoWeights()), torch.from_numpy(counting(12))
    cut = float(pseudo(shared, ids).detach())
    train_causal(shared, pseudo, counting(96), counting(6), Training(tmp_path / "1", SETTINGS, 0), label="stage 1")
    assert float(pseudo(shared, ids).detach()) < 0.8 * cut
    first = perplexity(shared, counting(12), 4)
    train_causal(shared, TokenLoss(), counting(96), counting(6), Training(tmp_path / "2", SETTINGS, 0), label="stage 2")
    assert perplexity(shared, counting(12), 4) < first
    assert all(torch.equal(kept[name], weight) for name, weight in plain.state_dict().items()), "the teacher stays"


def test_pseudo_labels_of_itself_are_the_hard_ones_alone() -> None:
    model, ids = decoder(), torch.from_numpy(counting(3))
    # another object with the same weights; frozen weights would hide a missing gradient
    loss = PseudoLabels(copy.deepcopy(model), [1, 3], PseudoWeights())(model, ids)
    with torch.no_grad():
        highest = model(ids).logits.log_softmax(-1).max(-1).values
    assert float(loss.detach()) == pytest.approx(-0.5 * float(highest.mean()), rel=1e-5)
    loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    found = []
    for number in range(2):
        model = decoder()
        settings = SETTINGS.model_copy(update={"epochs": 1})
        train_causal(
            model, TokenLoss(), counting(16), counting(2), Training(tmp_path / str(number), settings, 3), label="model"
        )
        found.append(model.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not torch.equal(found[0]["lm_head.weight"], decoder().state_dict()["lm_head.weight"])
