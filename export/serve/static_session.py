"""Static students at work: numpy, scipy and tokenizers; no onnxruntime, nothing of torch or safetensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError, one_line
from decant.files import read_object
from decant.models.folder_files import CONFIG, TOKENIZER, WEIGHTS
from decant.models.layout import Similarity
from decant.models.prompts import prompted, read_prompts
from decant.models.table_folder import MODEL_TYPE, is_static
from decant.models.token_table import check_table
from export.graphs.vector_kinds import SmallVector
from export.quantize.static_table import own_direction, table_shape, take_rows
from export.serve.bert_words import END, bert_words
from export.serve.read_tokenizer import not_a_text, read_tokenizer
from export.serve.safetensors_file import read_tensors
from export.serve.word_rows import Word, WordRows

Progress = Callable[[int], None]
Vectors = NDArray[np.float32]
CHUNK = 1024  # texts that are summed at a time


class StaticSession:
    """Text → unit vector, from a static student's folder: the sum of its tokens' rows, at unit length.

    A text whose sum is zero, such as an empty one, gets the table's own direction, `own_direction`. Texts beyond
    `max_length` tokens are cut. A text's vector does not depend on the others that are given with it.

    Args:
        folder: holds model.safetensors, tokenizer.json and tokenizer_config.json.
        threads: as of `OnnxEncoder`. One works here, and the tokenizer's own where a text's words do not do.

    Raises:
        InputError: a file is missing or damaged, or the table is no static student's.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads {threads}: at least 1 is needed")
        _check_config(folder)
        self._tokenizer, self.pad_id, self.max_length = read_tokenizer(folder)
        self.prompts, self.unit = read_prompts(folder), True
        self.similarity: Similarity = "cosine"
        self.graph = folder / WEIGHTS
        """The file that is read."""
        self._tensors = read_tensors(self.graph)
        try:
            rows, self.dim = table_shape(self._tensors)
        except InputError as error:
            raise InputError(f"{self.graph}: {error}; export it again") from error
        check_table(folder, self._tokenizer.get_vocab(), rows)
        self._words = bert_words(self._tokenizer)
        self._held = WordRows(self._tokens_of, lambda ids: take_rows(self._tensors, ids), self.dim)
        self._direction: Vectors | None = None

    def encode(
        self, texts: Sequence[str], batch_size: int = CHUNK, progress: Progress | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> Vectors:  # fmt: skip
        """Unit vectors, float32 [texts, dim], in the order of the texts.

        Args:
            texts: any, empty ones too.
            batch_size: as of `OnnxEncoder`; how many texts are summed at a time changes nothing here.
            progress: called with the number of texts finished since its last call.
            prompt: as of `SentenceEncoder.encode`.
            unit: as of `SentenceEncoder.encode`; this gives unit vectors alone.

        Raises:
            InputError: a text is no text, a vector is not finite, or there is no such prompt.
        """
        given = texts if prompt is None else prompted(texts, self.prompts.given(prompt))
        try:
            before, found = self.prompts.before(given), []
            for start in range(0, len(before), CHUNK):
                with np.errstate(over="ignore", invalid="ignore"):  # which is refused
                    found.append(self._of_texts(before[start : start + CHUNK]))
                if progress is not None:
                    progress(len(found[-1]))
        except (TypeError, AttributeError, UnicodeEncodeError) as error:
            raise InputError(f"{not_a_text(given)}; give texts that UTF-8 can hold") from error
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *found])

    def offers(self, *kinds: str) -> bool:
        """Whether it gives all of these vectors: float32 alone."""
        return set(kinds) <= {"float32"}

    def encode_small(
        self, texts: Sequence[str], kind: SmallVector, batch_size: int = CHUNK, progress: Progress | None = None, *,
        prompt: str | None = None,
    ) -> NDArray[Any]:  # fmt: skip
        """No such vectors are made here.

        Raises:
            InputError: always.
        """
        raise InputError(f"a static student gives float32 vectors, not {kind}; take those, or an artifact with layers")

    def hold(self) -> None:
        """Reads all that it will ever need of its folder, which may go from then on."""
        self._tensors = {name: np.array(tensor) for name, tensor in self._tensors.items()}

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut at `max_length`; the padding token where there is none; prompts as elsewhere.

        Raises:
            InputError: a text is no text, or holds half of a surrogate pair.
        """
        try:
            return [ids or [self.pad_id] for ids in self._token_ids(self.prompts.before(texts))]
        except (TypeError, UnicodeEncodeError) as error:
            raise InputError(f"{not_a_text(texts)}; give texts that UTF-8 can hold") from error

    def embed(self, ids: Sequence[Sequence[int]], length: int | None = None) -> Vectors:
        """Unit vectors of one batch as it is given, float32 [rows, dim]; nothing is padded, whatever the length."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._units(self._sums_of_ids(ids))

    def _of_texts(self, texts: list[str]) -> Vectors:
        """Vectors of texts behind their prompts: by their words where that is sure, else by the tokenizer."""
        if self._held.full:  # other threads may be at work on it, and go on with it
            self._held = self._held.younger()
        if len(texts) == 1 and self._words is not None:
            found = self._of_one(texts[0])
            if found is not None:
                return found
        sums, left = np.zeros((len(texts), self.dim), np.float32), np.ones(len(texts), bool)
        if self._words is not None:
            in_ascii = np.fromiter(map(str.isascii, texts), bool, len(texts))
            self._by_words(self._words.of_ascii, texts, np.flatnonzero(in_ascii), sums, left)
            self._by_words(self._words.of_other, texts, np.flatnonzero(~in_ascii), sums, left)
        if left.any():
            sums[left] = self._sums_of_ids(self._token_ids([texts[row] for row in np.flatnonzero(left)]))
        return self._units(sums)

    def _of_one(self, text: str) -> Vectors | None:
        """A text's vector [1, dim], where all its words are known and cannot be more tokens than are kept."""
        held, words = self._held, self._words
        if words is None or not text.isascii() or len(text) > self.max_length:
            return None
        listed = words.of_ascii([text])
        numbers = [-1] if listed is None else [held.numbers.get(word, -1) for word in listed]
        if -1 in numbers:
            return None
        total = np.add.reduce(held.rows.take(numbers, axis=0))
        length = np.sqrt(np.vecdot(total, total))
        return (total / length)[None] if 0 < length < np.inf else self._units(total[None])

    def _by_words(
        self, split: Callable[[Sequence[str]], Sequence[Word] | None], texts: list[str], rows: NDArray[np.int64],
        sums: Vectors, left: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Fill in the sums of those rows' texts that can be split so and need no cut; they are not left then."""
        words = split([texts[row] for row in rows]) if len(rows) else []
        if words is None:
            rows = np.array([row for row in rows if split([texts[row]]) is not None], np.int64)
            words = split([texts[row] for row in rows]) if len(rows) else []
        if not words:
            return
        held = self._held
        found, tokens = held.sums(held.numbers_of(words))
        whole = tokens <= self.max_length
        sums[rows[whole]], left[rows[whole]] = found[whole], False

    def _sums_of_ids(self, ids: Sequence[Sequence[int]]) -> Vectors:
        held = self._held
        words: list[Word] = []
        for row in ids:
            words += row
            words.append(END)
        return held.sums(held.numbers_of(words))[0]

    def _units(self, sums: Vectors) -> Vectors:
        """Sums at unit length, float32 [texts, dim]; they are changed."""
        lengths = np.sqrt(np.vecdot(sums, sums))
        if not np.isfinite(lengths).all():
            raise InputError(f"{self.graph} gives a vector that is not finite; export the model again")
        zero = lengths == 0
        if zero.any():
            if self._direction is None:
                self._direction = own_direction(self._tensors)
            sums[zero], lengths[zero] = self._direction, 1
        sums /= lengths[:, None]
        return sums

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        try:
            return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        except (TypeError, UnicodeEncodeError):
            raise
        except Exception as error:  # tokenizers raises bare Exception, of a vocabulary without its unknown token
            path = self.graph.with_name(TOKENIZER)
            raise InputError(f"{path} cannot read a text ({one_line(error)}); export the model again") from error

    def _tokens_of(self, words: Sequence[Word]) -> list[list[int]]:
        """Of each word; a number is that of a token itself."""
        texts = [word.decode() if isinstance(word, bytes) else word for word in words if not isinstance(word, int)]
        found = iter(self._token_ids(texts))
        return [[word] if isinstance(word, int) else next(found) for word in words]


def _check_config(folder: Path) -> None:
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{path} is missing: no artifact folder; give the one that holds decant.json")
    stated = read_object(path)
    if not is_static(stated) or stated.get("normalize") is not True:
        raise InputError(f"{path} is no static student's, of model_type {MODEL_TYPE} and normalize true; run its graph")
