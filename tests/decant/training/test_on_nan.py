"""A loss that is not a number stops a training and names its batch, or lets it go on at a lower rate."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from decant.training.fit import fit
from decant.training.on_nan import LossError, OnNan, retries_note
from decant.training.optimizer import FitSettings
from decant.training.training import Training
from tests.decant.training.test_fit import ROWS, Line, settings, stream

TEXTS = [f"text {row}" for row in range(ROWS)]


def nan_at(*calls: int) -> Callable[[Tensor], Tensor]:
    """Losses, of which those of these calls, counted from 1, are no numbers."""
    made: list[int] = []

    def loss(value: Tensor) -> Tensor:
        made.append(len(made) + 1)
        return value * math.nan if made[-1] in calls else value

    return loss


def train(module: Line, folder: Path) -> None:
    fit(module, stream(), lambda: 0.0, Training(folder, module.settings, 0), label="line", given=TEXTS)


def rates() -> list[float]:
    """Of the six steps of an undisturbed training without warm-up."""
    return [0.1 * (6 - step) / 6 for step in range(6)]


@pytest.fixture
def saves_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.checkpoint_callback.CHECKPOINT_SECONDS", -1.0)


def test_the_batch_is_named_and_can_be_kept(tmp_path: Path) -> None:
    with pytest.raises(LossError, match="the loss is nan at step 5; lower learning_rate") as caught:
        train(Line(settings(), loss=nan_at(5)), tmp_path / "training")
    rows = stream().batches(1)[1].tolist()  # the fifth of six: the second of the second epoch
    kept = caught.value.kept_in(tmp_path / "bad.json")
    assert str(kept).endswith(f"; its batch is in {tmp_path / 'bad.json'}")
    assert json.loads((tmp_path / "bad.json").read_text(encoding="utf-8")) == {
        "loss": "nan", "step": 5, "epoch": 2, "batch": 2, "rows": rows, "texts": [f"text {row}" for row in rows],
    }  # fmt: skip


def test_it_goes_on_from_the_last_checkpoint_at_a_lower_rate(saves_each_step: None, tmp_path: Path) -> None:
    module = Line(settings(on_nan={"factor": 0.5}, warmup_share=0), loss=nan_at(5))
    train(module, tmp_path)
    whole = rates()
    assert module.rates == pytest.approx([*whole[:5], 0.5 * whole[4], 0.5 * whole[5]])
    assert all(bool(torch.isfinite(weight).all()) for weight in module.parameters())
    assert [one["step"] for one in json.loads((tmp_path / "retries.json").read_text())] == [5]
    assert retries_note(tmp_path, "student") == [
        "student: the loss was not a number at step 5; training went on at a lower rate."
    ]


def test_without_a_checkpoint_it_begins_again_from_the_weights_that_it_was_given(tmp_path: Path) -> None:
    module, other = (Line(settings(on_nan={"factor": 0.1}, warmup_share=0), loss=nan_at(k)) for k in (2, 1))
    train(module, tmp_path / "second")
    train(other, tmp_path / "first")
    assert module.rates == pytest.approx([*rates()[:2], *(0.1 * rate for rate in rates())])
    assert torch.equal(module.body.weight, other.body.weight)


def test_it_stops_after_so_many_times(saves_each_step: None, tmp_path: Path) -> None:
    module = Line(settings(on_nan={"retry": 2}, warmup_share=0), loss=nan_at(3, 4, 5))
    with pytest.raises(LossError, match="the loss is nan at step 3"):
        train(module, tmp_path)
    assert module.rates == pytest.approx([*rates()[:3], 0.5 * rates()[2], 0.25 * rates()[2]])


def test_a_training_that_is_killed_afterwards_goes_on_at_the_lower_rate(saves_each_step: None, tmp_path: Path) -> None:
    on_nan = settings(on_nan={"factor": 0.5}, warmup_share=0)

    def dies(value: Tensor) -> Tensor:
        if len(module.rates) == 6:
            raise RuntimeError("killed")
        return poison(value)

    poison = nan_at(2)
    module = Line(on_nan, loss=dies)
    with pytest.raises(RuntimeError, match="killed"):
        train(module, tmp_path)  # steps 1, 2 (not a number), 2, 3, 4, and 5 is killed
    resumed = Line(on_nan)
    train(resumed, tmp_path)
    assert resumed.rates == pytest.approx([0.5 * rate for rate in rates()[4:]])


def test_weights_that_are_no_numbers_are_not_saved_to_go_on_from(saves_each_step: None, tmp_path: Path) -> None:
    module = Line(settings(on_nan={"factor": 0.5}, warmup_share=0))
    spoil = lambda gradient: gradient * math.nan if len(module.rates) == 4 else gradient
    hook = module.body.weight.register_hook(spoil)
    train(module, tmp_path)  # the fourth step's gradient spoils the weights, the fifth loss tells of it
    hook.remove()
    assert all(bool(torch.isfinite(weight).all()) for weight in module.parameters())


@pytest.mark.parametrize(("values", "field"), [({"retry": 0}, "retry"), ({"factor": 1.0}, "factor")])
def test_settings_outside_their_range(values: dict[str, float], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        OnNan.model_validate(values)


def test_no_stage_depends_on_the_setting_where_it_is_not_given() -> None:
    assert "on_nan" not in FitSettings().model_dump(mode="json")
    assert FitSettings(on_nan=OnNan()).model_dump(mode="json")["on_nan"] == {"retry": 2, "factor": 0.5}
