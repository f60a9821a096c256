"""The folder of a static student gives the same vectors in model2vec, in sentence-transformers and in torch."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from decant.errors import InputError
from decant.files import read_object
from decant.models.layout import read_layout
from decant.models.prompts import Prompts, read_prompts
from decant.models.static_encoder import StaticEncoder
from decant.models.table_folder import StaticTable, is_static, write_table_folder
from export.quantize.static_table import stored_table, take_rows
from tests.tiny_models import tiny_tokenizer
from tests.tiny_tables import PRECISIONS, by_hand, tiny_table

TEXTS = ["A man is playing a guitar on the street.", "naïve café ☕ a dog", "word " * 99, "the [CLS] dog", "a"]
READ_BY_PEERS = PRECISIONS[:3]
CLOSE = {"fp32": 1e-6, "fp16": 1e-3, "int8": 1e-6}  # both peers compute in float16 there


def written(folder: Path, precision: str, table: StaticTable) -> np.ndarray:
    """What the vectors of TEXTS must be."""
    stored = stored_table(table.rows, precision)
    write_table_folder(folder, table, stored)
    return by_hand(table, take_rows(stored, slice(None)), TEXTS)


@pytest.mark.parametrize(("kind", "max_length"), [("bert", 24), ("roberta", 512)])  # model2vec also cuts characters
@pytest.mark.parametrize("precision", READ_BY_PEERS)
def test_both_peers_and_torch_give_the_vectors(kind: str, max_length: int, precision: str, tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec")
    transformers = pytest.importorskip("sentence_transformers")
    expected = written(tmp_path / "model", precision, tiny_table(kind, max_length=max_length))
    theirs = model2vec.StaticModel.from_pretrained(str(tmp_path / "model")).encode(TEXTS)
    assert np.abs(theirs - expected).max() < CLOSE[precision]
    loaded = transformers.SentenceTransformer(str(tmp_path / "model"), device="cpu", local_files_only=True)
    assert np.abs(loaded.encode(TEXTS) - expected).max() < CLOSE[precision]
    layout = read_layout(tmp_path / "model")
    assert np.abs(StaticEncoder.load(layout, layout.chain).encode(TEXTS) - expected).max() < 1e-6


def test_prompts_are_read_back(tmp_path: Path) -> None:
    prompts = Prompts({"query": "the ", "document": ""}, "document")
    write_table_folder(tmp_path / "model", tiny_table(prompts=prompts))
    assert read_prompts(tmp_path / "model") == prompts


def test_files_say_what_the_table_is(tmp_path: Path) -> None:
    table = tiny_table()
    for precision, kind in zip(PRECISIONS, ("float32", "float16", "int8", "int4"), strict=True):
        write_table_folder(tmp_path / precision, table, stored_table(table.rows, precision))
        config = read_object(tmp_path / precision / "config.json")
        assert is_static(config)
        assert (config["embedding_dtype"], config["hidden_dim"], config["vocab_size"]) == (kind, 32, len(table.rows))
        assert (config["num_hidden_layers"], config["max_length"], config["normalize"]) == (0, 24, True)
        assert (tmp_path / precision / "modules.json").is_file() == (precision != "int4")
        modes = [(tmp_path / precision / name).stat().st_mode for name in ("model.safetensors", "config.json")]
        assert modes[0] == modes[1]


def test_the_tokenizer_adds_nothing_and_cuts(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_table_folder(tmp_path, tiny_table())
    tokenizer, by_transformers = (
        Tokenizer.from_file(str(tmp_path / "tokenizer.json")),
        AutoTokenizer.from_pretrained(tmp_path),
    )
    plain = tiny_tokenizer().backend_tokenizer.encode("the big dog", add_special_tokens=False).ids
    assert tokenizer.encode("the big dog").ids == plain == by_transformers("the big dog")["input_ids"]
    assert len(tokenizer.encode("a " * 99).ids) == 24
    assert (by_transformers.pad_token, by_transformers.unk_token) == ("[PAD]", "[UNK]")
    assert by_transformers.model_max_length == 24


def test_what_does_not_fit_is_refused() -> None:
    table = tiny_table()
    with pytest.raises(InputError, match="does not have one row for each"):
        StaticTable(table.rows[1:], table.tokenizer, table.specials)
    with pytest.raises(InputError, match="pad_token None is no token"):
        StaticTable(table.rows, table.tokenizer, {"unk_token": "[UNK]"})
    rows = table.rows.copy()
    rows[4 - 1] = 1
    with pytest.raises(InputError, match="unknown token is not zeros"):
        StaticTable.of(rows, tiny_tokenizer())
