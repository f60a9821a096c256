from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from decant.errors import GateError, InputError
from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import ArtifactFacts, write_artifact
from export.graphs.parity import Parity, ParitySettings, check_comparator_parity, check_parity
from export.graphs.probe_texts import texts_of_every_length
from export.graphs.to_onnx import export_comparator
from export.serve.session import OnnxComparator, OnnxEncoder
from students.distill.comparator import Comparator
from tests.export.conftest import TEXTS
from tests.tiny_models import tiny_encoder

DEGREE = math.pi / 180


class TurningEncoder:
    """Stands in for an OnnxEncoder: vectors in the plane, turned by known angles in batches and by padding."""

    dim, max_length = 2, 8

    def __init__(self, in_batch: float = 0.0, padded: float = 0.0) -> None:
        self.in_batch, self.padded = in_batch * DEGREE, padded * DEGREE

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [[1] * max(1, min(8, len(text))) for text in texts]

    def embed(self, ids: Sequence[Sequence[int]], length: int | None = None) -> NDArray[np.float32]:
        turn = (self.in_batch if len(ids) > 1 else 0.0) + (self.padded if length is not None else 0.0)
        angles = [len(row) + turn for row in ids]
        return np.array([[math.cos(angle), math.sin(angle)] for angle in angles], np.float32)


def turned(texts: Sequence[str], degrees: float) -> NDArray[np.float32]:
    """The vectors that a TurningEncoder gives to the texts alone, turned."""
    angles = [len(ids) + degrees * DEGREE for ids in TurningEncoder().tokenize(texts)]
    return np.array([[math.cos(angle), math.sin(angle)] for angle in angles], np.float32)


def check(candidate: Any, texts: Sequence[str], reference: NDArray[np.float32], **options: Any) -> Parity:
    return check_parity(candidate, texts, reference, **options)


def test_exported_encoder_holds(artifact: Path, encoder: SentenceEncoder) -> None:
    texts = texts_of_every_length(TEXTS, encoder.tokenize, encoder.max_length, count=80)
    finished: list[int] = []
    served = OnnxEncoder(artifact, threads=1)
    parity = check_parity(served, texts, encoder.encode(texts), progress=finished.append)
    assert parity.texts == len(texts) == sum(finished)
    assert min(parity.min_cosine, parity.batch_invariance, parity.padding_invariance) >= 0.99999


def test_int8_is_measured_and_not_gated_on_invariance(
    encoder: SentenceEncoder, int8_graph: Path, tmp_path: Path
) -> None:
    write_artifact(tmp_path / "int8", encoder, int8_graph, ArtifactFacts("int8", "int8-dynamic", "# int8"))
    texts = texts_of_every_length(TEXTS, encoder.tokenize, encoder.max_length, count=80)
    served = OnnxEncoder(tmp_path / "int8", threads=1)
    parity = check_parity(served, texts, encoder.encode(texts), "int8-dynamic")
    assert 0.95 <= parity.min_cosine < 1
    assert parity.batch_invariance < 0.99999
    with pytest.raises(GateError, match=r"int8-dynamic graph: batch_invariance 0\.\d+ is below 0\.99999"):
        check(
            served,
            texts,
            encoder.encode(texts),
            precision="int8-dynamic",
            settings=ParitySettings(int8_min_invariance=0.99999),
        )


def test_figures_are_the_cosines_of_the_turns() -> None:
    settings = ParitySettings(min_cosine=0.9, min_invariance=0.9)
    parity = check(TurningEncoder(in_batch=10, padded=20), TEXTS, turned(TEXTS, 5), settings=settings)
    assert parity.texts == len(TEXTS)
    assert parity.min_cosine == pytest.approx(math.cos(5 * DEGREE), abs=1e-6)
    assert parity.batch_invariance == pytest.approx(math.cos(10 * DEGREE), abs=1e-6)
    assert parity.padding_invariance == pytest.approx(math.cos(20 * DEGREE), abs=1e-6)


