from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from decant import content_keys
from decant.errors import InputError
from decant.progress import Advance
from teachers.labels import vector_store as vectors
from teachers.labels.score_store import pair_key
from teachers.labels.shard_store import ShardStore
from teachers.labels.vector_store import MixedVectors, VectorStore, teacher_vectors

TEXTS = [f"text {index}" + " word" * (index % 5) for index in range(10)]
DIM = 8
HALF = 2.0**-11  # the largest relative error of rounding to float16


class Killed(BaseException):
    """The process ends here."""


class Teacher:
    """A vector of length 3 for each text, drawn from its characters; dies at its call number `dies_at`, from 0."""

    def __init__(self, dim: int = DIM, dies_at: int | None = None) -> None:
        self.dim, self.dies_at, self.calls = dim, dies_at, list[list[str]]()

    def __call__(self, texts: Sequence[str], progress: Callable[[int], None]) -> NDArray[np.float32]:
        if len(self.calls) == self.dies_at:
            raise Killed
        self.calls.append(list(texts))
        progress(len(texts))
        return 3 * unit(texts, self.dim)

    @property
    def encoded(self) -> list[str]:
        return [text for call in self.calls for text in call]


def unit(texts: Sequence[str], dim: int = DIM) -> NDArray[np.float32]:
    seeds = [list(text.encode("utf-8", "surrogatepass")) for text in texts]
    drawn = np.array([np.random.default_rng([1, *seed]).normal(size=dim) for seed in seeds]).reshape(-1, dim)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def everything(store: VectorStore | MixedVectors) -> NDArray[np.float32]:
    return store.take(np.arange(len(store)))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "SHARD_TEXTS", 3)


def test_unit_vectors_in_the_order_of_the_texts(tmp_path: Path) -> None:
    store = teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    found = everything(store)
    assert (len(store), store.dim, found.dtype) == (10, DIM, np.float32)
    np.testing.assert_allclose(found, unit(TEXTS), atol=2 * HALF)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    backwards = teacher_vectors(TEXTS[::-1], Teacher(dies_at=0), tmp_path, DIM)
    np.testing.assert_array_equal(everything(backwards), found[::-1])


def test_takes_any_rows_in_any_order(tmp_path: Path) -> None:
    store = teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    rows = np.array([7, 0, 7, 9, 3])
    np.testing.assert_array_equal(store.take(rows), everything(store)[rows])
    assert store.take(np.zeros(0, np.int64)).shape == (0, DIM)
    with pytest.raises(IndexError, match="index 10 is out of bounds"):
        store.take(np.array([0, 10]))


def test_rounds_each_unit_vector_to_float16(tmp_path: Path) -> None:
    rounded = unit(TEXTS).astype(np.float16).astype(np.float64)
    expected = rounded / np.linalg.norm(rounded, axis=1, keepdims=True)
    found = everything(teacher_vectors(TEXTS, lambda texts, progress: unit(texts), tmp_path, DIM))
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("length", [1e-30, 1e30])
def test_vectors_of_any_length(tmp_path: Path, length: float) -> None:
    store = teacher_vectors(TEXTS, lambda texts, progress: unit(texts) * np.float32(length), tmp_path, DIM)
    np.testing.assert_allclose(everything(store), unit(TEXTS), atol=2 * HALF)


def test_each_distinct_text_is_encoded_once(tmp_path: Path) -> None:
    teacher = Teacher()
    repeated = TEXTS + TEXTS[:4] * 2
    store = teacher_vectors(repeated, teacher, tmp_path, DIM)
    assert sorted(teacher.encoded) == sorted(TEXTS)
    np.testing.assert_allclose(everything(store), unit(repeated), atol=2 * HALF)


def test_like_lengths_share_a_shard(tmp_path: Path) -> None:
    teacher = Teacher()
    teacher_vectors(TEXTS, teacher, tmp_path, DIM)
    lengths = [len(text) for text in teacher.encoded]
    assert lengths == sorted(lengths, reverse=True)
    assert [len(call) for call in teacher.calls] == [3, 3, 3, 1]


def test_resumes_at_the_shard_where_it_was_killed(tmp_path: Path) -> None:
    killed, resumed = Teacher(dies_at=2), Teacher()
    with pytest.raises(Killed, match="^$"):
        teacher_vectors(TEXTS, killed, tmp_path, DIM)
    assert len(killed.encoded) == 6
    store = teacher_vectors(TEXTS, resumed, tmp_path, DIM)
    assert sorted(killed.encoded + resumed.encoded) == sorted(TEXTS)
    np.testing.assert_allclose(everything(store), unit(TEXTS), atol=2 * HALF)


