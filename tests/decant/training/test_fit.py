from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

from decant.errors import InputError
from decant.training.batch_stream import Batch, BatchStream
from decant.training.fit import discard_checkpoints, fit
from decant.training.optimizer import FitSettings, adamw, training_precision
from decant.training.training import Training
from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.tiny_models import BACKBONES, tiny_backbone_folder

ROWS = 12


class Line(LightningModule):
    """y = 2x + 1, to be learned; `losses` replaces the loss of a step."""

    def __init__(self, settings: FitSettings, loss: Callable[[Tensor], Tensor] = lambda loss: loss) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.settings, self.loss = nn.Linear(1, 1), settings, loss
        self.rates: list[float] = []

    def training_step(self, batch: Batch, index: int) -> Tensor:
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return self.loss((self.body(batch["x"]) - 2 * batch["x"] - 1).square().mean())

    def configure_optimizers(self) -> object:
        return adamw(self, self.settings, 3)


def collate(rows: NDArray[np.int64]) -> Batch:
    return {"x": torch.as_tensor(rows, dtype=torch.float32)[:, None] / ROWS}


def stream(rows: int = ROWS) -> BatchStream:
    return BatchStream([1] * rows, collate, batch_size=4, seed=0)


def settings(**changes: object) -> FitSettings:
    return FitSettings(**{"epochs": 2, "learning_rate": 0.1, "batch_size": 4, "precision": "32-true"} | changes)


def train(module: Line, dev: Callable[[], float], folder: Path) -> None:
    fit(module, stream(), dev, Training(folder, module.settings, 0), label="line")


def test_learns_and_leaves_nothing_but_logs_once_discarded(tmp_path: Path) -> None:
    module = Line(settings(epochs=60, patience=60))
    train(module, lambda: -float((module.body.weight - 2).abs()), tmp_path)
    assert float(module.body.weight) == pytest.approx(2, abs=0.1)
    assert {path.name for path in tmp_path.iterdir()} == {"best.safetensors", "best.json", "csv", "tensorboard"}
    (tmp_path / "last.ckpt").touch()
    (tmp_path / ".handed.left").mkdir()  # by a training of several processes that was killed
    discard_checkpoints(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"best.json", "csv", "tensorboard"}


def test_best_epoch_is_kept_and_patience_stops(tmp_path: Path) -> None:
    metrics, seen = iter([0.1, 0.5, 0.3, 0.4, 0.9]), []
    module = Line(settings(epochs=5, patience=2))

    def dev() -> float:
        seen.append(module.body.weight.detach().clone())
        return next(metrics)

    train(module, dev, tmp_path)
    assert len(seen) == 4, "the third and fourth epoch were no better than the second"
    assert torch.equal(module.body.weight, seen[1])
    assert not torch.equal(seen[1], seen[3])
    assert json.loads((tmp_path / "best.json").read_text()) == {"epoch": 2, "dev": 0.5}


def test_no_epochs_leave_the_weights(tmp_path: Path) -> None:
    module = Line(settings(epochs=0))
    before = module.body.weight.detach().clone()
    train(module, lambda: 1 / 0, tmp_path)
    assert torch.equal(module.body.weight, before)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_no_number(tmp_path: Path, value: float) -> None:
    module = Line(settings(), loss=lambda loss: loss * value)
    with pytest.raises(InputError, match=f"the loss is {value} at step 1; lower learning_rate"):
        train(module, lambda: 0.0, tmp_path)
    assert not (tmp_path / "best.safetensors").exists()


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(tmp_path: Path, rows: int) -> None:
    with pytest.raises(InputError, match=f"line: {rows} training pairs are too few; at least 2 are needed"):
        fit(Line(settings()), stream(rows), lambda: 0.0, Training(tmp_path, settings(), 0), label="line")


def test_dropout_is_on_from_the_first_step_on(tmp_path: Path) -> None:
    module = Line(settings())
    modes: list[bool] = []
    module.body.register_forward_pre_hook(lambda layer, inputs: modes.append(layer.training))
    module.body.eval()  # as a model comes from its file
    train(module, lambda: 0.0, tmp_path)
    assert modes == [True] * 6


def test_a_checkpoint_is_not_made_in_memory_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.checkpoint_callback.CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr("lightning.fabric.plugins.io.torch_io._atomic_save", lambda checkpoint, path: 1 / 0)
    module = Line(settings(epochs=1))
    train(module, lambda: 0.0, tmp_path)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 2, "none is written after an epoch's last batch"
    assert saved["state_dict"].keys() == module.state_dict().keys()