def test_gate_names_figure_limit_and_the_worst_text_shortened() -> None:
    reference = turned(TEXTS, 0)
    reference[4] = -reference[4]
    with pytest.raises(
        GateError,
        match=r"^fp32 graph: min_cosine -1\.0+ is below 0\.99999; worst text '(word )+w?\w*\.\.\.'; "
        r"export it again, or allow that much by export\.parity\.min_cosine$",
    ):
        check(TurningEncoder(), TEXTS, reference)


@pytest.mark.parametrize("figure", ["batch_invariance", "padding_invariance"])
def test_invariance_is_gated_in_float(figure: str) -> None:
    candidate = TurningEncoder(in_batch=5) if figure == "batch_invariance" else TurningEncoder(padded=5)
    with pytest.raises(GateError, match=rf"fp32 graph: {figure} 0\.99619\d is below 0\.9999"):
        check(candidate, TEXTS, turned(TEXTS, 0))


@pytest.mark.parametrize("precision", ["int8-row", "int8-static"])
def test_int8_of_fixed_or_own_scales_is_held_to_the_batch_like_float_and_to_torch_like_int8(precision: str) -> None:
    figures = check(TurningEncoder(), TEXTS, turned(TEXTS, 10), precision=precision)
    assert figures.min_cosine == pytest.approx(math.cos(10 * DEGREE), abs=1e-6)
    with pytest.raises(GateError, match=rf"{precision} graph: batch_invariance 0\.99619\d is below 0\.9999"):
        check(TurningEncoder(in_batch=5), TEXTS, turned(TEXTS, 0), precision=precision)
    with pytest.raises(GateError, match=rf"{precision} graph: min_cosine 0\.9396\d\d is below 0\.95"):
        check(TurningEncoder(), TEXTS, turned(TEXTS, 20), precision=precision)


def test_4_bits_have_a_limit_of_their_own_and_are_held_to_the_batch_only_if_asked() -> None:
    for precision in ("int4", "int8-weights"):
        check(TurningEncoder(in_batch=5), TEXTS, turned(TEXTS, 10), precision=precision)
        settings = ParitySettings(int8_min_invariance=0.9999)
        with pytest.raises(GateError, match=rf"{precision} graph: batch_invariance 0\.99619\d is below 0\.9999"):
            check(TurningEncoder(in_batch=5), TEXTS, turned(TEXTS, 10), precision=precision, settings=settings)
    check(TurningEncoder(), TEXTS, turned(TEXTS, 30), precision="int4")
    with pytest.raises(GateError, match=r"int4 graph: min_cosine 0\.819\d\d\d is below 0\.85"):
        check(TurningEncoder(), TEXTS, turned(TEXTS, 35), precision="int4")


def test_another_models_vectors_do_not_pass(artifact: Path) -> None:
    other = tiny_encoder("bert", dim=24, max_length=64, seed=1)
    with pytest.raises(GateError, match="fp32 graph: min_cosine"):
        check_parity(OnnxEncoder(artifact, threads=1), TEXTS, other.encode(TEXTS))


def test_vectors_that_are_no_numbers_do_not_pass() -> None:
    reference = turned(TEXTS, 0)
    reference[2] = np.nan
    with pytest.raises(GateError, match="min_cosine nan is below 0.99999; worst text 'Two dogs run"):
        check(TurningEncoder(), TEXTS, reference)


def test_reference_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match=r"the reference is \[7, 3\], not \[7, 2\]"):
        check(TurningEncoder(), TEXTS, np.zeros((7, 3), np.float32))


