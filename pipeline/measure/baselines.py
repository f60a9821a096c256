"""Rows that need no training: counted words, and a model as its own library runs it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from decant.models.backbone import quiet_transformers
from decant.models.encoder import Progress
from decant.models.layout import Similarity
from decant.models.prompts import Prompts
from decant.models.quantized import quiet_bitsandbytes

Backend = Literal["torch", "onnx", "openvino"]
WORD = r"\w+"


def bag_of_words(pairs: Sequence[tuple[str, str]], train_texts: Sequence[str] = ()) -> NDArray[np.float32]:
    """Cosine of two texts' word counts, rare words weighing more: what word overlap alone achieves.

    Words are lower-cased runs of letters, digits and underscores. A word that df of n training texts contain
    weighs ln((1 + n) / (1 + df)) + 1, scikit-learn's smoothed inverse document frequency; without training
    texts every word weighs 1.

    Returns:
        float32 [pairs] in 0..1; 0.0 where a text has no word.

    Raises:
        ValueError: no pair.
    """
    if not pairs:
        raise ValueError("bag_of_words needs at least one pair")
    texts = [text for pair in pairs for text in pair]
    split = TfidfVectorizer(token_pattern=WORD).build_analyzer()
    words = {word for text in texts for word in split(text)}
    if not words:
        return np.zeros(len(pairs), dtype=np.float32)
    weighing = TfidfVectorizer(token_pattern=WORD, vocabulary=words, use_idf=bool(train_texts))
    vectors = weighing.fit(train_texts or texts).transform(texts)
    return np.asarray(vectors[0::2].multiply(vectors[1::2]).sum(axis=1), dtype=np.float32).ravel()


class SentenceTransformerBaseline:
    """A model run by sentence-transformers, in torch as most people would: the speed to beat."""

    def __init__(
        self, reference: str | Path, device: str = "cpu", max_length: int | None = None, backend: Backend = "torch"
    ) -> None:
        """Load the model.

        Args:
            reference: local folder or hub id, with safetensors weights.
            device: torch device.
            max_length: tokens a text is cut at, specials included; None: the model's own.
            backend: of sentence-transformers; each but torch needs packages of its own.

        Raises:
            ModuleNotFoundError: sentence-transformers is not installed; leave the row out and note this.
        """
        quiet_bitsandbytes()  # which it imports through peft, where both are installed
        try:
            from sentence_transformers import SentenceTransformer
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("sentence-transformers is not installed (pip install 'decant[peers]')") from error
        options: dict[str, Any] = {"backend": backend}
        if backend == "torch":
            options = {"model_kwargs": {"use_safetensors": True}}
        with quiet_transformers():
            self.model = SentenceTransformer(str(reference), device=device, trust_remote_code=False, **options)
        if max_length is not None:
            self.model.max_seq_length = max_length
        self.prompts = Prompts(
            {name: text or "" for name, text in self.model.prompts.items()}, self.model.default_prompt_name
        )
        self.unit = False
        self.similarity: Similarity = self.model.similarity_fn_name

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.encode([""]).shape[1])

    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Progress | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Encode texts, float32 [texts, dim], order kept.

        Args:
            texts: what to encode.
            batch_size: texts at a time; the library sorts them by length itself.
            progress: called once at the end, with the number of texts.
            prompt: a name of the model's prompts; None: its default one.
            unit: to unit length; False: to the length that the model gives.
        """
        vectors = self.model.encode(
            list(texts), batch_size=batch_size, show_progress_bar=False, normalize_embeddings=unit,
            prompt=self.prompts.given(prompt) or None,
        )  # fmt: skip
        if progress is not None:
            progress(len(texts))
        return np.asarray(vectors, dtype=np.float32)
