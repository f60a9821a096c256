"""What a tokenizer's files say of cutting and padding is followed, or refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from decant.errors import InputError
from decant.files import read_object, write_json
from export.serve.read_tokenizer import read_tokenizer
from tests.tiny_tables import tiny_static


def changed(folder: Path, **changes: Any) -> Path:
    path = tiny_static(folder) / "tokenizer_config.json"
    write_json(path, read_object(path) | changes)
    return folder


@pytest.mark.parametrize(("side", "kept"), [("right", "the"), ("left", "dog")])
def test_texts_are_cut_at_the_side_that_is_stated(side: str, kept: str, tmp_path: Path) -> None:
    tokenizer, _, length = read_tokenizer(changed(tmp_path / "model", truncation_side=side, model_max_length=1))
    assert length == 1
    assert tokenizer.encode("the dog").ids == [tokenizer.token_to_id(kept)]


@pytest.mark.parametrize("length", [0, -1, float("inf"), float("nan"), 1e30, "24", None])
def test_a_length_that_is_none_is_refused_where_no_other_is_stated(length: object, tmp_path: Path) -> None:
    folder = changed(tmp_path / "model", model_max_length=length)
    (folder / "sentence_bert_config.json").unlink()
    with pytest.raises(InputError, match="states no model_max_length"):
        read_tokenizer(folder)


@pytest.mark.parametrize("side", [None, "middle", 1])
def test_a_side_that_is_none_is_refused(side: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="truncation_side .* is neither right nor left"):
        read_tokenizer(changed(tmp_path / "model", truncation_side=side))