def test_half_written_shard_is_not_read(tmp_path: Path) -> None:
    teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    whole = tmp_path / "shard-000000.arrow"
    (tmp_path / "shard-000009.partial").write_bytes(whole.read_bytes()[:50])
    assert len(teacher_vectors(TEXTS, Teacher(dies_at=0), tmp_path, DIM)) == 10


def test_changed_set_encodes_only_what_is_new(tmp_path: Path) -> None:
    teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    teacher = Teacher()
    changed = ["new text", *TEXTS[5:2:-1], "", "\ud800"]
    store = teacher_vectors(changed, teacher, tmp_path, DIM)
    assert sorted(teacher.encoded) == sorted(["new text", "", "\ud800"])
    np.testing.assert_allclose(everything(store), unit(changed), atol=2 * HALF)


def test_no_texts(tmp_path: Path) -> None:
    store = teacher_vectors([], Teacher(dies_at=0), tmp_path, DIM)
    assert (len(store), everything(store).shape) == (0, (0, DIM))


def test_keys_that_end_in_zero_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"a": b"\x01" + bytes(15), "b": b"\x01\x02" + bytes(14), "c": bytes(16), "d": bytes(15) + b"\x01"}
    monkeypatch.setattr(content_keys, "content_key", made.__getitem__)
    store = teacher_vectors(list(made), Teacher(), tmp_path, DIM)
    np.testing.assert_allclose(everything(store), unit(list(made)), atol=2 * HALF)
    teacher_vectors(list(made), Teacher(dies_at=0), tmp_path, DIM)


def test_a_text_and_a_pair_have_different_keys() -> None:
    assert content_keys.content_key("ab") != pair_key(("a", "b"))
    assert content_keys.content_key("a", "b") == pair_key(("a", "b"))


def test_vectors_stay_in_the_file(tmp_path: Path) -> None:
    teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    before = pa.total_allocated_bytes()
    shard = ShardStore(tmp_path, DIM, vectors.VECTORS, 3).shards()[0]
    assert pa.total_allocated_bytes() == before
    assert not shard.labels.flags.owndata
    # a mapping is shared with the file: a byte changed there is seen here
    value = shard.labels[0].tobytes()
    content = (tmp_path / "shard-000000.arrow").read_bytes()
    assert content.count(value) == 1
    with (tmp_path / "shard-000000.arrow").open("r+b") as file:
        file.seek(content.index(value))
        file.write(bytes(len(value)))
    np.testing.assert_array_equal(shard.labels[0], np.zeros(DIM))


def test_progress_counts_new_texts(tmp_path: Path) -> None:
    teacher_vectors(TEXTS[:4], Teacher(), tmp_path, DIM)
    seen: list[object] = []

    @contextmanager
    def watch(label: str, total: int) -> Iterator[Advance]:
        seen.append((label, total))
        yield lambda done, note="", /: seen.append(done)

    teacher_vectors(TEXTS, Teacher(), tmp_path, DIM, watch=watch)
    assert seen == [("teacher vectors", 6), 3, 3]


@pytest.mark.parametrize("keep", [0, 10, 100, -1])
def test_cut_shard(tmp_path: Path, keep: int) -> None:
    teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    shard = tmp_path / "shard-000001.arrow"
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"shard-000001\.arrow is damaged \(\w+\); delete it and run again$"):
        teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    shard.unlink()
    store = teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    np.testing.assert_allclose(everything(store), unit(TEXTS), atol=2 * HALF)


@pytest.mark.parametrize("column", ["key", "vector"])
def test_flipped_bit(tmp_path: Path, column: str) -> None:
    teacher_vectors(TEXTS[:3], Teacher(), tmp_path, DIM)
    path = tmp_path / "shard-000000.arrow"
    stored = pa.ipc.open_file(pa.py_buffer(path.read_bytes())).read_all().column(column)[0].as_py()
    value = stored if column == "key" else np.array(stored, np.float16).tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(value)] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"shard-000000\.arrow is damaged \(its checksum differs\); delete it and"):
        teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)


