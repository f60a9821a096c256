from __future__ import annotations

from pathlib import Path

import pytest

from export.certify.certify_texts import SENTENCES, certificate_texts
from export.serve.session import OnnxEncoder


@pytest.mark.parametrize("count", [500, 120])
def test_texts_hold_what_runtimes_disagree_about(count: int, artifact: Path) -> None:
    encoder = OnnxEncoder(artifact)
    texts = certificate_texts(encoder.tokenize, encoder.max_length, count)
    assert len(texts) == count
    assert {len(ids) for ids in encoder.tokenize(texts)} == set(range(2, 65)), "every length, only specials included"
    assert {"", "a"} < set(texts)
    assert any(len(text.split()) == 2000 for text in texts)
    assert any("一" <= char <= "鿿" for text in texts for char in text), "Chinese"
    assert any(0x1F300 <= ord(char) <= 0x1FAFF for text in texts for char in text), "emoji"
    assert texts == [text.strip() for text in texts]
    assert texts == certificate_texts(encoder.tokenize, encoder.max_length, count)


def test_short_texts_are_not_the_same_again_and_again(artifact: Path) -> None:
    encoder = OnnxEncoder(artifact)
    texts = certificate_texts(encoder.tokenize, encoder.max_length)
    assert len(set(texts)) > 450
    assert len(set(SENTENCES)) == len(SENTENCES)
