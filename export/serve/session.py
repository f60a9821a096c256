"""Exported graphs at work: numpy, tokenizers and onnxruntime (or OpenVINO), nothing of torch or transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from decant.errors import InputError, one_line
from decant.models.layout import Similarity
from decant.models.prompts import prompted, read_prompts
from decant.training.cores import usable_cores
from export.engines.openvino_ir import IrSession
from export.graphs.vector_kinds import OUTPUTS, WHOLE, SmallVector
from export.serve.parallel_batches import ParallelBatches, Rows
from export.serve.providers import CPU, Provider, best_providers, provider_name
from export.serve.read_tokenizer import not_a_text, read_tokenizer

Progress = Callable[[int], None]
Vectors = NDArray[np.float32]
COMPARE_ROWS = 4096
QUIET = 3  # onnxruntime's log level for errors only


class OnnxEncoder:
    """Text → unit vector, from an artifact folder.

    Args:
        folder: holds tokenizer.json, tokenizer_config.json and the graph.
        threads: threads that work at a time; all that this process may use, unless given. They share the batch where
            there is one, and take one each where there are more: for that the graph is held twice.
        graph: the graph's path inside the folder; an .xml file is run by OpenVINO, on the CPU.
        providers: onnxruntime's execution providers, the preferred first; None: a GPU's where there is one, as
            `best_providers` finds them.

    Raises:
        InputError: a file is missing or damaged, or the graph is not an encoder's.
    """

    def __init__(
        self,
        folder: Path,
        threads: int | None = None,
        graph: str = "onnx/model.onnx",
        providers: Sequence[Provider] | None = CPU,
    ) -> None:
        self._tokenizer, self.pad_id, self.max_length = read_tokenizer(folder)
        self.prompts, self.unit = read_prompts(folder), True
        self.similarity: Similarity = "cosine"
        chosen = best_providers(self.max_length) if providers is None else providers
        self.graph = folder / graph
        """The file that is run."""
        in_openvino = graph.endswith(".xml")
        self._session: Any = (
            IrSession(self.graph, threads) if in_openvino else open_session(self.graph, threads, chosen)
        )
        parallel = 1 if in_openvino or tuple(chosen) != CPU else threads or usable_cores()
        self._parallel = ParallelBatches(self._session, parallel, partial(open_session, self.graph, 1))
        self._inputs = {edge.name for edge in self._session.get_inputs()}
        shapes = {edge.name: edge.shape for edge in self._session.get_outputs()}
        shape = shapes.get(WHOLE, [])
        if not {"input_ids", "attention_mask"} <= self._inputs or not shape or not isinstance(shape[-1], int):
            raise InputError(
                f"{folder / graph} is no encoder: it maps {sorted(self._inputs)} to {sorted(shapes)}, "
                "not input_ids and attention_mask to sentence_embedding [batch, dim]; export it with Decant"
            )
        self.dim = int(shape[-1])
        self._kinds = {"float32": WHOLE} | {kind: name for kind, name in OUTPUTS.items() if name in shapes}

    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Progress | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> Vectors:  # fmt: skip
        """Unit vectors, float32 [texts, dim], in the order of the texts; batches are of like length.

        Args:
            texts: any, empty ones too.
            batch_size: texts a run at most, 1 or more.
            progress: called with the number of texts finished since its last call.
            prompt: as of `SentenceEncoder.encode`.
            unit: as of `SentenceEncoder.encode`; a graph gives unit vectors alone.

        Raises:
            InputError: the graph cannot be run on a batch of them, a vector is not finite, or there is no such prompt.
        """
        given = texts if prompt is None else prompted(texts, self.prompts.given(prompt))
        return cast(Vectors, self._encode(given, WHOLE, np.zeros((0, self.dim), np.float32), batch_size, progress))

    def offers(self, *kinds: str) -> bool:
        """Whether the graph gives all of these vectors: float32, int8, binary."""
        return set(kinds) <= self._kinds.keys()

    def encode_small(
        self, texts: Sequence[str], kind: SmallVector, batch_size: int = 32, progress: Progress | None = None, *,
        prompt: str | None = None,
    ) -> NDArray[np.int8] | NDArray[np.uint8]:  # fmt: skip
        """Vectors as `small_vectors` makes them: int8 [texts, dim], or binary, uint8 [texts, dim / 8].

        Args:
            texts: any, empty ones too.
            kind: one that the graph has.
            batch_size: texts a run at most, 1 or more.
            progress: called with the number of texts finished since its last call.
            prompt: as of `encode`.

        Raises:
            InputError: the graph has no such output.
        """
        if not self.offers(kind):
            raise InputError(
                f"the graph gives {' and '.join(self._kinds)} vectors, not {kind}; export it with vectors: [{kind}]"
            )
        like = np.zeros((0, self.dim), np.int8) if kind == "int8" else np.zeros((0, self.dim // 8), np.uint8)
        given = texts if prompt is None else prompted(texts, self.prompts.given(prompt))
        return self._encode(given, self._kinds[kind], like, batch_size, progress)

    def _encode(
        self, texts: Sequence[str], output: str, like: NDArray[Any], batch_size: int, progress: Progress | None
    ) -> NDArray[Any]:
        vectors = np.zeros((len(texts), like.shape[1]), like.dtype)
        ids = self.tokenize(texts)

        def run(session: Any, rows: Rows) -> NDArray[Any]:
            return self._run(session, [ids[row] for row in rows], output)

        for rows, found in self._parallel.run([len(row) for row in ids], batch_size, run):
            if not np.isfinite(found).all():
                raise InputError(f"{self.graph} gives a vector that is not finite; export the model again")
            vectors[rows] = found
            if progress is not None:
                progress(len(rows))
        return vectors

    def hold(self) -> None:
        """Reads all that it will ever need of its folder, which may go from then on.

        Raises:
            InputError: the graph is missing or damaged by now.
        """
        self._parallel.hold()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, specials included, cut at `max_length`; the padding token where there is none.

        A text gets the default prompt unless it is a `Prompted` one. The cut counts the prompt.

        Raises:
            InputError: a text is no text, or holds half of a surrogate pair.
        """
        if not texts:
            return []
        try:
            given = self.prompts.before(texts)
            return [encoding.ids or [self.pad_id] for encoding in self._tokenizer.encode_batch(given)]
        except (TypeError, UnicodeEncodeError) as error:
            raise InputError(f"{not_a_text(texts)}; give texts that UTF-8 can hold") from error

    def embed(self, ids: Sequence[Sequence[int]], length: int | None = None) -> Vectors:
        """Unit vectors of one batch as it is given, float32 [rows, dim].

        Args:
            ids: one row or more, each of 1..max_length token ids.
            length: the padded length in tokens; the longest row's, unless given.
        """
        return cast(Vectors, self._run(self._session, ids, WHOLE, length))

    def feed(self, ids: Sequence[Sequence[int]], length: int | None = None) -> dict[str, NDArray[np.int64]]:
        """What the graph takes of one batch, int64 [rows, length] each; arguments as of `embed`."""
        longest = max(len(row) for row in ids)
        input_ids = np.full((len(ids), length or longest), self.pad_id, np.int64)
        mask = np.zeros_like(input_ids)
        for index, row in enumerate(ids):
            input_ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        feed = {"input_ids": input_ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(input_ids)
        return feed

    def _run(self, session: Any, ids: Sequence[Sequence[int]], output: str, length: int | None = None) -> NDArray[Any]:
        feed = self.feed(ids, length)
        try:
            return cast(NDArray[Any], session.run([output], feed)[0])
        except Exception as error:  # onnxruntime's own errors share no base
            raise InputError(f"{self.graph} cannot be run on a batch of texts: {one_line(error)}") from error


class OnnxComparator:
    """Two sentence vectors → logits.

    Args:
        path: the comparator's graph.
        threads: threads of one run; all that this process may use, unless given.
        providers: onnxruntime's execution providers, the preferred first.

    Raises:
        InputError: the graph is missing, damaged, or not a comparator's.
    """

    def __init__(self, path: Path, threads: int | None = None, providers: Sequence[Provider] = CPU) -> None:
        self._session = open_session(path, threads, providers)
        inputs = {edge.name: edge.shape for edge in self._session.get_inputs()}
        outputs = {edge.name: edge.shape for edge in self._session.get_outputs()}
        if set(inputs) != {"u", "v"} or set(outputs) != {"logits"}:
            raise InputError(f"{path} is no comparator's graph: it maps {sorted(inputs)} to {sorted(outputs)}")
        self.dim, self.outputs = int(inputs["u"][-1]), int(outputs["logits"][-1])

    def logits(self, u: Vectors, v: Vectors) -> NDArray[np.float32]:
        """Logits, float32 [pairs, outputs], of u and v, each float32 [pairs, dim]; not symmetric in them.

        Raises:
            InputError: the shapes do not fit each other or the graph.
        """
        if u.shape != v.shape or u.ndim != 2 or u.shape[1] != self.dim:
            raise InputError(f"u {u.shape} and v {v.shape} must both be [pairs, {self.dim}]")
        logits = np.zeros((len(u), self.outputs), np.float32)
        for start in range(0, len(u), COMPARE_ROWS):
            rows = slice(start, start + COMPARE_ROWS)
            feed = {"u": u[rows].astype(np.float32), "v": v[rows].astype(np.float32)}
            logits[rows] = self._session.run(["logits"], feed)[0]
        return logits


def open_session(path: Path, threads: int | None = None, providers: Sequence[Provider] = CPU) -> ort.InferenceSession:
    """An onnxruntime session that logs errors only.

    Raises:
        InputError: the graph is missing or damaged, `threads` is below 1, or a provider is not there.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: there is no graph to run; export the model again")
    if threads is not None and threads < 1:
        raise InputError(f"threads {threads}: at least 1 is needed")
    present = ort.get_available_providers()
    absent = [name for name in map(provider_name, providers) if name not in present]
    if absent:  # onnxruntime would only warn, and run on the CPU
        raise InputError(f"onnxruntime has no {absent[0]} here; it has {', '.join(present)}")
    try:
        return ort.InferenceSession(str(path), session_options(threads), providers=list(providers))
    except Exception as error:  # onnxruntime's own errors share no base
        raise InputError(f"{path} cannot be run ({one_line(error)}); export the model again") from error


def run_in_memory(graph: bytes) -> ort.InferenceSession:
    """A session on the CPU of a serialized graph that is not stored, with all threads that this process may use."""
    return ort.InferenceSession(graph, session_options(None), providers=list(CPU))


def session_options(threads: int | None) -> ort.SessionOptions:
    """How every session runs: with so many threads, all that this process may use for None, and logging errors only."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    # threads that spin on after a run would slow down whatever else runs on their cores, another model's timing too
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
