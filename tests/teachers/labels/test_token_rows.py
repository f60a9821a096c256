import numpy as np
import pytest

from teachers.labels import token_rows
from teachers.labels.token_rows import number_texts, texts_at, tokenize_rows

PAIRS = [("b", "a"), ("a", "c"), ("c", "c"), ("d", "b")]


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_rows, "TOKENIZED_AT_ONCE", 2)


def test_texts_are_numbered_in_the_order_of_their_first_standing() -> None:
    sides, places = number_texts(PAIRS)
    distinct = list(dict.fromkeys(text for pair in PAIRS for text in pair))
    assert sides.tolist() == [[distinct.index(a), distinct.index(b)] for a, b in PAIRS]
    assert list(texts_at(PAIRS, places)) == distinct == ["b", "a", "c", "d"]


@pytest.mark.parametrize(("vocabulary", "kind"), [(2**16, np.uint16), (2**16 + 1, np.int32)])
def test_rows_hold_the_tokens_of_each_text(vocabulary: int, kind: type) -> None:
    wanted = [[1, 2, 65535], [], [3], [4, 5]]
    calls = []

    def tokenize(texts: object) -> list[list[int]]:
        calls.append(list(texts))  # type: ignore[call-overload]
        return [wanted[int(text)] for text in calls[-1]]

    rows = tokenize_rows(iter("0123"), tokenize, vocabulary)
    assert [rows[row].tolist() for row in range(len(rows))] == wanted
    assert rows[0].dtype == kind
    assert rows.lengths.tolist() == [3, 0, 1, 2]
    assert calls == [["0", "1"], ["2", "3"]]
    assert len(tokenize_rows(iter(()), tokenize, vocabulary)) == 0
