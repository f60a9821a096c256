"""A loss that is not a number: the batch that gave it, and going on from the last checkpoint at a lower rate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from decant.errors import InputError
from decant.files import write_json

RETRIES = "retries.json"


class OnNan(BaseModel, frozen=True, extra="forbid"):
    """What a training does about a loss that is not a number."""

    retry: int = Field(2, ge=1, le=10, description="times that it goes on from its last checkpoint, or from the start")
    factor: float = Field(0.5, gt=0, lt=1, description="what the learning rate is multiplied by, each time")


class LossError(InputError):
    """A training's loss is not a number.

    Args:
        said: for the user, one line.
        batch: JSON values that name it: `loss`, `step`, `epoch`, `batch`, `rows`, and the `texts` of the rows.
    """

    def __init__(self, said: str, batch: dict[str, Any]) -> None:
        super().__init__(said)
        self.batch = batch

    def kept_in(self, path: Path) -> LossError:
        """Write the batch down, and say where."""
        write_json(path, self.batch, indent=1)
        return LossError(f"{self}; its batch is in {path}", self.batch)


class Retries:
    """The bad batches that a training has met, kept in its folder, so that a killed one goes on at its lowered rate.

    Args:
        folder: the training's.
        on_nan: what to do; None: nothing.
    """

    def __init__(self, folder: Path, on_nan: OnNan | None) -> None:
        self._path, self._on_nan = folder / RETRIES, on_nan
        self._met = _met(self._path)

    @property
    def rate(self) -> float:
        """What the learning rate is multiplied with now, above 0, at most 1."""
        return self._on_nan.factor ** len(self._met) if self._on_nan is not None else 1.0

    def again(self, error: LossError) -> bool:
        """Whether to go on once more, at the rate that `rate` is from now on."""
        if self._on_nan is None or len(self._met) >= self._on_nan.retry:
            return False
        self._met.append(error.batch)
        write_json(self._path, self._met, indent=None, ascii_only=True)
        return True


def loss_error(loss: float, step: int, epoch: int, batch: int, rows: Sequence[int], given: Sequence[Any]) -> LossError:
    """The error of one batch.

    Args:
        step: optimiser steps before and with this one.
        epoch: counted from 1.
        batch: of the epoch, counted from 1.
        rows: of the training set, counted from 0.
        given: the training set's texts or pairs, where they are known.
    """
    facts: dict[str, Any] = {"loss": str(loss), "step": step, "epoch": epoch, "batch": batch, "rows": list(rows)}
    facts |= {"texts": [given[row] for row in rows]} if given else {}
    return LossError(f"the loss is {loss} at step {step}; lower learning_rate, or give on_nan, which does so", facts)


def retries_note(training: Path, stage: str) -> list[str]:
    """For a report: that a stage's training met such batches; nothing where it met none."""
    steps = ", ".join(str(one["step"]) for one in _met(training / RETRIES))
    return [f"{stage}: the loss was not a number at step {steps}; training went on at a lower rate."] if steps else []


def _met(path: Path) -> list[dict[str, Any]]:
    met: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return met