@pytest.mark.parametrize("columns", [{"key": ["a"]}, {"key": ["a"], "vector": [[1.0]]}, {"x": [1], "key": [2]}, {}])
def test_an_arrow_file_of_something_else(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(tmp_path / "shard-000000.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match=r"shard-000000\.arrow is damaged \(.+\); delete it and run again$"):
        teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)


def test_vectors_of_another_teacher(tmp_path: Path) -> None:
    teacher_vectors(TEXTS, Teacher(4), tmp_path, 4)
    with pytest.raises(InputError, match=r"arrow holds vectors of 4 dimensions, expected 8: another teacher's; name a"):
        teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0])
def test_vector_without_a_direction(tmp_path: Path, value: float) -> None:
    def encode(texts: Sequence[str], progress: Callable[[int], None]) -> NDArray[np.float32]:
        found = unit(texts)
        if value == 0:
            found[1:] = 0
        found[1:, 2] = value
        return found

    texts = ["a" * 90, "b" * 80, "c" * 70]
    message = f"no finite vector of a length above 0 for 2 texts, such as '{'b' * 60}'; leave"
    with pytest.raises(InputError, match=message):
        teacher_vectors(texts, encode, tmp_path, DIM)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dim", [1, 7])
def test_vectors_of_another_shape(tmp_path: Path, dim: int) -> None:
    message = rf"the teacher gives vectors of shape \(3, {dim}\), expected \(3, 8\)"
    with pytest.raises(InputError, match=message):
        teacher_vectors(TEXTS, Teacher(dim), tmp_path, DIM)
    assert list(tmp_path.iterdir()) == []


def two_teachers(folder: Path) -> list[VectorStore]:
    return [
        teacher_vectors(TEXTS, lambda texts, progress, dim=dim: unit(texts, dim), folder / str(dim), dim)
        for dim in (DIM, 5)
    ]


def test_mixed_dot_product_is_the_weighted_mean_of_the_cosines(tmp_path: Path) -> None:
    stores = two_teachers(tmp_path)
    mixture = MixedVectors(stores, [3, 1])
    found = everything(mixture)
    first, second = (everything(store) for store in stores)
    assert (len(mixture), mixture.dim, found.dtype) == (10, 13, np.float32)
    np.testing.assert_allclose(found @ found.T, 0.75 * first @ first.T + 0.25 * second @ second.T, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(mixture.take(np.array([4, 1])), found[[4, 1]])


def test_mixtures_can_be_mixed(tmp_path: Path) -> None:
    one, other = two_teachers(tmp_path)
    nested = everything(MixedVectors([MixedVectors([one, other], [1, 1]), one], [2, 2]))
    expected = np.concatenate([everything(one) / 2, everything(other) / 2, everything(one) / math.sqrt(2)], axis=1)
    np.testing.assert_allclose(nested, expected, atol=1e-6)


@pytest.mark.parametrize("weights", [[1.0, 0.0], [1.0, -1.0], [math.nan, 1.0], [1.0, math.inf]])
def test_weights_that_are_not_above_zero(tmp_path: Path, weights: list[float]) -> None:
    with pytest.raises(InputError, match=r"weights are \[.*\]: each must be a finite number above 0"):
        MixedVectors(two_teachers(tmp_path), weights)


def test_mixtures_that_do_not_fit(tmp_path: Path) -> None:
    stores = two_teachers(tmp_path)
    with pytest.raises(InputError, match="2 teachers and 1 weights: give one weight for each teacher"):
        MixedVectors(stores, [1])
    with pytest.raises(InputError, match="0 teachers and 0 weights"):
        MixedVectors([], [])
    fewer = teacher_vectors(TEXTS[:3], Teacher(dies_at=0), tmp_path / str(DIM), DIM)
    with pytest.raises(InputError, match=r"vectors of \[10, 3\] texts: mix only vectors of the same texts"):
        MixedVectors([stores[0], fewer], [1, 1])


def test_store_outlives_its_folder(tmp_path: Path) -> None:
    store = teacher_vectors(TEXTS, Teacher(), tmp_path / "vectors", DIM)
    shutil.rmtree(tmp_path / "vectors")
    np.testing.assert_allclose(everything(store), unit(TEXTS), atol=2 * HALF)


def test_another_process_gets_paths_and_maps_the_files(tmp_path: Path) -> None:
    store = teacher_vectors(TEXTS, Teacher(), tmp_path, DIM)
    handed = cloudpickle.dumps(store)
    assert tmp_path.name.encode() in handed
    assert unit(TEXTS)[0].astype(np.float16).tobytes() not in handed
    np.testing.assert_array_equal(everything(cloudpickle.loads(handed)), everything(store))
