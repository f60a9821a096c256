"""Makes the folders that an earlier version of Decant left behind, by that version itself; see README beside this."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import xxhash

from tests.tiny_models import tiny_backbone_folder
from tests.tiny_runs import Models, Said, decant, nested_recipe, reranker_block, tiny_recipe, write_project

PLACE = "/data"  # stands in the archive for the folder that it was made in
SMALL = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
ENCODER, TEACHER = Path("bert"), Path("teacher")  # as the recipes name them, from their own folder
SPEED = {"texts": 4, "pairs": 4, "rounds": 2, "part_rounds": 1, "sample": 4}


def main(archive: Path) -> None:
    """Write the archive."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made).resolve()
        nested, plain = _nested(root / "nested"), _pairs(root / "pairs", root / "nested" / "run" / "teacher")
        registry = _registry(root / "registry", nested, plain)
        _schedule(root / "schedule", nested, registry)
        _forget(root)
        with tarfile.open(archive, "w:xz", preset=9) as packed:
            packed.add(root, ".", filter=_nobodys)


def _nested(folder: Path) -> Path:
    """A run with all that teaches: a fine-tuned cross-encoder, an embedding model, mined pairs; and a re-ranker."""
    tiny_backbone_folder(folder, "bert", **SMALL)
    models = Models(ENCODER, {1: TEACHER})
    recipe = nested_recipe(models, labelled=True) | {"teacher": tiny_recipe(models, load=False)["teacher"]}
    recipe["student"] |= {"seeds": [0, 1], "soup": True}
    recipe["export"]["cuts"] = [[2, 16], [1, 8]]
    recipe["reranker"] = reranker_block()
    path = _run(folder, recipe)
    artifact = folder / "run" / "artifacts" / "L2xD16-fp32"
    _done(decant("certify", artifact, "--runtimes", "text-embeddings-inference,triton"))
    return path


def _pairs(folder: Path, teacher: Path) -> Path:
    """A run of a student with a comparator, by a teacher that was loaded, and of fewer tokens than its model's."""
    tiny_backbone_folder(folder, "bert", **SMALL)
    shutil.copytree(teacher, folder / TEACHER)
    recipe = tiny_recipe(Models(ENCODER, {1: TEACHER}), "binary")
    recipe["student"] |= {
        "layers": [1],
        "pooling": "mean",
        "vocabulary": {"keep_from": "sentences.txt"},
        "compare_alphas": [0.0],
    }
    recipe["export"]["precisions"] = ["fp32", "int8-row"]
    return _run(folder, recipe)


def _run(folder: Path, recipe: dict[str, Any]) -> Path:
    recipe["measure"]["speed"] |= SPEED
    path = write_project(folder, recipe, train=30)
    _done(decant("run", path, "--out", folder / "run"))
    return path


def _registry(folder: Path, *recipes: Path) -> Path:
    """Two releases of one run's artifacts, and one that is refused."""
    large, small = (recipes[0].parent / "run" / "artifacts" / name for name in ("L2xD16-fp32", "L1xD8-fp32"))
    common = ["--to", folder, "--pairs", recipes[0].parent / "test.tsv", "--rounds", 2, "--resamples", 100]
    common += ["--threads", 1, "--margin", 100]
    _done(decant("promote", large, *common))
    _done(decant("promote", small, *common))
    _done(decant("promote", large, *common, "--max-size-mib", 0.001), 3)
    return folder


def _schedule(folder: Path, recipe: Path, registry: Path) -> None:
    """A database of schedules, one that has run and one that rests."""
    home = ["--home", folder]
    _done(decant("schedule", "add", recipe, "--every", "1d", "--out", recipe.parent / "run", *home))
    rests = ["--name", "resting", "--cron", "0 3 * * *", "--timezone", "UTC", "--promote-to", registry]
    rests += ["--pairs", recipe.parent / "test.tsv"]
    _done(decant("schedule", "add", recipe, "--out", recipe.parent / "run", *rests, *home))
    _done(decant("schedule", "pause", "resting", *home))
    _done(decant("schedule", "run-now", "nested", *home))


def _forget(root: Path) -> None:
    """Take out what names this machine's folders, and what nobody reads."""
    shutil.rmtree(root / "schedule" / "locks")
    for lock in root.rglob(".lock"):
        lock.unlink()
    for path in (root / "schedule").glob("*.sqlite"):
        with sqlite3.connect(path) as database:
            database.execute("UPDATE decant_schedules SET schedule = replace(schedule, ?, ?)", (str(root), PLACE))
            database.execute("UPDATE decant_schedules SET settled = replace(settled, ?, ?)", (str(root), PLACE))
            for column in ("said", "log"):
                database.execute(f"UPDATE decant_runs SET {column} = replace({column}, ?, ?)", (str(root), PLACE))
        database.close()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        told = content.replace(str(root).encode(), PLACE.encode()).replace(sys.executable.encode(), b"python")
        if told != content:
            path.write_bytes(told)
            marks = (path.parent / "stage.json", path.parent.parent / ".stages" / f"{path.parent.name}.json")
            for mark in filter(Path.is_file, marks):  # else it would be taken for damaged
                stated = json.loads(mark.read_text(encoding="utf-8"))
                stated["files"][path.name] = xxhash.xxh3_128(path.read_bytes()).hexdigest()
                mark.write_text(json.dumps(stated) + "\n", encoding="utf-8")


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _done(said: Said, code: int = 0) -> None:
    if said.code != code:
        raise SystemExit(said.err)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
