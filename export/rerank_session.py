"""A re-ranker's graph at work: numpy, tokenizers and onnxruntime, nothing of torch or transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from export.lanes import token_batches
from export.manifest import GRAPH
from export.session import Progress, open_session, read_tokenizer
from teachers.errors import InputError, one_line


class OnnxReranker:
    """Pairs of texts → raw scores, from a re-ranker's folder.

    Args:
        folder: holds tokenizer.json, tokenizer_config.json and the graph.
        threads: threads of one run; all that this process may use, unless given.

    Raises:
        InputError: a file is missing or damaged, or the graph is not a cross-encoder's.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._tokenizer, self._pad_id, self.max_length = read_tokenizer(folder)
        self._graph = folder / GRAPH
        self._session = open_session(self._graph, threads)
        self._inputs = {edge.name for edge in self._session.get_inputs()}
        shapes = {edge.name: edge.shape for edge in self._session.get_outputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs or set(shapes) != {"logits"}:
            raise InputError(
                f"{self._graph} is no cross-encoder: it maps {sorted(self._inputs)} to {sorted(shapes)}, not input_ids "
                "and attention_mask to logits; export it with Decant"
            )
        self.outputs = int(shapes["logits"][-1])

    def score(
        self, pairs: Sequence[tuple[str, str]], batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Raw scores, float32 [pairs], or [pairs, classes], in the order of the pairs; batches are of like length.

        Args:
            pairs: the query first, as the labels have it.
            batch_size: pairs a run, 1 or more.
            progress: called with the number of pairs finished since its last call.

        Raises:
            InputError: the graph cannot be run on a batch of them.
        """
        scores = np.zeros((len(pairs), self.outputs), np.float32)
        rows = self._tokenizer.encode_batch(list(pairs)) if pairs else []
        for chosen in token_batches([len(row.ids) for row in rows], most_rows=batch_size):
            scores[chosen] = self._run([rows[row] for row in chosen])
            if progress is not None:
                progress(len(chosen))
        return scores[:, 0] if self.outputs == 1 else scores

    def _run(self, rows: Sequence[Encoding]) -> NDArray[np.float32]:
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
            logits: NDArray[np.float32] = self._session.run(
                ["logits"], {name: value for name, value in feed.items() if name in self._inputs}
            )[0]
        except Exception as error:  # onnxruntime's own errors share no base
            raise InputError(f"{self._graph} cannot be run on a batch of pairs: {one_line(error)}") from error
        return logits
