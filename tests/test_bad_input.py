"""Whatever is given wrongly ends in one clear line an error and exit code 2, and leaves nothing half-written."""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import numpy_helper

from decant.files import sha256_of
from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import GRAPH
from export.graphs.to_onnx import export_encoder
from pipeline.marks import mark_path
from pipeline.report.rows import read_report_json
from tests.made_stages import NAMES
from tests.tiny_runs import Models, Said, SmokeRun, decant, pairs, read_log, tiny_recipe, write_project, write_tsv

HERE = Path(__file__).parent / "bad_input"
LEFT = {
    ".lock",
    "recipe.yaml",
    "inputs.json",
    "log.jsonl",
}  # facts about the attempt; an empty .work is removed with its stage


@dataclass(frozen=True)
class Place:
    """A good project in a folder of its own, to be given one bad thing."""

    recipe: Path
    out: Path
    models: Models

    @property
    def folder(self) -> Path:
        return self.recipe.parent

    def run(self, *sets: str) -> Said:
        overrides = [part for one in sets for part in ("--set", one)]
        return decant("run", self.recipe, "--out", self.out, "--quiet", *overrides)

    def copy_of(self, model: Path) -> Path:
        return Path(shutil.copytree(model, self.folder / "model"))


@pytest.fixture
def place(models: Models, tmp_path: Path) -> Place:
    return Place(write_project(tmp_path / "project", tiny_recipe(models)), tmp_path / "run", models)


def assert_refused(said: Said, *expected: str, code: int = 2, errors: int = 1) -> None:
    assert said.code == code, said.err
    assert "Traceback" not in said.err
    assert len(said.lines) == errors, said.err
    assert all(line.startswith("decant: ") for line in said.lines), said.err
    for text in expected:
        assert text in said.err
    assert said.out == b""


def assert_nothing_left(out: Path) -> None:
    left = {path.name for path in out.iterdir()} if out.is_dir() else set()
    assert left <= {*LEFT, ".work", ".stages", "students", *NAMES}
    for stage in left & set(NAMES):
        assert mark_path(out, stage).is_file()  # it finished before the error
    assert not list((out / ".work").glob("*")) if ".work" in left else True


def spoil_norm(graph: Path) -> None:
    """Let a weight of a graph be NaN."""
    model = onnx.load(graph)
    norm = next(one for one in model.graph.initializer if one.name.endswith("LayerNorm.weight"))
    norm.CopyFrom(numpy_helper.from_array(np.full(norm.dims, np.nan, np.float32), norm.name))
    onnx.save(model, graph)