def test_rate_rises_and_falls(tmp_path: Path) -> None:
    module = Line(settings(epochs=2, warmup_share=0.5, patience=5))
    train(module, lambda: 0.0, tmp_path)
    # 6 steps of which 3 warm up: (step + 1) / 3 capped at 1, times (6 - step) / 6
    assert module.rates == pytest.approx([0.1 / 3, 0.2 / 3 * 5 / 6, 0.4 / 6, 0.05, 0.2 / 6, 0.1 / 6])


def test_accumulated_steps(tmp_path: Path) -> None:
    module = Line(settings(epochs=1, accumulate=2, warmup_share=0))
    train(module, lambda: 0.0, tmp_path)
    assert module.rates == pytest.approx([0.1, 0.1, 0.05]), "two steps for three batches"


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.LayerNorm, self.comparator = nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 1)
        self.frozen = nn.Linear(1, 1).requires_grad_(False)


def groups(module: nn.Module, **changes: object) -> dict[str, tuple[float, float]]:
    """Rate before warm-up and decay of each weight, by name."""
    optimizer = adamw(module, settings(learning_rate=0.01, warmup_share=0, **changes), 3)["optimizer"]
    name_of = {id(weight): name for name, weight in module.named_parameters()}
    return {
        name_of[id(weight)]: (group["initial_lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for weight in group["params"]
    }


def test_heads_have_their_rate_and_biases_no_decay() -> None:
    assert groups(Parts(), head_rate=10, weight_decay=0.3) == {
        "body.weight": (0.01, 0.3),
        "body.bias": (0.01, 0.0),
        "LayerNorm.weight": (0.01, 0.0),
        "LayerNorm.bias": (0.01, 0.0),
        "comparator.weight": (0.1, 0.3),
        "comparator.bias": (0.1, 0.0),
    }


@pytest.mark.parametrize("kind", BACKBONES)
def test_groups_of_every_family(kind: str, tmp_path: Path) -> None:
    model = CrossEncoder.from_backbone(tiny_backbone_folder(tmp_path, kind, num_hidden_layers=2), 1).model
    found = groups(model, head_rate=10, weight_decay=0.3)
    assert found.keys() == {name for name, weight in model.named_parameters() if weight.requires_grad}
    for name, (rate, decay) in found.items():
        # vectors are biases and norms in these families, and nothing else; mpnet has a table of biases besides
        vector = model.get_parameter(name).ndim == 1 or name.endswith("relative_attention_bias.weight")
        head = not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name
        assert (rate, decay) == (0.1 if head else 0.01, 0.0 if vector else 0.3), name


def rows_of(batches: Iterator[Batch]) -> list[list[float]]:
    return [(batch["x"][:, 0] * ROWS).round().tolist() for batch in batches]


def test_stream_gives_an_epoch_an_iteration() -> None:
    batches = stream()
    first, second = rows_of(iter(batches)), rows_of(iter(batches))
    assert len(batches) == len(first) == 3
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(ROWS))
    assert first != second
    resumed = stream()
    resumed.start_at(1, 2)
    assert rows_of(iter(resumed)) == second[2:]
    third = rows_of(iter(resumed))
    assert len(third) == 3
    assert third == rows_of(iter(batches))


def test_probing_the_stream_moves_nothing() -> None:
    batches, probed = stream(), stream()
    probed.start_at(2, 1)
    batches.start_at(2, 1)
    iter(probed)  # as Lightning does before it reads
    assert rows_of(iter(probed)) == rows_of(iter(batches))


def test_first_epoch_is_the_first(tmp_path: Path) -> None:
    seen: list[list[float]] = []
    module = Line(settings(epochs=2))
    hook = lambda layer, inputs: seen.append((inputs[0][:, 0] * ROWS).round().tolist())
    module.body.register_forward_pre_hook(hook)
    train(module, lambda: 0.0, tmp_path)
    assert seen == [rows.tolist() for epoch in (0, 1) for rows in stream().batches(epoch)]


def test_stated_precision_holds() -> None:
    assert training_precision(FitSettings(precision="bf16-mixed")) == "bf16-mixed"
    assert training_precision(FitSettings(precision="32-true")) == "32-true"
    assert training_precision(FitSettings()) in {"bf16-mixed", "32-true"}


@pytest.mark.parametrize("field", ["epochs", "learning_rate", "batch_size", "clip", "head_rate", "patience"])
def test_settings_outside_their_range(field: str) -> None:
    with pytest.raises(ValidationError, match=f"{field}\n.*greater than"):
        FitSettings(**{field: -1})
