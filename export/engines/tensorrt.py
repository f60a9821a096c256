"""TensorRT engines, built from an encoder's ONNX graph.

TensorRT-RTX builds on any x86-64 machine, with no GPU: its engine is finished on the GPU that loads it. The
data-centre TensorRT times its kernels while it builds, so that it needs the GPU, and its engine runs on no other.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from decant.errors import GateError, InputError, one_line
from decant.files import write_json
from export.engines.engine import PORTABLE, PRODUCTS, EngineFacts, EngineKind, EngineShapes, Product, Shape
from export.engines.engine_log import layers_by_type, read_layers, read_memory
from export.serve.gpu import gpu

MIB = 2**20


def what_is_missing(kind: EngineKind) -> str | None:
    """What this machine lacks to build such an engine, as the end of a sentence; None: nothing."""
    product = PRODUCTS[kind]
    needs = []
    if product.needs_gpu and gpu() is None:
        needs.append("an NVIDIA GPU with its driver")
    if importlib.util.find_spec(product.module) is None:
        needs.append(f"the package {product.package} (pip install 'decant[{product.package}]')")
    return " and ".join(needs) or None


def builder_version(kind: EngineKind) -> str:
    """Version of the library that builds it."""
    return str(_library(kind).__version__)


def build_engine(
    graph: Path, folder: Path, kind: EngineKind, max_length: int, shapes: EngineShapes | None = None,
    timing_cache: Path | None = None,
) -> EngineFacts:  # fmt: skip
    """Build an engine and write it, with what is known of it and of each layer as JSON beside it.

    The file's name says version and precision, and the GPU where the engine runs on no other. Products are
    computed in just the graph's number types: float32 is not rounded to TF32.

    Args:
        graph: the encoder's ONNX graph in the kind's precision.
        folder: where to; made if it is not there.
        kind: what to build.
        max_length: tokens that the model takes at most.
        shapes: what the engine takes; default: 1×2 to 128×256.
        timing_cache: what earlier builds on this GPU with this version measured; read where it is there, and
            written. Only the data-centre library has one.

    Raises:
        InputError: the machine lacks what it takes, or the graph cannot be built; one line.
        GateError: the builder wrote what its own runtime takes for no engine.
    """
    missing = what_is_missing(kind)
    if missing is not None:
        raise InputError(f"{kind}: no engine can be built here; it needs {missing}")
    product, library, device = PRODUCTS[kind], _library(kind), gpu()
    tied = device if product.needs_gpu else None
    stem = "-".join([product.package, str(library.__version__), product.precision, *(_slugs(*tied) if tied else [])])
    limits = (shapes or EngineShapes()).up_to(max_length)
    started = time.perf_counter()
    plan, log = _build(library, graph, limits, timing_cache)
    seconds = time.perf_counter() - started
    inspected = _inspect(library, plan, product)
    layers, memory = read_layers(inspected or log), read_memory(log)
    facts = EngineFacts(
        kind=kind, version=str(library.__version__), precision=product.precision,
        runs_on=f"{tied[0]} (compute capability {tied[1]})" if tied else PORTABLE, file=f"{stem}.engine",
        sha256=hashlib.sha256(plan).hexdigest(), size_mib=len(plan) / MIB, build_seconds=seconds, shapes=limits,
        layers=len(layers), layers_by_type=layers_by_type(layers),
        weights_mib=memory["weights"] / MIB if "weights" in memory else None,
        activations_mib=memory["activations"] / MIB if "activations" in memory else None,
        checked="header" if inspected is None else "deserialised",
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / facts.file).write_bytes(plan)
    every = [asdict(layer) for layer in layers]
    write_json(folder / f"{stem}.json", facts.model_dump(mode="json") | {"inspection": every}, sort_keys=True)
    return facts


def _library(kind: EngineKind) -> Any:
    return importlib.import_module(PRODUCTS[kind].module)


def _slugs(name: str, capability: str) -> list[str]:
    return [re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"), f"sm{capability.replace('.', '')}"]


def _build(
    library: Any, graph: Path, limits: tuple[Shape, Shape, Shape], timing_cache: Path | None
) -> tuple[bytes, str]:
    """The serialized engine and the builder's log."""
    log, lines = _recorder(library)
    builder = library.Builder(log)
    network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = library.OnnxParser(network, log)
    if not parser.parse(_read(graph)):
        fault = parser.get_error(0)
        where = f"{fault.node_operator()} {fault.node_name()}".strip()
        raise InputError(f"{graph}: TensorRT cannot read it: {where or 'the file'}: {one_line(fault.desc())}")
    config = builder.create_builder_config()
    config.clear_flag(library.BuilderFlag.TF32)
    config.profiling_verbosity = library.ProfilingVerbosity.DETAILED
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        profile.set_shape(network.get_input(index).name, *limits)
    config.add_optimization_profile(profile)
    cache = None
    if timing_cache is not None:
        cache = config.create_timing_cache(timing_cache.read_bytes() if timing_cache.is_file() else b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise InputError(f"{graph}: TensorRT cannot build it: {_first_error(lines)}")
    if timing_cache is not None and cache is not None:
        timing_cache.write_bytes(bytes(cache.serialize()))
    return bytes(plan), "\n".join(text for _, text in lines)


def _inspect(library: Any, plan: bytes, product: Product) -> str | None:
    """The engine's own account of its layers; None where only its header could be checked, for want of a GPU.

    Raises:
        GateError: the runtime cannot read it.
    """
    log, lines = _recorder(library)
    runtime = library.Runtime(log)
    if not product.needs_gpu:
        verdict, faults = runtime.get_engine_validity(plan[: runtime.engine_header_size])
        if faults & int(library.EngineInvalidityDiagnostics.MALFORMED_ENGINE):
            raise GateError(f"{product.package} built what its own runtime takes for no engine")
        if verdict == library.EngineValidity.INVALID:  # no GPU, or one that it does not run on
            return None
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise GateError(f"{product.package} cannot load the engine that it built: {_first_error(lines)}")
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(library.LayerInformationFormat.ONELINE))


def _recorder(library: Any) -> tuple[Any, list[tuple[Any, str]]]:
    """A logger that keeps everything and prints nothing, and the (severity, text) that it has kept."""
    lines: list[tuple[Any, str]] = []

    class Recorder(library.ILogger):
        """Keeps what it is told."""

        def __init__(self) -> None:
            library.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            lines.append((severity, msg))

    return Recorder(), lines


def _read(graph: Path) -> bytes:
    if not graph.is_file():
        raise InputError(f"{graph} is missing; export the encoder first")
    return graph.read_bytes()


def _first_error(lines: list[tuple[Any, str]]) -> str:
    errors = [text for severity, text in lines if severity.name == "ERROR"]
    return one_line(errors[0]) if errors else "it does not say why"
