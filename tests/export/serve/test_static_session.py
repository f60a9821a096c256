"""The numpy session of static students: the definition by hand, whatever stands beside a text."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from decant.errors import InputError
from decant.files import read_object, write_json
from decant.models.prompts import Prompts
from export.quantize.static_table import take_rows
from export.serve import word_rows
from export.serve.safetensors_file import read_tensors
from export.serve.static_session import StaticSession
from tests.tiny_tables import PRECISIONS, by_hand, tiny_static, tiny_table

TEXTS = [
    "A man is playing a guitar on the street.", "", "Two dogs run in the park, near the river!", "naïve café ☕ 距離",
    "word " * 300, "a", "<script>alert(1)</script> \t\n  x", "[CLS] the [UNK] dog", "A" * 300, "☕", "a\x00b c\x0bd",
    "éa " * 40, "THE the The", "walking-sleeping",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_vectors_are_those_of_the_definition(kind: str, precision: str, tmp_path: Path) -> None:
    table = tiny_table(kind)
    session = StaticSession(tiny_static(tmp_path / "model", precision, table))
    rows = take_rows(read_tensors(session.graph), slice(None))
    expected = by_hand(table, rows, TEXTS)
    for _ in range(2):  # with words that are new, and known
        assert np.abs(session.encode(TEXTS) - expected).max() < 1e-6
    assert np.abs(session.embed(session.tokenize(TEXTS)) - expected).max() < 1e-6


def test_a_text_has_the_same_bits_alone_in_any_batch_and_in_any_order(tmp_path: Path) -> None:
    session = StaticSession(tiny_static(tmp_path / "model"))
    together = session.encode(TEXTS)
    assert (np.concatenate([session.encode([text]) for text in TEXTS]) == together).all()
    assert (session.encode(TEXTS[::-1])[::-1] == together).all()
    assert (session.encode(TEXTS * 200)[-len(TEXTS) :] == together).all()


def test_words_are_forgotten_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_static(tmp_path / "model")
    expected = StaticSession(folder).encode(TEXTS)
    monkeypatch.setattr(word_rows, "MOST_WORDS", 8)
    session = StaticSession(folder)
    seen = set()
    for _ in range(5):
        for text, vector in zip(TEXTS, expected, strict=True):
            assert (session.encode([text])[0] == vector).all()
            seen.add(id(session._held))
            assert len(session._held.numbers) < 100
    assert len(seen) > 2


def test_threads_may_share_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_static(tmp_path / "model")
    texts = [f"{left} {right}{number}" for number in range(40) for left in "abcdef" for right in ("dog", "é", "x,y")]
    expected = StaticSession(folder).encode(texts)
    monkeypatch.setattr(word_rows, "MOST_WORDS", 300)
    session = StaticSession(folder)
    orders = [np.random.default_rng(seed).permutation(len(texts)) for seed in range(16)]
    with ThreadPoolExecutor(8) as threads:
        parts = threads.map(lambda order: [session.encode([texts[row] for row in some]) for some in
                                           np.array_split(order, 30)], orders)  # fmt: skip
        for order, found in zip(orders, parts, strict=True):
            assert (np.concatenate(found) == expected[order]).all()


def test_prompts_stand_before_texts(tmp_path: Path) -> None:
    prompts = Prompts({"query": "the dog ", "document": ""}, "query")
    session = StaticSession(tiny_static(tmp_path / "model", table=tiny_table(prompts=prompts)))
    assert (session.encode(["runs"]) == session.encode(["the dog runs"], prompt="document")).all()
    assert (session.encode(["runs"]) != session.encode(["runs"], prompt="document")).any()
    assert session.tokenize(["runs"]) != session.tokenize([""])
    with pytest.raises(InputError, match="there is none"):
        session.encode(["runs"], prompt="other")


def test_its_interface_is_that_of_the_graphs_session(tmp_path: Path) -> None:
    session = StaticSession(tiny_static(tmp_path / "model"), threads=1)
    assert (session.dim, session.max_length, session.similarity, session.unit) == (32, 24, "cosine", True)
    assert session.offers("float32")
    assert not session.offers("float32", "int8")
    counted: list[int] = []
    assert session.encode([], progress=counted.append).shape == (0, 32)
    assert session.encode(["a"] * 2000, progress=counted.append).shape == (2000, 32)
    assert sum(counted) == 2000
    with pytest.raises(InputError, match="not binary"):
        session.encode_small(["a"], "binary")
    with pytest.raises(InputError, match="threads 0"):
        StaticSession(tmp_path / "model", threads=0)


def test_it_holds_what_it_needs(tmp_path: Path) -> None:
    session = StaticSession(tiny_static(tmp_path / "model", "int8"))
    expected = StaticSession(tmp_path / "model").encode(TEXTS)
    session.hold()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    assert (session.encode(TEXTS) == expected).all()


@pytest.mark.parametrize("texts", [["a", 7], [7], ["a", "\ud800"], ["\ud800"], ["a", None]])
def test_what_is_no_text_is_named(texts: list[object], tmp_path: Path) -> None:
    session = StaticSession(tiny_static(tmp_path / "model"))
    for call in (session.encode, session.tokenize):
        with pytest.raises(InputError, match=rf"text {len(texts) - 1} (is no text|holds half)"):
            call(texts)  # type: ignore[arg-type]


def test_a_table_that_gives_no_number_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder, table = tiny_static(tmp_path / "model"), tiny_table()
    rows = table.rows.copy()
    rows[table.tokenizer.token_to_id("dog")] = np.inf
    save_file({"embeddings": rows}, folder / "model.safetensors")
    session = StaticSession(folder)
    assert np.isfinite(session.encode(["a man"])).all()
    for texts in (["dog"], ["dog"], ["a", "dog"]):
        with pytest.raises(InputError, match="not finite"):
            session.encode(texts)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = tiny_static(tmp_path / "model")
    config = read_object(folder / "config.json")
    for changed in (config | {"model_type": "bert"}, config | {"normalize": False}):
        write_json(folder / "config.json", changed)
        with pytest.raises(InputError, match="no static student"):
            StaticSession(folder)
    write_json(folder / "config.json", config | {"vocab_size": 3})
    with pytest.raises(InputError, match="table of tokens has 3"):
        StaticSession(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json is missing"):
        StaticSession(folder)


def test_no_runtime_is_loaded(tmp_path: Path) -> None:
    folder = tiny_static(tmp_path / "model", "int8")
    code = (
        "import sys; from pathlib import Path\n"
        "for name in ('onnxruntime', 'onnx', 'torch', 'transformers', 'safetensors'): sys.modules[name] = None\n"
        "from export.serve.static_session import StaticSession\n"
        f"print(StaticSession(Path({str(folder)!r})).encode(['a dog', 'é']).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(2, 32)", done.stderr
