import sys
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from pipeline.measure.baselines import SentenceTransformerBaseline, bag_of_words


def test_bag_of_words_by_hand() -> None:
    scores = bag_of_words([("A a dog", "a DOG!"), ("one two", "three"), ("same", "same")])
    np.testing.assert_allclose(scores, [3 / np.sqrt(5 * 2), 0, 1], rtol=1e-6)
    assert scores.dtype == np.float32


def test_words_weigh_by_how_few_training_texts_have_them() -> None:
    train = ["the cat", "the dog", "the end"]
    the, cat, new = 1.0, np.log(4 / 2) + 1, np.log(4 / 1) + 1  # in 3, 1 and 0 of the 3 texts
    (score,) = bag_of_words([("the cat", "the new cat")], train)
    first, second = the**2 + cat**2, the**2 + cat**2 + new**2
    assert score == pytest.approx((the**2 + cat**2) / np.sqrt(first * second))


def test_weights_agree_with_sklearn_where_training_texts_know_every_word() -> None:
    texts = ["a dog runs", "the dog sleeps", "a cat sleeps", "the cat runs fast", "a dog"]
    pairs = [(texts[0], texts[1]), (texts[2], texts[3])]
    unit = TfidfVectorizer(token_pattern=r"\w+").fit(texts)
    expected = [(unit.transform([a]) @ unit.transform([b]).T).toarray().item() for a, b in pairs]
    np.testing.assert_allclose(bag_of_words(pairs, texts), expected, rtol=1e-6)


def test_texts_without_words_have_nothing_in_common() -> None:
    np.testing.assert_array_equal(bag_of_words([("", "..."), ("!", "?")]), [0, 0])
    np.testing.assert_array_equal(bag_of_words([("", "word")]), [0])


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        bag_of_words([])


class FakeSentenceTransformer:
    """Takes what the baseline passes on and returns each text's length."""

    max_seq_length = 256
    prompts: ClassVar[dict[str, str]] = {}
    default_prompt_name = None
    similarity_fn_name = "cosine"

    def __init__(self, name: str, **options: Any) -> None:
        self.name, self.options = name, options

    def encode(self, texts: list[str], **options: Any) -> np.ndarray:
        assert options == {"batch_size": 7, "show_progress_bar": False, "normalize_embeddings": True, "prompt": None}
        return np.array([[len(text)] for text in texts], np.float64)


def test_sentence_transformers_is_asked_for_unit_vectors_of_safe_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = ModuleType("sentence_transformers")
    library.SentenceTransformer = FakeSentenceTransformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    baseline = SentenceTransformerBaseline("folder", max_length=64)
    finished: list[int] = []
    vectors = baseline.encode(("a", "bcd"), batch_size=7, progress=finished.append)
    assert vectors.tolist() == [[1.0], [3.0]]
    assert vectors.dtype == np.float32
    assert finished == [2]
    assert baseline.model.max_seq_length == 64
    assert baseline.model.options == {
        "device": "cpu", "trust_remote_code": False, "model_kwargs": {"use_safetensors": True},
    }  # fmt: skip


def test_a_missing_library_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"sentence-transformers is not installed \(pip install 'decant\[peers\]'"
    ):
        SentenceTransformerBaseline("folder")
