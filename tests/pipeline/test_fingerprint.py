"""What enters a fingerprint: all that differs from a default, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import BaseModel

from pipeline.fingerprint import entered, fingerprint, stated


class Section(BaseModel):
    count: int = 3


class Settings(BaseModel):
    epochs: int = 2
    names: tuple[str, ...] = ()
    section: Section | None = None
    other: Section = Section()


def test_a_setting_at_its_default_does_not_enter() -> None:
    assert stated(Settings()) == {}
    assert stated(Settings(epochs=2, names=(), other=Section(count=3))) == {}
    assert stated(Settings(epochs=3, other=Section(count=4))) == {"epochs": 3, "other": {"count": 4}}


def test_a_section_at_its_defaults_is_not_the_same_as_none() -> None:
    with_section, without = (
        fingerprint("a", 1, {"settings": one}) for one in (Settings(section=Section()), Settings())
    )
    assert with_section != without


def test_fields_are_left_out_or_chosen() -> None:
    settings = Settings(epochs=3, names=("a",), section=Section(count=4))
    assert stated(settings, leave_out=("epochs", "section.count")) == {"names": ["a"], "section": {}}
    assert stated(settings, only=("names",)) == {"names": ["a"]}


def test_inputs_that_are_empty_or_absent_do_not_enter() -> None:
    assert entered({"a": None, "b": (), "c": {}, "d": 0, "e": False, "f": ""}) == {"d": 0, "e": False, "f": ""}


@pytest.mark.parametrize("other", [np.array([1.0, 2.5], np.float32), np.array([[1.0, 2.0]], np.float32)[:, :1]])
def test_arrays_enter_by_their_content(other: np.ndarray) -> None:
    labels = np.array([1.0, 2.0], np.float32)
    assert entered({"labels": labels}) == entered({"labels": labels.copy()})
    assert entered({"labels": labels}) != entered({"labels": other})