@pytest.mark.parametrize("outputs", [1, 3])
def test_comparator_parity(outputs: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    comparator = Comparator(24, outputs, hidden=16)
    export_comparator(comparator, tmp_path / "comparator.onnx")
    served = OnnxComparator(tmp_path / "comparator.onnx")
    u, v = torch.randn(2, 50, 24)
    with torch.inference_mode():
        reference = comparator(u, v).numpy()
    flat = reference[:, 0] if outputs == 1 else reference
    assert check_comparator_parity(served, u.numpy(), v.numpy(), flat) <= 1e-5
    said = r"comparator: a logit is \d\.\d+e\S+ from torch's, above the limit 1\.00e-04; .* by .*comparator_difference$"
    with pytest.raises(GateError, match=said):
        check_comparator_parity(served, v.numpy(), u.numpy(), flat)
    with pytest.raises(InputError, match=rf"the reference is \[1, {outputs}\], not \[50, {outputs}\]"):
        check_comparator_parity(served, u.numpy(), v.numpy(), reference[:1])


@pytest.mark.parametrize(
    ("precision", "remedy"),
    [
        ("fp32", "export it again, or allow that much by export.parity.min_cosine"),
        ("fp16", "allow that much by export.parity.fp16_min_cosine, or leave fp16 out of export.precisions"),
        ("int8", "try fp16, or leave int8 out of export.precisions"),
        ("int8-dynamic", "try int8-row, which scales each token by itself, or leave int8-dynamic out of "
         "export.precisions"),
        ("int8-row", "keep more of it in float32 (export.int8_row: outliers or min_cosine), or leave int8-row out of "
         "export.precisions"),
        ("int8-static", "try int8-row, or more of export.calibration.texts, or leave int8-static out of "
         "export.precisions"),
        ("int8-weights", "try int8-row, or a smaller export.int8_weights.block, or leave int8-weights out of "
         "export.precisions"),
        ("int4", "try int8-weights, or fine-tune for its rounding (export.quantize_aware), or leave int4 out of "
         "export.precisions"),
    ],
)  # fmt: skip
def test_a_missed_gate_says_what_to_do(precision: str, remedy: str) -> None:
    with pytest.raises(GateError, match=f"; {re.escape(remedy)}$"):
        check(TurningEncoder(), TEXTS, turned(TEXTS, 90), precision=precision)


@pytest.mark.parametrize(("precision", "degrees", "limit"), [("fp16", 1, 0.9999), ("int8", 9, 0.99)])
def test_tables_have_limits_of_their_own_and_are_held_to_the_batch(precision: str, degrees: int, limit: float) -> None:
    check(TurningEncoder(), TEXTS, turned(TEXTS, degrees / 2), precision=precision)
    with pytest.raises(GateError, match=rf"{precision} graph: min_cosine 0\.9\d+ is below {limit}"):
        check(TurningEncoder(), TEXTS, turned(TEXTS, degrees), precision=precision)
    with pytest.raises(GateError, match=rf"{precision} graph: batch_invariance 0\.99619\d is below 0\.9999"):
        check(TurningEncoder(in_batch=5), TEXTS, turned(TEXTS, 0), precision=precision)


def test_a_static_student_has_no_layers_to_fine_tune() -> None:
    with pytest.raises(GateError, match=r"; try int8, or leave int4 out of export\.precisions$"):
        check(TurningEncoder(), TEXTS, turned(TEXTS, 90), precision="int4", static=True)


def test_what_to_do_depends_on_what_missed() -> None:
    settings = ParitySettings(int8_min_invariance=0.9999)
    turning, reference = TurningEncoder(in_batch=5), turned(TEXTS, 0)
    for precision, remedy in (
        ("fp32", "export it again, or allow that much by export.parity.min_invariance"),
        ("int8-row", "leave int8-row out of export.precisions, or allow that much by export.parity.min_invariance"),
        ("int4", "try int8-row, which does not depend on the batch, or leave export.parity.int8_min_invariance out"),
    ):
        with pytest.raises(GateError, match=f"; {remedy}$"):
            check(turning, TEXTS, reference, precision=precision, settings=settings)
    with pytest.raises(GateError, match=r"^OpenVINO's int8 IR: .*; leave it out of export\.openvino$"):
        check(turning, TEXTS, reference, called="OpenVINO's int8 IR")
    reference[2] = np.nan
    with pytest.raises(GateError, match="; its weights give no numbers there: train it again at a lower learning_rate"):
        check(TurningEncoder(), TEXTS, reference)
