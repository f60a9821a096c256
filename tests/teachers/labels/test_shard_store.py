"""Shards as they stand in run folders: their layout is fixed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decant.content_keys import content_key
from teachers.labels.score_store import teacher_targets
from teachers.labels.shard_store import link_shards
from teachers.labels.vector_store import teacher_vectors


def test_scores_of_a_file_of_this_layout_are_found(tmp_path: Path) -> None:
    pairs = [("one", "two"), ("two", "one")]
    keys = pa.array([content_key(*pair) for pair in pairs], pa.binary(16))
    logits = pa.array([[1.5, -2.0], [0.25, 8.0]], pa.list_(pa.float32()))
    write(tmp_path / "shard-000007.arrow", pa.table({"key": keys, "logits": logits}))
    found = teacher_targets(pairs[::-1], refused, tmp_path, 2)
    np.testing.assert_array_equal(found, np.array([[0.25, 8.0], [1.5, -2.0]], np.float32))


def test_vectors_of_a_file_of_this_layout_are_found(tmp_path: Path) -> None:
    keys = [content_key("one"), content_key("two")]
    vectors = np.array([[0.6, 0.8], [1, 0]], np.float16)
    columns = {
        "key": pa.array(keys, pa.binary(16)),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 2),
    }
    stated = {"sha256": hashlib.sha256(b"".join(keys) + vectors.tobytes()).hexdigest()}
    write(tmp_path / "shard-000000.arrow", pa.table(columns).replace_schema_metadata(stated))
    found = teacher_vectors(["two", "one", "two"], refused, tmp_path, 2).take(np.arange(3))
    np.testing.assert_allclose(found, [[1, 0], [0.6, 0.8], [1, 0]], atol=1e-3)


def test_a_lost_shard_comes_back_by_its_own_name_and_links_are_not_made_twice(tmp_path: Path) -> None:
    finished, folder = tmp_path / "finished", tmp_path / "work"
    teacher_vectors(["one", "two"], unit, finished, 2)
    link_shards(finished, folder)
    link_shards(finished, folder)
    assert [path.name for path in folder.iterdir()] == ["shard-000000.arrow"]
    assert (folder / "shard-000000.arrow").samefile(finished / "shard-000000.arrow")
    (folder / "shard-000000.arrow").rename(folder / "shard-000001.arrow")
    teacher_vectors(["one", "three"], unit, folder, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["shard-000000.arrow", "shard-000001.arrow"]


def write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def refused(items: Sequence[object], progress: Callable[[int], None]) -> NDArray[np.float32]:
    raise AssertionError(f"{len(items)} items are asked for again")


def unit(items: Sequence[object], progress: Callable[[int], None]) -> NDArray[np.float32]:
    return np.tile(np.array([1, 0], np.float32), (len(items), 1))
