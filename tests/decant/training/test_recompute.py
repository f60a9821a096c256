from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress

import pytest
import torch
from torch import Tensor, nn

from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from decant.training.recompute import TRIMMED_BYTES, Kept, bounded_activations, layer_bytes, linear_widths
from students.nesting.exits import exit_states
from students.sharing.share_maps import share_attention
from tests.tiny_models import BACKBONES, HEADS, tiny_encoder

IDS = torch.arange(48).view(2, 24) % 20 + 5
MASK = torch.ones(2, 24, dtype=torch.int64)
MASK[1, 17:] = 0
NOTHING, ALL = 0, 1 << 40
Result = tuple[list[Tensor], dict[str, Tensor | None]]


def saved_bytes(run: Callable[[], object], model: nn.Module) -> int:
    """Bytes that autograd keeps of a forward, beside the weights; inputs of what is run again do not count."""
    seen = {weight.untyped_storage().data_ptr(): 0 for weight in model.parameters()}

    def pack(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        seen.setdefault(storage.data_ptr(), storage.nbytes())
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        held = run()
    del held
    return sum(seen.values())


def encoder_of(kind: str) -> SentenceEncoder:
    """With dropout, and exits of their own; `shared`: an anchor and a follower of its map among them."""
    encoder = tiny_encoder("bert" if kind == "shared" else kind)
    encoder.add_exit_layers((2, 3))
    return (share_attention(encoder, [[1, 2]]) if kind == "shared" else encoder).train()


def stepped(encoder: SentenceEncoder) -> Result:
    encoder.zero_grad()
    torch.manual_seed(0)
    states = exit_states(encoder, IDS, MASK)
    torch.stack([state.square().mean() for state in states]).sum().backward()
    return states, {name: weight.grad for name, weight in encoder.named_parameters()}


@pytest.mark.parametrize("kind", [*BACKBONES, "shared"])
@pytest.mark.parametrize("autocast", [False, True])
def test_what_is_computed_again_gives_the_same_states_and_gradients(kind: str, autocast: bool) -> None:
    encoder = encoder_of(kind)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        states, gradients = stepped(encoder)
        with bounded_activations(encoder, NOTHING):
            again, other = stepped(encoder)
    assert all(torch.equal(one, two) for one, two in zip(states, again, strict=True))
    assert any(gradient is not None for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert (gradient is None) == (other[name] is None), name
        assert gradient is None or torch.equal(gradient, other[name]), name


def test_layers_keep_what_there_is_room_for() -> None:
    encoder = tiny_encoder()
    layer = layer_list(encoder.backbone)[1][0]
    one = layer_bytes(IDS.numel(), IDS.shape[1], linear_widths(layer), HEADS, 4)

    def saved(most: int) -> int:
        with bounded_activations(encoder, most):
            return saved_bytes(lambda: exit_states(encoder, IDS, MASK), encoder)

    none, first, three, every = (saved(most) for most in (NOTHING, one, 3 * one + one // 2, ALL))
    assert every == saved_bytes(lambda: exit_states(encoder, IDS, MASK), encoder)
    assert none < every / 5, "only the embeddings' are left"
    assert first - none == pytest.approx((every - none) / 4, rel=0.1), "one layer of four"
    assert three - none == pytest.approx((every - none) * 3 / 4, rel=0.1), "three of four"


def test_layer_bytes_are_those_that_autograd_keeps() -> None:
    encoder = tiny_encoder(num_hidden_layers=1, hidden_size=64, intermediate_size=256)
    encoder.backbone.set_attn_implementation("eager")
    layer = layer_list(encoder.backbone)[1][0]
    assert linear_widths(layer) == 4 * (64 + 64) + 2 * (64 + 256)
    states, mask = torch.randn(4, 100, 64, requires_grad=True), torch.zeros(4, 1, 1, 100)
    real = saved_bytes(lambda: layer(states, mask), layer)
    assert layer_bytes(400, 100, linear_widths(layer), HEADS, 4) == pytest.approx(real, rel=0.25)


def test_every_batch_has_the_whole_room() -> None:
    encoder = tiny_encoder()
    with bounded_activations(encoder, 1 << 20) as kept:
        exit_states(encoder, IDS, MASK)
        held = kept.held
        assert 0 < held < 1 << 20
        kept.on_train_batch_start(None, None, {}, 1)  # type: ignore[arg-type]
        assert kept.held == 0
        with torch.no_grad():
            exit_states(encoder, IDS, MASK)
        assert kept.held == 0, "without gradients nothing is kept"


def test_the_heap_is_trimmed_after_a_large_batch_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[bool] = []
    monkeypatch.setattr("decant.training.recompute.trim_heap", lambda: trimmed.append(True))
    kept = Kept(TRIMMED_BYTES)
    for asked, times in ((TRIMMED_BYTES, 0), (TRIMMED_BYTES + 1, 1)):
        kept.keeps(asked)
        kept.on_train_batch_start(None, None, {}, 1)  # type: ignore[arg-type]
        assert len(trimmed) == times
    kept.on_train_end(None, None)  # type: ignore[arg-type]
    assert len(trimmed) == 2


def test_layers_are_left_as_they_were() -> None:
    encoder = encoder_of("bert")
    layers = [*layer_list(encoder.backbone)[1], *encoder.exit_layers.values()]
    held = layers[0].forward = layers[0].forward  # as accelerate's hooks have it
    with suppress(ZeroDivisionError), bounded_activations(encoder):
        assert all(vars(layer)["forward"] is not held for layer in layers)
        assert "forward" not in vars(encoder.backbone)
        raise ZeroDivisionError
    assert [vars(layer).get("forward") for layer in layers] == [held, None, None, None, None, None]


def test_a_copy_runs_its_own_layers() -> None:
    encoder = tiny_encoder()
    before = exit_states(encoder, IDS, MASK)[-1]
    with bounded_activations(encoder, NOTHING):
        copied = copy.deepcopy(encoder)
    with torch.no_grad():
        for weight in layer_list(encoder.backbone)[1].parameters():
            weight.zero_()
    assert torch.equal(exit_states(copied, IDS, MASK)[-1], before)
