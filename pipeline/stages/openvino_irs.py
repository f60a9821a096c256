"""Stage `openvino`: every cut as OpenVINO's IR, checked against PyTorch; what cannot be made stops nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.errors import DecantError
from export.engines.openvino_ir import FILES, IrPrecision, ir_versions, missing_for_ir, quantize_ir, write_ir
from export.graphs.parity import Precision, check_parity
from export.quantize.calibration import Feed
from export.serve.session import OnnxEncoder
from pipeline.fingerprint import stated
from pipeline.recipe.recipe import Recipe
from pipeline.stages.estimate import Estimate
from pipeline.stages.graphs import (
    TOKENIZER_FILES,
    Graph,
    calibration_feeds,
    learned_texts,
    parity_figures,
    parity_texts,
    plain_graph,
    reference_of,
)
from pipeline.stages.stage import Done, Made, Run, Stage
from students.pair_student import Student

VERSION = 1
IR_SECONDS = {"fp32": 20.0, "int8": 60.0}  # a cut
FACTS, WORK = "openvino.json", "float.xml"
GATES: dict[IrPrecision, Precision] = {"fp32": "fp32", "int8": "int8-row"}  # fixed scales: any batch gives the same


@dataclass(frozen=True)
class Ir:
    """One IR of a cut: a folder that `OnnxEncoder` opens with `file`, and what its gates measured."""

    folder: Path
    file: str
    precision: IrPrecision
    layers: int
    dim: int
    parameters: int
    parity: dict[str, float]
    mean_cosine: float | None

    @property
    def artifact(self) -> str:
        """The artifact whose folder it is shipped in."""
        return f"L{self.layers}xD{self.dim}-fp32"

    @property
    def name(self) -> str:
        """Of its row in the report."""
        return f"L{self.layers}xD{self.dim}-{self.precision} in OpenVINO"


@dataclass(frozen=True)
class Irs:
    """The IRs, and a line on each that could not be made."""

    fingerprint: str | None = None
    made: tuple[Ir, ...] = ()
    notes: tuple[str, ...] = ()

    def folder_of(self, artifact: str) -> Path | None:
        """The folder `openvino` that an artifact ships; None where there is none."""
        found = [one.folder / "openvino" for one in self.made if one.artifact == artifact]
        return found[0] if found else None


def make_irs(run: Run, made: Made) -> Done:
    """A folder a cut under `openvino/`; an IR that misses its gate is left out."""
    settings = run.recipe.export
    missing = {kind: what for kind in settings.openvino if (what := missing_for_ir(kind)) is not None}
    inputs = {
        "student": made.student.fingerprint, "graphs": sorted({graph.fingerprint for graph in made.graphs}),
        "openvino": settings.openvino, "int8": stated(settings.openvino_int8),
        "missing": missing, "versions": ir_versions(),
    }  # fmt: skip

    def write(folder: Path) -> None:
        notes = [f"OpenVINO, {kind}: no IR was made; it needs {what}." for kind, what in missing.items()]
        kinds = [kind for kind in settings.openvino if kind not in missing]
        facts = _make(run, made, kinds, folder, notes) if kinds else []
        content = {"made": facts, "notes": notes}
        (folder / FACTS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    stage = run.make("openvino", VERSION, inputs, write)
    content = json.loads((stage.folder / FACTS).read_text(encoding="utf-8"))
    irs = tuple(Ir(folder=stage.folder / f"L{one['layers']}xD{one['dim']}", **one) for one in content["made"])
    made.irs = Irs(stage.fingerprint, irs, tuple(content["notes"]))
    return Done(stage, describe_irs(made.irs))


def describe_irs(irs: Irs) -> str:
    """The IRs by name, then a line on each that could not be made."""
    return "\n".join([", ".join(one.name for one in irs.made) or "none made", *irs.notes])


def _make(run: Run, made: Made, kinds: list[IrPrecision], folder: Path, notes: list[str]) -> list[dict[str, object]]:
    recipe, model = run.recipe, Student.load(made.student.folder)
    probes = parity_texts(recipe, made.texts, model)
    calibration = calibration_feeds(recipe, learned_texts(recipe, made, model.encoder), model)
    cuts = {(graph.layers, graph.dim): graph for graph in made.graphs}
    facts = []
    with run.watch("OpenVINO", len(cuts) * len(kinds)) as advance:
        for (layers, dim), graph in cuts.items():
            reference = np.load(reference_of(plain_graph(graph.folder.parent, layers, dim)))
            for kind in kinds:
                try:
                    facts.append(_one(recipe, graph, folder, kind, calibration, probes, reference))
                except DecantError as error:
                    notes.append(f"L{layers}xD{dim} in OpenVINO, {kind}: left out. {error}.")
                advance(1)
    return facts


def _one(
    recipe: Recipe, graph: Graph, folder: Path, kind: IrPrecision, calibration: list[Feed], probes: list[str],
    reference: NDArray[np.float32],
) -> dict[str, object]:  # fmt: skip
    target = folder / f"L{graph.layers}xD{graph.dim}"
    written = target / FILES[kind]
    whole, mean = target / FILES["fp32"] if kind == "fp32" else target / WORK, None
    write_ir(plain_graph(graph.folder.parent, graph.layers, graph.dim), whole)
    if kind == "int8":
        mean = quantize_ir(whole, written, calibration, recipe.export.openvino_int8)
        _remove(whole)
    for file in TOKENIZER_FILES:
        if (graph.folder / file).is_file():
            shutil.copyfile(graph.folder / file, target / file)
    settings, gates = recipe.export.parity, GATES[kind]
    try:
        parity = check_parity(
            OnnxEncoder(target, graph=FILES[kind]), probes, reference, gates, settings, called=f"OpenVINO's {kind} IR"
        )
    except DecantError:
        _remove(written)
        raise
    return {
        "file": FILES[kind], "precision": kind, "layers": graph.layers, "dim": graph.dim,
        "parameters": graph.parameters, "mean_cosine": mean, "parity": parity_figures(parity, settings, gates),
    }  # fmt: skip


def _remove(xml: Path) -> None:
    for path in (xml, xml.with_suffix(".bin")):
        path.unlink(missing_ok=True)


def _seconds(estimate: Estimate) -> float:
    return estimate.cuts * sum(IR_SECONDS[kind] for kind in estimate.recipe.export.openvino)


OPENVINO = Stage(
    "openvino", VERSION, make_irs, reads=("texts", "vectors", "mine", "student", "graphs"), seconds=_seconds,
    wanted=lambda recipe: bool(recipe.export.openvino),
    told=lambda estimate: ", ".join(estimate.recipe.export.openvino),
)  # fmt: skip