RECIPES = [
    ("wrong-key", 1, [":8: studnet: no such key; did you mean student?; the keys here are name, description, seed, "]),
    ("wrong-type", 1, [":7: student.epochs: ", "must be a whole number", "(given: 'many')"]),
    (
        "several-errors",
        7,
        [
            ":1: name: ", ":2: sed: no such key; did you mean seed?", ":4: texts.task: low 5 must be below high 0",
            ":6: texts.test: give either path", ":7: teacher.epochs: no such key",
            ":10: student.epochs: ", "(given: -1)", ":11: student.learning_rate: ", "(given: 'fast')",
        ],
    ),
    ("yaml-syntax", 1, [":2: not YAML: the text ends inside a bracket", "the line is 'texts: {task: ['"]),
    ("yaml-tab", 1, [":2: not YAML: a tab; indent with spaces"]),
    ("not-a-mapping", 1, ["a recipe is a mapping of keys, not list"]),
    ("empty", 1, ["a recipe is a mapping of keys, not NoneType"]),
    ("regression-with-classes", 1, [":3: texts.task: classes do not go with kind: regression"]),
    ("cosine-with-multiclass", 1, ["cosine gives one score a pair, but texts.task has classes; use comparator"]),
    ("cosine-with-concat-top-mean", 1, ["concat_top_mean goes with form: comparator"]),
    ("unknown-kind", 1, [":6: teacher: ", "'borrow'", "'load', 'fine_tune'"]),
    ("absent-file", 4, ["texts.test: ", "absent.tsv: no such file or folder", "teacher.model: "]),
    ("garbage", 1, ["is not a text file in UTF-8"]),
    ("no-such", 1, ["no such recipe; `decant init` writes one"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "errors", "expected"), RECIPES, ids=[row[0] for row in RECIPES])
@pytest.mark.parametrize("verb", ["validate", "run"])
def test_recipes(verb: str, name: str, errors: int, expected: list[str], tmp_path: Path) -> None:
    options = ["--out", tmp_path / "run", "--quiet"] if verb == "run" else []
    assert_refused(decant(verb, HERE / "recipes" / f"{name}.yaml", *options), *expected, errors=errors)
    assert not (tmp_path / "run").exists()


def test_validate_tells_the_errors_as_json() -> None:
    said = decant("validate", HERE / "recipes" / "several-errors.yaml", "--json")
    assert said.code == 2
    assert len(said.json()["errors"]) == 7


DATA = [
    ("header-only.tsv", ["has a header but no rows"]),
    ("empty.tsv", ["is empty; a header line and rows are needed"]),
    ("binary.tsv", ["is a binary file, not text"]),
    ("label-word.tsv", ["row 13 has a label that cannot be read ('abc')", "{label: drop}"]),
    ("label-out-of-range.tsv", ["row 13 has a label out of range ('7.5')", "{label_range: drop}"]),
    ("label-nan.tsv", ["row 13 has a label that cannot be read ('NaN')"]),
    ("label-empty.tsv", ["row 13 has a label that cannot be read"]),
    ("missing-column.tsv", ["no column 'sentence2'; it has 'sentence1', 'other', 'label'"]),
    ("text-empty.tsv", ["row 13 has an empty text", "{empty: drop}"]),
    ("ragged-too-many.tsv", ["ragged-too-many.tsv", "row 13 has 4 cells, but the header names 3"]),
    ("ragged-too-few.tsv", ["row 13 has an empty text"]),
    ("not-utf8.tsv", ["row 13 is not UTF-8", "{encoding: drop}"]),
    ("labels-all-the-same.tsv", ["every label of train is the same (0.6)"]),
    ("one-row.tsv", ["train has 1 usable pairs; at least 2 are needed"]),
    ("table.xlsx", ["cannot read '.xlsx'; give one of .tsv, .csv, .jsonl, .parquet"]),
    ("broken.jsonl", ["broken.jsonl, row 2 is not JSON"]),
    ("list.jsonl", ["list.jsonl, row 1 is not a JSON object"]),
    ("no-label.jsonl", ["no column 'label'; it has 'sentence1', 'sentence2'"]),
    ("open-quote.csv", ["open-quote.csv cannot be read"]),
    ("text.parquet", ["text.parquet cannot be read"]),
    ("nowhere.tsv", ["no such file or folder"]),
]


@pytest.mark.parametrize(("name", "expected"), DATA, ids=[row[0] for row in DATA])
def test_data(name: str, expected: list[str], place: Place) -> None:
    assert_refused(place.run(f"texts.train={HERE / 'data' / name}"), *expected)
    assert_nothing_left(place.out)


def test_every_shipped_file_is_tried() -> None:
    assert {path.name for path in (HERE / "data").iterdir()} == {row[0] for row in DATA} - {"nowhere.tsv"} | {
        "good.tsv", "not-utf8.txt",
    }  # fmt: skip
    assert {path.stem for path in (HERE / "recipes").iterdir()} == {row[0] for row in RECIPES} - {"no-such"}


def test_the_good_file_beside_the_bad_ones_is_good(place: Place) -> None:
    assert decant("plan", place.recipe, "--set", f"texts.train={HERE / 'data' / 'good.tsv'}", "--json").code == 0


def test_train_that_stands_in_test_whole(place: Place) -> None:
    assert_refused(place.run("texts.train=test.tsv"), "train has 0 usable pairs")
    assert_nothing_left(place.out)


def test_all_bad_rows_are_counted_and_the_first_are_shown(place: Place) -> None:
    rows = [(first, second, "x") for first, second, _ in pairs("regression", 9, 3)]
    train = write_tsv(place.folder / "bad.tsv", rows)
    assert_refused(place.run(f"texts.train={train}"), "row 1 has", "row 5 has", "; and 4 rows more. Mend the file")


def pickle_only(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    return f"student.model={model}"


def truncated_weights(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    return f"student.model={model}"


def zeros_for_weights(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    (model / "model.safetensors").write_bytes(bytes(2000))
    return f"student.model={model}"


def config_not_json(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    (model / "config.json").write_text("{model_type: bert", encoding="utf-8")
    return f"student.model={model}"


def config_is_a_list(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    (model / "config.json").write_text('["model_type"]', encoding="utf-8")
    return f"student.model={model}"


def config_of_no_known_type(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    (model / "config.json").write_text('{"model_type": "nonsuch"}', encoding="utf-8")
    return f"student.model={model}"


def no_tokenizer(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    for path in model.glob("tokenizer*"):
        path.unlink()
    return f"student.model={model}"


def garbage_tokenizer(place: Place) -> str:
    model = place.copy_of(place.models.encoder)
    (model / "tokenizer.json").write_bytes(b"\x00\x01garbage")
    return f"student.model={model}"


MODELS: list[Any] = [
    (lambda place: "teacher.model=./nowhere", ["teacher.model: ", "'./nowhere': no such folder"]),
    (lambda place: "student.model=package:nonsuch/model", ["student.model: ", "no Python package 'nonsuch'"]),
    (lambda place: "student.model=train.tsv", ["'train.tsv' is a file; give the folder"]),
    (lambda place: f"student.model={place.folder}", ["holds no model: config.json is missing"]),
    (lambda place: f"teacher.model={place.models.teachers[3]}", ["gives 3 scores a pair, but the task needs 1"]),
    (lambda place: f"teacher.model={place.models.encoder}", ["is a bare encoder without a scoring head"]),
    (lambda place: "teacher.max_length=5000", ["max_length 5000 is outside 4..128"]),
    (lambda place: "student.max_length=5000", ["max_length 5000 is outside 3..128"]),
    (pickle_only, ["only pickled weights (pytorch_model.bin)", "model.safetensors only"]),
    (truncated_weights, ["is cut short", "copy it again"]),
    (zeros_for_weights, ["is not a safetensors file"]),
    (config_not_json, ["config.json is not JSON"]),
    (config_is_a_list, ["config.json holds no JSON object, but list"]),
    (config_of_no_known_type, ["the model cannot be loaded", "nonsuch"]),
    (no_tokenizer, ["holds no tokenizer"]),
    (garbage_tokenizer, ["its tokenizer cannot be loaded"]),
]


@pytest.mark.parametrize(("spoil", "expected"), MODELS)
def test_models(spoil: Callable[[Place], str], expected: list[str], place: Place) -> None:
    assert_refused(place.run(spoil(place)), *expected)
    assert_nothing_left(place.out)


OPTIONS = [
    (["--from", "nosuch"], "--from nosuch: this recipe has no such stage; its stages are texts, teacher, "),
    (["--set", "nonsense"], "--set nonsense: write it as key.of.a.setting=value"),
    (["--set", "unknown.key=1"], "--set unknown: no such key; the keys here are name, "),
    (["--set", "student.epohcs=1"], "--set student.epohcs: no such key; did you mean epochs?"),
    (["--set", "name.more=1"], "--set name.more=1: name is a single value, so it has no more"),
    (["--set", "seed=[1"], "--set seed=[1: the value is not YAML: a bracket [ is opened here and never closed"),
    (["--nosuch"], "No such option: --nosuch"),
    (["--set"], "Option '--set' requires an argument"),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS, ids=[" ".join(row[0]) for row in OPTIONS])
def test_options(options: list[str], expected: str, place: Place) -> None:
    assert_refused(decant("run", place.recipe, "--out", place.out, "--quiet", *options), expected)
    assert not place.out.exists()


COMMANDS = [
    (["frobnicate"], "No such command 'frobnicate'"),
    (["run"], "Missing argument 'RECIPE'"),
    (["verify", HERE], "is no artifact of Decant: decant.json is missing"),
    (["encode", HERE / "nowhere"], "is no artifact of Decant"),
    (["encode", HERE, "--format", "csv"], "--format csv: choose npy or jsonl"),
    (["encode", HERE, "--vectors", "int4"], "--vectors int4: choose float32, int8, binary"),
    (["bundle", HERE, "--for", "vllm", "--out", HERE / "served"], "--for vllm: choose one of ort, st, tei, "),
    (["bundle", HERE, "--for", "ort", "--out", HERE / "served"], "is no artifact of Decant"),
    (["encode", HERE, "--threads", "0"], "Invalid value for '--threads'"),
    (["eval", HERE, "--pairs", HERE / "data" / "good.tsv"], "is no artifact of Decant"),
    (["report", HERE], "report.json: No such file or directory"),
    (["init", HERE / "data" / "good.tsv" / "new.yaml"], "good.tsv"),
]


@pytest.mark.parametrize(("command", "expected"), COMMANDS, ids=[str(row[0][0]) + row[1][:12] for row in COMMANDS])
def test_commands(command: list[object], expected: str) -> None:
    assert_refused(decant(*command), expected)


def test_no_command_at_all_shows_the_help() -> None:
    said = decant()
    assert said.code == 2
    assert "Usage: " in said.text + said.err
    assert "decant: " not in said.err


def test_a_gate_that_fails_has_its_own_exit_code(place: Place) -> None:
    said = place.run("export.precisions=[int8-dynamic]", "export.parity.int8_min_cosine=1.0")
    assert_refused(
        said, "gate failed: L3xD32-int8-dynamic: int8-dynamic graph: min_cosine 0.", "is below 1.0; worst text", code=3
    )
    assert_nothing_left(place.out)
    assert not (place.out / "graphs").exists()


@pytest.mark.parametrize("fault", ["a gate that none reaches", "a quantizer that gives NaN"])
def test_a_quantized_graph_that_misses_its_gate_is_left_out_and_the_others_are_finished(
    fault: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quantize(source: Path, target: Path) -> None:
        shutil.copyfile(source, target)
        spoil_norm(target)

    gate = "export.parity.int8_min_cosine=1.0"
    if fault == "a quantizer that gives NaN":
        monkeypatch.setattr("pipeline.stages.graph_precisions.quantize_dynamic", quantize)
        gate = "export.parity.int8_min_cosine=-1"
    said = place.run(gate)
    assert said.code == 3
    (line,) = said.lines
    name = next(path.name for path in (place.out / "artifacts").glob("L*")).replace("fp32", "int8-dynamic")
    assert line.startswith(f"decant: gate failed: {name}: int8-dynamic graph: min_cosine ")
    assert line.endswith("; all else is finished")
    for stage in ("graphs", "artifacts"):
        assert [path.name for path in (place.out / stage).iterdir() if "int8" in path.name] == []
    report = read_report_json(place.out / "report" / "report.json")
    assert report.selected == name.replace("int8-dynamic", "fp32")
    assert name in report.left_out[0]
    assert f"Left out, as it misses its gate: {report.left_out[0]}." in report.notes
    assert_nothing_left(place.out)
    assert place.run(gate).lines == [line], "a second call says the same and makes nothing"


def test_a_float32_graph_that_misses_its_gate_fails_the_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(encoder: SentenceEncoder, path: Path) -> None:
        export_encoder(encoder, path)
        spoil_norm(path)

    monkeypatch.setattr("pipeline.stages.graphs.export_encoder", export)
    assert_refused(place.run(), "gate failed: fp32 graph: min_cosine nan is below 0.99999; worst text ", code=3)
    assert_nothing_left(place.out)
    assert not (place.out / "graphs").exists()


@pytest.mark.parametrize("within", ["a file", "proc"])
def test_an_output_folder_that_cannot_be_made(within: str, place: Place) -> None:
    parent = place.folder / "train.tsv" if within == "a file" else Path("/proc")
    if not parent.exists():
        pytest.skip("no /proc here")
    said = decant("run", place.recipe, "--out", parent / "run", "--quiet")
    assert_refused(said, "cannot be written", "give --out another folder")


@pytest.fixture(params=[48, 400, 1400], ids=lambda kib: f"{kib} KiB")
def full_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk too small for a run: the sizes end it in different stages."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let mount")
    try:
        yield disk
    finally:
        gc.collect()  # the error's frames hold the pairs, and these a mapped file of the disk
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(full_disk: Path, place: Place) -> None:
    said = decant("run", place.recipe, "--out", full_disk / "run", "--quiet")
    assert_refused(said, "No space left on device", "free space or choose another folder with --out", code=75)
    for stage in NAMES:
        folder = full_disk / "run" / stage
        assert not folder.exists() or mark_path(full_disk / "run", stage).is_file()


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [1 << 10, 6 << 10, 60 << 10, 120 << 10])
def test_a_limit_on_a_files_size(limit: int, place: Place) -> None:
    with largest_file(limit):
        said = place.run()
    assert_refused(said, "File too large", "raise the limit (ulimit -f)")


def test_a_limit_that_numpy_meets(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*given: object) -> None:
        with largest_file(4096):
            np.save(place.folder / "vectors.npy", np.zeros(10_000))

    monkeypatch.setattr("pipeline.stages.texts.load_texts", write)
    said = "No space left on device, or File too large; free space or choose another folder"
    assert_refused(place.run(), said, code=75)


def test_memory_that_does_not_suffice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.stages.texts.load_texts", lambda *given: bytearray(1 << 62))
    assert_refused(place.run(), "out of memory; lower batch_size or max_length", code=75)


@pytest.fixture
def artifact(smoke_run: SmokeRun, tmp_path: Path) -> Path:
    return Path(shutil.copytree(smoke_run.artifact, tmp_path / "artifact"))


def asked(verb: str, artifact: Path) -> Said:
    """A verb that takes an artifact."""
    file = HERE / "data" / "good.tsv"
    options = {"eval": ["--pairs", file], "bench": ["--pairs", file, "--rounds", 1]}
    options["bundle"] = ["--for", "ort", "--out", artifact.with_name("served")]
    return decant(verb, artifact, *options.get(verb, []), stdin=b"a text\n")


VERBS = ["verify", "eval", "encode", "bundle", "certify", "bench"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("file", ["model.safetensors", "onnx/model.onnx", "README.md"])
def test_an_artifact_with_one_byte_changed(verb: str, file: str, artifact: Path) -> None:
    content = bytearray((artifact / file).read_bytes())
    content[len(content) // 2] ^= 1
    (artifact / file).write_bytes(content)
    assert_refused(asked(verb, artifact), f"{file} was changed: its sha256 differs")
    assert [path.name for path in artifact.parent.iterdir()] == ["artifact"]


def weights_elsewhere(artifact: Path) -> None:
    model = onnx.load(artifact / GRAPH)
    onnx.save(model, artifact / GRAPH, save_as_external_data=True, location="lost.data", size_threshold=0)
    (artifact / GRAPH).with_name("lost.data").unlink()


def operator_of_no_runtime(artifact: Path) -> None:
    model = onnx.load(artifact / GRAPH)
    next(node for node in model.graph.node if node.op_type == "MatMul").op_type = "Frobnicate"
    onnx.save(model, artifact / GRAPH)


def weights_not_finite(artifact: Path) -> None:
    spoil_norm(artifact / GRAPH)


def tokenizer_beyond_the_table(artifact: Path) -> None:
    tokenizer = json.loads((artifact / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"]["text"] = 40_000
    (artifact / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")


def sign(artifact: Path, *more: str) -> None:
    """Let the manifest list the files as they are now, and more of them."""
    manifest = json.loads((artifact / "decant.json").read_text(encoding="utf-8"))
    manifest["sha256"] = {path: sha256_of(artifact / path) for path in {*manifest["sha256"], *more}}
    (artifact / "decant.json").write_text(json.dumps(manifest), encoding="utf-8")


UNUSABLE: list[Any] = [
    (weights_elsewhere, ["model.onnx cannot be run (", "does not exist"]),
    (operator_of_no_runtime, ["model.onnx cannot be run (", "Frobnicate"]),
    (tokenizer_beyond_the_table, ["its tokenizer gives 'text' the id 40000, but its table of tokens has "]),
    (weights_not_finite, ["model.onnx gives a vector that is not finite; export the model again"]),
]


@pytest.mark.parametrize(("spoil", "expected"), UNUSABLE, ids=[row[0].__name__ for row in UNUSABLE])
@pytest.mark.parametrize("verb", VERBS)
def test_an_artifact_that_cannot_be_used(
    verb: str, spoil: Callable[[Path], None], expected: list[str], artifact: Path
) -> None:
    spoil(artifact)
    sign(artifact)
    before = (artifact / "decant.json").read_bytes()
    if (spoil, verb) == (weights_not_finite, "verify"):
        assert_refused(asked(verb, artifact), "gate failed: fp32 graph: min_cosine nan is below", code=3)
    else:
        assert_refused(asked(verb, artifact), *expected)
    assert [path.name for path in artifact.parent.iterdir()] == ["artifact"]
    assert (artifact / "decant.json").read_bytes() == before


def test_a_text_of_100_000_words_and_10_000_texts_of_one_token(artifact: Path) -> None:
    lines = [" ".join(["man"] * 100_000), " ".join(["man"] * 200), *["man"] * 10_000]
    said = decant("encode", artifact, stdin="\n".join(lines).encode())
    assert said.code == 0, said.err
    found = np.load(io.BytesIO(said.out))
    assert found.shape == (10_002, 32)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[2:], found[2:3].repeat(10_000, axis=0), atol=1e-6)
    assert found[0] @ found[2] < 0.9999, "what a long text and a short one give is told apart"


def test_an_artifact_with_a_file_more_or_less(artifact: Path) -> None:
    (artifact / "extra.txt").write_text("x")
    assert_refused(decant("verify", artifact), "extra.txt is not listed in decant.json")
    (artifact / "extra.txt").unlink()
    (artifact / "tokenizer.json").unlink()
    assert_refused(decant("verify", artifact), "tokenizer.json is missing")
    (artifact / "decant.json").write_text("{}")
    assert_refused(decant("verify", artifact), "decant.json: schema: Field required")


def test_encode_drops_a_byte_order_mark_of_its_first_line_alone(artifact: Path) -> None:
    lines = [b"a man\n", b"\xef\xbb\xbfthe dog\n"]
    marked = decant("encode", artifact, "--format", "jsonl", stdin=b"\xef\xbb\xbf" + b"".join(lines))
    assert marked.code == 0
    assert marked.out == decant("encode", artifact, "--format", "jsonl", stdin=b"".join(lines)).out


def test_encode_refuses_what_is_not_utf8_and_names_the_line(artifact: Path) -> None:
    for format_ in ("npy", "jsonl"):
        said = decant("encode", artifact, "--format", format_, stdin=(HERE / "data" / "not-utf8.txt").read_bytes())
        assert_refused(said, "line 2 of the input is not UTF-8")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("label-word.tsv", "row 13: the label 'abc' is not a number"),
        ("label-nan.tsv", "row 13: the label 'NaN' is not a finite number"),
        ("labels-all-the-same.tsv", "every label is the same"),
        ("missing-column.tsv", "no column 'sentence2'"),
        ("not-utf8.tsv", "row 13 is not UTF-8"),
        ("text-empty.tsv", "row 13 has an empty text"),
        ("one-row.tsv", "every label is the same"),
    ],
)
def test_eval_refuses_bad_pairs(file: str, expected: str, artifact: Path) -> None:
    assert_refused(decant("eval", artifact, "--pairs", HERE / "data" / file), expected)


@pytest.mark.parametrize("verb", ["eval", "bench"])
def test_pairs_whose_quotes_can_be_read_in_two_ways(verb: str, artifact: Path, tmp_path: Path) -> None:
    rows = [(f'"{first}"', second, label) for first, second, label in pairs("regression", 20, 3)]
    file = write_tsv(tmp_path / "pairs.tsv", rows)
    options = ["--pairs", file, *(["--rounds", 1] if verb == "bench" else [])]
    assert_refused(decant(verb, artifact, *options), "pairs.tsv, row 1: whole cells stand in quotes", "(--quoting)")
    assert_refused(decant(verb, artifact, *options, "--quoting", "tabs"), "--quoting tabs: choose none or csv")
    assert [decant(verb, artifact, *options, "--quoting", one).code for one in ("csv", "none")] == [0, 0]


def test_a_report_of_another_layout(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.json").write_text(json.dumps({"schema": "other/1"}))
    assert_refused(decant("report", tmp_path), "schema", "(expected decant.report/1)")


def test_as_a_process_of_its_own(tmp_path: Path) -> None:
    recipe = HERE / "recipes" / "wrong-key.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "run", str(recipe)], capture_output=True, text=True, cwd=tmp_path,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"decant: {recipe}:8: studnet: no such key; did you mean student?; the keys here are name, ")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.smoke
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_in_training_ends_with_one_line_and_the_same_command_goes_on(number: int, place: Place) -> None:
    recipe = yaml.safe_load(place.recipe.read_text(encoding="utf-8"))
    recipe["student"]["epochs"], recipe["student"]["patience"] = 400, 400
    recipe["measure"]["speed"]["throughput_rounds"] = 1
    place.recipe.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "pipeline.cli", "run", str(place.recipe), "--out", str(place.out), "-q"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(place.out.glob(".work/students-*/training/best.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "decant: interrupted; the same command goes on from here\n"
    assert not (place.out / "student").exists()
    finished = {stage: mark_path(place.out, stage).read_bytes() for stage in ("texts", "teacher", "targets")}
    assert decant("run", place.recipe, "--out", place.out, "-q", "--set", "student.epochs=1").code == 0
    assert {stage: mark_path(place.out, stage).read_bytes() for stage in finished} == finished
    assert [line["stage"] for line in read_log(place.out) if line["event"] == "reused"] == [
        "texts",
        "teacher",
        "targets",
    ]
