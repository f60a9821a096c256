"""OpenVINO's intermediate representation (IR) of an encoder: made of its ONNX graph, quantized, and run."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from decant.errors import InputError, one_line
from decant.files import written_whole
from decant.training.cores import usable_cores

IrPrecision = Literal["fp32", "int8"]
Feed = Mapping[str, NDArray[np.int64]]
FILES: dict[IrPrecision, str] = {  # the names that optimum-intel and sentence-transformers look for
    "fp32": "openvino/openvino_model.xml",
    "int8": "openvino/openvino_model_qint8_quantized.xml",
}
PACKAGES: dict[IrPrecision, tuple[str, ...]] = {"fp32": ("openvino",), "int8": ("openvino", "nncf")}
OUTPUT = "sentence_embedding"


class IrQuantizeSettings(BaseModel, frozen=True, extra="forbid"):
    """How much the int8 IR may differ."""

    max_drop: float = Field(
        default=0.005,
        gt=0,
        le=1,
        description="Mean cosine to fp32 on the calibration texts is at least 1 - this; operations stay fp32 for it.",
    )


@dataclass(frozen=True)
class Edge:
    """An input or output: its name and shape, None where a size may vary."""

    name: str
    shape: list[int | None]


class IrSession:
    """An IR at work on the CPU, with the methods of an onnxruntime session that `OnnxEncoder` calls.

    Products are float32: on a processor with bfloat16 OpenVINO would else take that, which is less exact.

    Args:
        path: the .xml file.
        threads: threads of one run; all that this process may use, unless given.

    Raises:
        InputError: the package or the file is missing, or it is no IR.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if not path.is_file():
            raise InputError(f"{path} is missing: there is no IR to run; export the model again")
        config = {
            "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads or usable_cores(),
            "PERFORMANCE_HINT": "LATENCY",
        }  # fmt: skip
        try:
            self._model = _openvino().Core().compile_model(str(path), "CPU", config)
        except RuntimeError as error:
            raise InputError(f"{path} cannot be run ({one_line(error)}); export the model again") from error
        self._request = self._model.create_infer_request()

    def get_inputs(self) -> list[Edge]:
        """What it takes."""
        return [_edge(one) for one in self._model.inputs]

    def get_outputs(self) -> list[Edge]:
        """What it gives."""
        return [_edge(one) for one in self._model.outputs]

    def run(self, names: Sequence[str], feed: Feed) -> list[NDArray[Any]]:
        """The named outputs, in a memory of their own."""
        found = self._request.infer(dict(feed), share_inputs=True)
        return [found[name].copy() for name in names]


def missing_for_ir(precision: IrPrecision) -> str | None:
    """What this machine lacks to make such an IR, as the end of a sentence; None: nothing."""
    absent = [name for name in PACKAGES[precision] if importlib.util.find_spec(name) is None]
    return f"the package {' and '.join(absent)} (pip install 'decant[openvino]')" if absent else None


def ir_versions() -> dict[str, str]:
    """Versions of the packages that make it, of those that are installed."""
    return {name: version(name) for name in PACKAGES["int8"] if importlib.util.find_spec(name) is not None}


def write_ir(graph: Path, target: Path) -> None:
    """Write the IR of an ONNX graph, its weights as they are.

    Args:
        graph: as `export_encoder` writes it.
        target: the .xml file; the weights go into a .bin file beside it.

    Raises:
        InputError: the graph is missing, or OpenVINO cannot read it.
    """
    if not graph.is_file():
        raise InputError(f"{graph} is missing; export the encoder first")
    try:
        model = _openvino().Core().read_model(str(graph))
    except RuntimeError as error:
        raise InputError(f"{graph}: OpenVINO cannot read it: {one_line(error)}") from error
    _save(model, target)


