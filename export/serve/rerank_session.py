"""A re-ranker's graph at work: numpy, tokenizers and onnxruntime, nothing of torch or transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from decant.errors import InputError, one_line
from decant.files import read_object
from decant.training.cores import usable_cores
from export.artifact.manifest import GRAPH
from export.serve.parallel_batches import ParallelBatches, Rows
from export.serve.read_tokenizer import read_tokenizer
from export.serve.session import Progress, open_session
from teachers.cross_encoders.class_names import stated_names
from teachers.cross_encoders.cross_folder import read_cross_folder


class OnnxReranker:
    """Pairs of texts → raw scores, from a re-ranker's folder.

    Args:
        folder: holds config.json, tokenizer.json, tokenizer_config.json and the graph.
        threads: threads that work at a time; all that this process may use, unless given. They share the batch where
            there is one, and take one each where there are more: for that the graph is held twice.

    Raises:
        InputError: a file is missing or damaged, or the graph is not a cross-encoder's.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._tokenizer, self._pad_id, self.max_length = read_tokenizer(folder)
        self._graph = folder / GRAPH
        session = open_session(self._graph, threads)
        self._parallel = ParallelBatches(session, threads or usable_cores(), partial(open_session, self._graph, 1))
        self._inputs = {edge.name for edge in session.get_inputs()}
        shapes = {edge.name: edge.shape for edge in session.get_outputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs or set(shapes) != {"logits"}:
            raise InputError(
                f"{self._graph} is no cross-encoder: it maps {sorted(self._inputs)} to {sorted(shapes)}, not input_ids "
                "and attention_mask to logits; export it with Decant"
            )
        self.outputs = int(shapes["logits"][-1])
        self.prompt = read_cross_folder(folder).prompt
        """Put before the first text of each pair."""
        config = folder / "config.json"
        self.classes = stated_names(config, read_object(config), self.outputs) or ()
        """What the scores of a pair stand for, in their order; none where it is not known."""

    def score(
        self, pairs: Sequence[tuple[str, str]], batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Raw scores, float32 [pairs], or [pairs, classes], in the order of the pairs; batches are of like length.

        Args:
            pairs: the query first, as the labels have it.
            batch_size: pairs a run at most, 1 or more.
            progress: called with the number of pairs finished since its last call.

        Raises:
            InputError: the graph cannot be run on a batch of them.
        """
        scores = np.zeros((len(pairs), self.outputs), np.float32)
        rows = self._tokenizer.encode_batch([(self.prompt + one, two) for one, two in pairs]) if pairs else []

        def run(session: Any, chosen: Rows) -> NDArray[np.float32]:
            return self._run(session, [rows[row] for row in chosen])

        for chosen, found in self._parallel.run([len(row.ids) for row in rows], batch_size, run):
            scores[chosen] = found
            if progress is not None:
                progress(len(chosen))
        return scores[:, 0] if self.outputs == 1 else scores

    def _run(self, session: Any, rows: Sequence[Encoding]) -> NDArray[np.float32]:
        shape = len(rows), max(len(row.ids) for row in rows)
        feed = {
            "input_ids": np.full(shape, self._pad_id, np.int64),
            "attention_mask": np.zeros(shape, np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }
        for index, row in enumerate(rows):
            length = len(row.ids)
            feed["input_ids"][index, :length] = row.ids
            feed["attention_mask"][index, :length] = 1
            feed["token_type_ids"][index, :length] = row.type_ids
        try:
            logits: NDArray[np.float32] = session.run(
                ["logits"], {name: value for name, value in feed.items() if name in self._inputs}
            )[0]
        except Exception as error:  # onnxruntime's own errors share no base
            raise InputError(f"{self._graph} cannot be run on a batch of pairs: {one_line(error)}") from error
        return logits
