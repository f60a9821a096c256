"""Fine-tuning for the rounding of a precision, in a whole run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from export.quantize.quantize_settings import BlockQuantizeSettings, RowQuantizeSettings
from pipeline.recipe.sections import ExportSettings
from pipeline.stages.tuned_weights import rounding_of
from students.distill.distill_settings import QuantizeAwareSettings
from students.distill.quantize_aware import Rounding
from tests.tiny_runs import SmokeRun, decant


def test_roundings_follow_the_settings() -> None:
    settings = ExportSettings(
        int8_row=RowQuantizeSettings(tables="int4", seven_bits=False),
        int8_weights=BlockQuantizeSettings(accuracy_level=1, block=16),
        int4=BlockQuantizeSettings(tables="fp32"),
    )
    assert rounding_of("int8-row", settings) == Rounding(8, None, 4, 64, True, 127)
    assert rounding_of("int8-row", ExportSettings()) == Rounding(8, None, 8, None, True, 64)
    assert rounding_of("int8-weights", settings) == Rounding(8, 16, 8, None, False)
    assert rounding_of("int4", settings) == Rounding(4, 32, None, None, True)


def test_precisions_that_are_not_exported() -> None:
    with pytest.raises(ValidationError, match="none of int8-row, int4 is among export.precisions"):
        ExportSettings(precisions=("fp32",), quantize_aware=QuantizeAwareSettings())


@pytest.mark.smoke
def test_a_run_states_what_it_was_worth(smoke_run: SmokeRun, tmp_path: Path) -> None:
    shutil.copytree(smoke_run.recipe.parent, tmp_path / "copy")
    aware = ["precisions=[int4]", "steps=4", "batch_size=8", "learning_rate=1.0e-3"]
    sets = [part for one in aware for part in ("--set", f"export.quantize_aware.{one}")]
    sets += ["--set", "export.precisions=[fp32, int4]", "--set", "export.int4.rounding=nearest"]
    sets += ["--set", "export.graphs.parity.int4_min_cosine=0"]
    said = decant("run", tmp_path / "copy" / "recipe.yaml", "--out", tmp_path / "copy" / "run", *sets, "--json")
    assert said.code == 0, said.err
    rows = {row["name"]: row for row in said.json()["rows"]}
    assert "fine-tuned for its rounding: mean cosine 0." in rows["L3xD32-int4"]["note"]
    assert "note" not in rows["L3xD32-fp32"]
    assert not list((tmp_path / "copy" / "run" / "graphs").rglob("*.ckpt"))