def quantize_ir(
    source: Path, target: Path, batches: Sequence[Feed], settings: IrQuantizeSettings | None = None
) -> float:
    """Write the int8 IR of a float32 one, by NNCF with its accuracy control.

    Weights and activations of the products become int8, with fixed scales. Where the vectors' mean cosine to the
    float32 ones falls short, NNCF gives the operations that cost the most back their float32.

    Args:
        source: the float32 .xml file.
        target: the int8 .xml file.
        batches: texts for the scales and for the cosine.
        settings: how far it may differ.

    Returns:
        The mean cosine.

    Raises:
        InputError: a package is missing, or NNCF cannot quantize the model.
    """
    missing = missing_for_ir("int8")
    if missing is not None:
        raise InputError(f"no int8 IR can be made here; it needs {missing}")
    os.environ.setdefault("NNCF_CI", "1")  # else it reports its use over the network
    nncf, model = importlib.import_module("nncf"), _openvino().Core().read_model(str(source))
    whole = IrSession(source)
    expected = [whole.run([OUTPUT], batch)[0] for batch in batches]

    def cosine(compiled: Any, items: Iterable[int]) -> tuple[float, None]:
        found = [(compiled(dict(batches[item]))[OUTPUT] * expected[item]).sum(axis=1) for item in items]
        return float(np.concatenate(found).mean()), None

    each = nncf.Dataset(_texts_alone(batches))
    settings = settings or IrQuantizeSettings()
    with _quiet(nncf):
        try:
            quantized = nncf.quantize_with_accuracy_control(
                model, each, nncf.Dataset(list(range(len(batches)))), cosine,
                max_drop=settings.max_drop, drop_type=nncf.DropType.ABSOLUTE, model_type=nncf.ModelType.TRANSFORMER,
                subset_size=sum(len(batch["input_ids"]) for batch in batches),
                advanced_quantization_parameters=_unsmoothed(),
            )  # fmt: skip
        except (RuntimeError, nncf.InternalError, nncf.ValidationError) as error:
            raise InputError(f"{source}: NNCF cannot quantize it: {one_line(error)}") from error
    _save(quantized, target)
    served = IrSession(target)
    pairs = zip(batches, expected, strict=True)
    return float(
        np.concatenate([(served.run([OUTPUT], batch)[0] * right).sum(axis=1) for batch, right in pairs]).mean()
    )


def _unsmoothed() -> Any:
    """NNCF's parameters without SmoothQuant.

    On a student of three MiniLM layers NNCF 3.4 gave a mean cosine of 0.962 with it and 0.994 without; and the
    operations that it gave their float32 back kept the smoothing's factors, which left 0.295.
    """
    advanced = importlib.import_module("nncf.quantization.advanced_parameters")
    off = advanced.AdvancedSmoothQuantParameters(matmul=-1, convolution=-1)
    return advanced.AdvancedQuantizationParameters(smooth_quant_alphas=off)


def _texts_alone(batches: Sequence[Feed]) -> list[dict[str, NDArray[np.int64]]]:
    """Every text as a batch of its own, so that no padding is taken for what activations are like."""
    return [
        {name: values[row : row + 1, : int(batch["attention_mask"][row].sum())] for name, values in batch.items()}
        for batch in batches
        for row in range(len(batch["input_ids"]))
    ]


@contextmanager
def _quiet(nncf: Any) -> Iterator[None]:
    """No log and no progress bars of NNCF."""
    log = logging.getLogger("nncf")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        log.setLevel(level)


def _save(model: Any, target: Path) -> None:
    """Both files; the .xml, which is looked for first, appears last."""
    with written_whole(target) as written:
        _openvino().save_model(model, str(written), compress_to_fp16=False)
        written.with_suffix(".bin").replace(target.with_suffix(".bin"))


def _openvino() -> Any:
    missing = missing_for_ir("fp32")
    if missing is not None:
        raise InputError(f"no IR can be made or run here; it needs {missing}")
    return importlib.import_module("openvino")


def _edge(port: Any) -> Edge:
    sizes = [None if size.is_dynamic else int(size.get_length()) for size in port.get_partial_shape()]
    return Edge(str(port.get_any_name()), sizes)
