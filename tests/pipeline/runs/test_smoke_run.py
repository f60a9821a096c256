"""The whole road on tiny random models, through the command line."""

from __future__ import annotations

import io
import json
import re
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from decant.models.encoder import SentenceEncoder
from export.artifact.bundle import verify_artifact
from export.serve.session import OnnxEncoder
from pipeline.measure.peers import PEERS
from pipeline.report.page.payload import IN_PYTHON, SNIPPETS
from pipeline.report.rows import read_report_json
from tests.evaluated_alike import assert_evaluated_alike
from tests.made_stages import NAMES
from tests.tiny_runs import (
    Models,
    SmokeRun,
    Task,
    decant,
    make_smoke_run,
    nested_recipe,
    pairs,
    read_log,
    tiny_recipe,
    trained_recipe,
    write_project,
    write_tsv,
)  # fmt: skip

pytestmark = pytest.mark.smoke
PLAIN = [
    stage
    for stage in NAMES
    if stage
    not in ("vectors", "mine", "table", "candidates", "embed", "reranker", "openvino", "checkpoints", "engines")
]  # what no key asks for
VERBS = ["init", "validate", "plan", "run", "report", "pick", "compare", "eval", "encode", "bench", "verify", "doctor"]


@pytest.fixture
def copied(smoke_run: SmokeRun, tmp_path: Path) -> SmokeRun:
    """The finished run, to be changed."""
    shutil.copytree(smoke_run.recipe.parent, tmp_path / "copy")
    return SmokeRun(tmp_path / "copy" / "recipe.yaml", tmp_path / "copy" / "run", smoke_run.said)


def events(run: Path, event: str, after: int = 0) -> list[str]:
    return [line["stage"] for line in read_log(run)[after:] if line["event"] == event]


def test_a_run_leaves_every_artifact_and_its_report(smoke_run: SmokeRun) -> None:
    assert smoke_run.said.code == 0, smoke_run.said.err
    run = smoke_run.folder
    assert {path.name for path in run.iterdir()} - {".lock"} == {
        *PLAIN,
        ".stages",
        "students",
        "recipe.yaml",
        "inputs.json",
        "log.jsonl",
    }
    report = read_report_json(run / "report" / "report.json")
    names = {path.name for path in (run / "artifacts").iterdir()}
    assert names == {"L3xD32-fp32", "L3xD32-int8-dynamic"}
    assert [row.kind for row in report.rows] == [
        "teacher", "baseline", "baseline", "student", "artifact", "artifact",
    ]  # fmt: skip
    for row in report.rows:
        assert row.metrics["tiny-regression/test"].metric == "spearman"
        assert row.path is None or (run / row.path).is_dir()
    for name in names:
        manifest = verify_artifact(run / "artifacts" / name)
        row = report.row(name)
        assert manifest.metrics["tiny-regression/test"] == row.metrics["tiny-regression/test"].model_dump(mode="json")
        assert row.latency_ms["1"].p50 > 0
        assert row.latency_parts is not None
        assert row.latency_parts.pooling_ms is not None
        assert list(row.latency_by_tokens) == ["8", "32"]  # no text is longer than 32
    assert "Report:" in smoke_run.said.text
    assert (run / "report" / "report.html").stat().st_size > 10_000


def test_artifact_gives_the_students_metric(smoke_run: SmokeRun) -> None:
    report = read_report_json(smoke_run.folder / "report" / "report.json")
    student, artifact = (report.row(name).metrics["tiny-regression/test"] for name in ("student", "L3xD32-fp32"))
    assert artifact.spearman == pytest.approx(student.spearman, abs=1e-3)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_comparators(task: Task, models: Models, tmp_path: Path) -> None:
    done = make_smoke_run(tmp_path, models, task, load=task == "multiclass")
    assert done.said.code == 0, done.said.err
    report = read_report_json(done.folder / "report" / "report.json")
    rows = {row.name: row for row in report.rows}
    assert {row.kind for row in report.rows} >= {"teacher", "student", "artifact"}
    assert rows["student"].form == "comparator"
    assert ("student by cosine" in rows) == (task == "binary")
    assert (done.artifact / "onnx" / "comparator.onnx").is_file()
    assert (done.artifact / "modules.json").is_file() == (task == "multiclass")  # concat_top_mean has none
    assert rows["student"].metrics[f"tiny-{task}/test"].metric == {"binary": "f1", "multiclass": "accuracy"}[task]
    assert decant("verify", done.artifact).code == 0
    graded = write_tsv(tmp_path / "graded.tsv", pairs("regression", 12, 5))
    again = decant("eval", done.artifact, "--pairs", graded, "--task", "regression")
    assert again.code == (0 if task == "binary" else 2), again.err
    assert task == "binary" or "tells 3 classes apart" in again.err
    measured = rows[done.artifact.name].metrics[f"tiny-{task}/test"]
    assert_evaluated_alike(done.artifact, tmp_path / "test.tsv", measured)
    card = (done.artifact / "README.md").read_text(encoding="utf-8")
    assert (f"A score of {measured.threshold or 0:.4f} or more means class 1" in card) == (task == "binary")
    assert ("same = logits[:, 0] >= " in card) == (task == "binary")


def test_a_second_run_makes_nothing_again(copied: SmokeRun) -> None:
    before = len(copied.log())
    again = decant("run", copied.recipe, "--out", copied.folder)
    assert again.code == 0, again.err
    assert events(copied.folder, "begun", before) == []
    assert set(events(copied.folder, "reused", before)) >= {*PLAIN}
    assert again.text.splitlines()[:5] == copied.said.text.splitlines()[:5]


def test_from_makes_this_stage_and_the_later_ones_again(copied: SmokeRun) -> None:
    before = len(copied.log())
    assert decant("run", copied.recipe, "--out", copied.folder, "--from", "measure").code == 0
    assert events(copied.folder, "begun", before) == ["measure", "artifacts", "report"]


def test_set_overrides_the_recipe_and_makes_again_what_depends_on_it(copied: SmokeRun) -> None:
    before = len(copied.log())
    changed = decant("run", copied.recipe, "--out", copied.folder, "--set", "student.alpha=0.25", "--json", "-q")
    assert changed.code == 0, changed.err
    assert changed.err == ""
    assert changed.json()["recipe"]["student"]["alpha"] == 0.25
    assert yaml.safe_load((copied.folder / "recipe.yaml").read_text())["student"]["alpha"] == 0.25
    assert events(copied.folder, "begun", before) == [
        "students/alpha0.25-seed0", "student", "graphs", "measure", "artifacts", "report",
    ]  # fmt: skip


def test_changed_texts_are_seen(copied: SmokeRun) -> None:
    train = copied.recipe.parent / "train.tsv"
    train.write_text(train.read_text() + "a new sentence\tof the market\t3\n", encoding="utf-8")
    before = len(copied.log())
    assert decant("run", copied.recipe, "--out", copied.folder).code == 0
    assert events(copied.folder, "begun", before)[:3] == ["texts", "teacher", "targets"]


@pytest.mark.parametrize("precision", ["int8-row", "int8-static"])
def test_int8_that_is_held_to_the_batch_is_shipped(precision: str, copied: SmokeRun) -> None:
    before = len(copied.log())
    how = f"{precision.replace('-', '_')}: {{min_cosine: 0.5{', outliers: 1' if precision == 'int8-row' else ''}}}"
    lenient = "parity: {texts: 40, int8_min_cosine: 0.5}"
    export = f"export={{precisions: [{precision}], {how}, calibration: {{texts: 20}}, {lenient}}}"
    said = decant("run", copied.recipe, "--out", copied.folder, "--set", export, "--json")
    assert said.code == 0, said.err
    assert events(copied.folder, "begun", before) == ["graphs", "measure", "artifacts", "report"]
    report = said.json()
    row = next(row for row in report["rows"] if row["kind"] == "artifact")
    assert report["selected"] == row["name"] == f"L3xD32-{precision}"
    assert row["parity"]["batch_invariance"] >= row["parity"]["required_batch_invariance"] == 0.9999
    (graph,) = json.loads((copied.folder / "graphs" / "graphs.json").read_text(encoding="utf-8"))["made"]
    groups = [one["group"] for one in graph["sensitivity"]]
    assert len(set(groups)) == 3 * 4
    assert not any(one["kept"] for one in graph["sensitivity"])
    card = (copied.folder / row["path"] / "README.md").read_text(encoding="utf-8")
    assert f"weights in {precision}" in card
    assert "depends a little" not in card
    assert decant("verify", copied.folder / row["path"], "--json").json()["precision"] == precision


def test_block_quantized_weights_are_measured_and_told(copied: SmokeRun) -> None:
    precisions = "export.precisions=[fp32, int8-weights, int4]"
    lenient = "export.parity={texts: 40, int8_min_cosine: 0.9, int4_min_cosine: 0.5}"
    said = decant("run", copied.recipe, "--out", copied.folder, "--set", precisions, "--set", lenient, "--json")
    assert said.code == 0, said.err
    rows = {row["precision"]: row for row in said.json()["rows"] if row["kind"] == "artifact"}
    assert rows["int4"]["size_mib"] < rows["int8-weights"]["size_mib"] < rows["fp32"]["size_mib"]
    for precision, least in (("int8-weights", 0.9), ("int4", 0.5)):
        parity = rows[precision]["parity"]
        assert parity["min_cosine"] >= parity["required_min_cosine"] == least
        assert parity["batch_invariance"] > 0.99
        assert parity.get("required_batch_invariance") is None
        assert verify_artifact(copied.folder / rows[precision]["path"]).precision == precision


def test_seeds_and_other_alphas(models: Models, tmp_path: Path) -> None:
    recipe = tiny_recipe(models)
    recipe["student"] |= {"seeds": [0, 1], "compare_alphas": [0.0]}
    recipe["export"]["precisions"] = ["fp32"]
    path = write_project(tmp_path, recipe)
    said = decant("run", path, "--out", tmp_path / "run", "--json")
    assert said.code == 0, said.err
    rows = {row["name"]: row for row in said.json()["rows"]}
    assert rows["student"]["seeds"]["count"] == 2
    assert rows["student, alpha 0"]["seeds"]["count"] == 2
    assert len(list((tmp_path / "run" / "students").iterdir())) == 4


@pytest.mark.parametrize("labelled", [True, False])
def test_a_nested_student_has_every_cut_as_an_artifact(labelled: bool, models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, nested_recipe(models, labelled=labelled))
    assert decant("plan", path, "--out", tmp_path / "run").code == 0
    said = decant("run", path, "--out", tmp_path / "run", "--json")
    assert said.code == 0, said.err
    report = said.json()
    rows = {row["name"]: row for row in report["rows"]}
    assert {name for name, row in rows.items() if row["kind"] == "artifact"} == {
        "L3xD32-fp32", "L1xD32-fp32", "L1xD8-fp32",
    }  # fmt: skip
    set_name = f"{'nested' if labelled else 'general'}/test"
    cells = {(cell["layers"], cell["dim"]): cell for cell in report["grid"]["cells"]}
    assert set(cells) == {(layers, dim) for layers in (1, 2, 3) for dim in (32, 8)}
    assert report["grid"]["trained_on_labels"] == labelled
    assert [place for place, cell in cells.items() if "pca_value" in cell] == [(3, 8)]
    for layers, dim in ((3, 32), (1, 32), (1, 8)):
        row = rows[f"L{layers}xD{dim}-fp32"]
        assert row["metrics"][set_name]["spearman"] == pytest.approx(cells[layers, dim]["value"], abs=2e-3)
        folder = tmp_path / "run" / row["path"]
        assert verify_artifact(folder).dim == dim
        assert OnnxEncoder(folder).encode(["a big dog"]).shape == (1, dim)
        assert row["trained_on_labels"] == labelled
    assert report["selected"] == "L3xD32-fp32"
    assert rows["L1xD8-fp32"]["parameters"] < rows["L3xD32-fp32"]["parameters"]
    assert (tmp_path / "run" / "mine" / "mined.json").is_file() == labelled
    assert (tmp_path / "run" / "report" / "mined.png").is_file() == labelled
    before = len(read_log(tmp_path / "run"))
    fits = decant("run", path, "--out", tmp_path / "run", "--set", "budget.dim=8", "--json")
    assert fits.json()["selected"] == "L1xD8-fp32"
    assert events(tmp_path / "run", "begun", before) == ["report"]
    misses = decant("run", path, "--out", tmp_path / "run", "--set", "budget.size_mib=0.0001")
    assert misses.code == 3
    said_last = "decant: gate failed: budget infeasible: nearest is L1xD8-fp32, which misses size by "
    assert misses.lines[-1].startswith(said_last)
    assert decant("pick", tmp_path / "run", "--max-dim", 8, "--json").json()["selected"] == "L1xD8-fp32"


def test_verify(smoke_run: SmokeRun) -> None:
    said = decant("verify", smoke_run.artifact, "--json")
    assert said.code == 0, said.err
    assert said.json()["min_cosine"] > 0.99999
    assert "files as exported" in decant("verify", smoke_run.artifact).text


def test_bundle_writes_a_folder_that_encodes_alike(smoke_run: SmokeRun, tmp_path: Path) -> None:
    said = decant("bundle", smoke_run.artifact, "--for", "fastembed", "--out", tmp_path / "served")
    assert said.code == 0, said.err
    assert said.text == f"wrote {tmp_path / 'served'}; {tmp_path / 'served' / 'README.md'} tells how to start it\n"
    texts = ["a man is playing", ""]
    expected = OnnxEncoder(smoke_run.artifact).encode(texts)
    np.testing.assert_array_equal(OnnxEncoder(tmp_path / "served").encode(texts), expected)


def test_eval_gives_the_reports_figure(smoke_run: SmokeRun) -> None:
    said = decant("eval", smoke_run.artifact, "--pairs", smoke_run.recipe.parent / "test.tsv", "--json")
    assert said.code == 0, said.err
    report = read_report_json(smoke_run.folder / "report" / "report.json")
    expected = report.row(smoke_run.artifact.name).metrics["tiny-regression/test"]
    assert said.json()["spearman"] == pytest.approx(expected.spearman, abs=1e-9)
    assert_evaluated_alike(smoke_run.artifact, smoke_run.recipe.parent / "test.tsv", expected)
    assert said.json()["pairs"] == 24
    told = decant("eval", smoke_run.artifact, "--pairs", smoke_run.recipe.parent / "test.tsv").text
    assert re.match(r"24 pairs: Spearman -?\d+\.\d\d \(95 % interval", told)


def test_encode_writes_one_vector_a_line(smoke_run: SmokeRun) -> None:
    texts = ["a man is playing", "", "naïve café ☕", "two dogs"]
    stdin = "\r\n".join(texts).encode()
    matrix = np.load(io.BytesIO(decant("encode", smoke_run.artifact, stdin=stdin).out), allow_pickle=False)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, OnnxEncoder(smoke_run.artifact).encode(texts), atol=1e-6)
    rows = decant("encode", smoke_run.artifact, "--format", "jsonl", "--batch-size", 1, stdin=stdin).out.splitlines()
    np.testing.assert_allclose([json.loads(row) for row in rows], matrix, atol=1e-6)
    nothing = np.load(io.BytesIO(decant("encode", smoke_run.artifact).out), allow_pickle=False)
    assert nothing.shape == (0, 32)


def test_bench_gives_what_eval_does_and_says_what_no_peer_could(smoke_run: SmokeRun, models: Models) -> None:
    pairs_file = smoke_run.recipe.parent / "test.tsv"
    given = ("bench", smoke_run.artifact, "--pairs", pairs_file, "--rounds", 2)
    found = decant(*given, "--peers", models.encoder, "--json").json()
    rows = {row["name"]: row for row in found["rows"]}
    assert rows[smoke_run.artifact.name]["spearman"] == pytest.approx(
        decant("eval", smoke_run.artifact, "--pairs", pairs_file, "--json").json()["spearman"], abs=1e-9
    )
    missing = {note.split(" was not measured")[0] for note in found["notes"]}
    assert {*rows, *missing} == {smoke_run.artifact.name, *PEERS}
    assert all(row["speed"]["texts_per_second"] > 0 for row in rows.values())
    assert smoke_run.artifact.name in decant(*given).text
    twice = decant("bench", smoke_run.artifact, smoke_run.artifact, "--pairs", pairs_file)
    assert twice.code == 2
    assert "two artifacts are named" in twice.err


def test_report_shows_the_result_again(smoke_run: SmokeRun) -> None:
    assert decant("report", smoke_run.folder).text.splitlines()[0] == smoke_run.said.text.splitlines()[0]
    said = decant("report", smoke_run.folder, "--json").json()
    assert said == json.loads((smoke_run.folder / "report" / "report.json").read_text(encoding="utf-8"))


def test_the_page_names_the_graph_the_data_and_the_recipe(smoke_run: SmokeRun) -> None:
    report = read_report_json(smoke_run.folder / "report" / "report.json")
    manifest = json.loads((smoke_run.artifact / "decant.json").read_text(encoding="utf-8"))
    assert report.row(smoke_run.artifact.name).graph_sha256 == manifest["sha256"]["onnx/model.onnx"]
    assert report.recipe_sha256 == manifest["recipe_sha256"]
    assert set(report.data_sha256) == {"train", "dev", "test", "unlabelled"}
    page = (smoke_run.folder / "report" / "report.html").read_text(encoding="utf-8")
    assert all(digest in page for digest in (report.recipe_sha256, *report.data_sha256.values()))
    assert re.search(r"<figcaption><b>student</b>: \w+ ×100, on the development pairs, at best \d", page)


def test_what_the_page_tells_to_run_gives_the_artifacts_vectors(smoke_run: SmokeRun) -> None:
    code = SNIPPETS["onnxruntime"].replace(IN_PYTHON, json.dumps(str(smoke_run.artifact)))
    names: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()):
        exec(code, names)
    texts = ["A man is playing a guitar.", "Someone is making music."]
    np.testing.assert_allclose(names["vectors"], OnnxEncoder(smoke_run.artifact).encode(texts), atol=1e-6)


def test_compare_lays_runs_side_by_side(smoke_run: SmokeRun, copied: SmokeRun, tmp_path: Path) -> None:
    out = tmp_path / "pages" / "both.html"
    said = decant("compare", smoke_run.folder, copied.folder, "--out", out)
    assert said.code == 0, said.err
    assert said.text.startswith("Of 2 runs' picks ")
    page = out.read_text(encoding="utf-8")
    rows = len(read_report_json(smoke_run.folder / "report" / "report.json").rows)
    assert len(re.findall(r'<tr id="row\d+"', page)) == 2 * rows
    assert "All runs were tested on the same pairs." in page
    alone = decant("compare", smoke_run.folder)
    assert alone.code == 2
    assert "two or more" in alone.err


def test_plan_before_and_after(smoke_run: SmokeRun, tmp_path: Path) -> None:
    before = decant("plan", smoke_run.recipe, "--out", tmp_path / "new", "--json").json()
    assert [stage["stage"] for stage in before] == PLAIN
    assert {stage["state"] for stage in before} == {"to do"}
    assert all(stage["seconds"] > 0 for stage in before)
    assert not (tmp_path / "new").exists()
    after = decant("plan", smoke_run.recipe, "--out", smoke_run.folder, "--json").json()
    assert {stage["state"] for stage in after} == {"done"}
    assert "in all" in decant("plan", smoke_run.recipe, "--out", smoke_run.folder).text


def test_doctor_and_validate(smoke_run: SmokeRun) -> None:
    found = decant("doctor", "--json").json()
    assert found["cores"] >= 1
    assert "CPUExecutionProvider" in found["onnxruntime"]
    assert "onnxruntime" in decant("doctor").text
    assert decant("validate", smoke_run.recipe, "--json").json() == {"recipe": str(smoke_run.recipe), "errors": []}
    assert decant("validate", smoke_run.recipe).text == f"{smoke_run.recipe} is valid\n"


def test_what_init_writes_is_valid(models: Models, tmp_path: Path) -> None:
    recipe = tmp_path / "deep" / "my first.yaml"
    assert decant("init", recipe, "--train", "pairs.tsv", "--test", "held.tsv").code == 0
    for name in ("pairs.tsv", "held.tsv"):
        recipe.with_name(name).write_text(
            "sentence1\tsentence2\tlabel\n" + "".join("\t".join(row) + "\n" for row in pairs("regression", 30, 1))
        )
    here = ["--set", f"teacher.model={models.encoder}", "--set", f"student.model={models.encoder}"]
    assert decant("validate", recipe, *here).code == 0
    said = decant("init", recipe)
    assert said.code == 2
    assert "is there already" in said.err
    assert decant("init", recipe, "--force").code == 0


def test_a_model_that_came_trained_is_exported_as_it_is(models: Models, tmp_path: Path) -> None:
    path = write_project(tmp_path, trained_recipe(models))
    assert "as it is" in json.dumps(decant("plan", path, "--out", tmp_path / "run", "--json").json())
    said = decant("run", path, "--out", tmp_path / "run", "--json")
    assert said.code == 0, said.err
    rows = {row["name"]: row for row in said.json()["rows"]}
    assert {name for name, row in rows.items() if row["kind"] == "artifact"} == {
        "L3xD32-fp32", "L3xD32-int8-row", "L1xD8-fp32", "L1xD8-int8-row",
    }  # fmt: skip
    given = SentenceEncoder.load(models.encoder, 128)
    shipped = OnnxEncoder(tmp_path / "run" / rows["L3xD32-fp32"]["path"])
    np.testing.assert_allclose(shipped.encode(["a big dog"]), given.encode(["a big dog"]), atol=1e-5)
    binary = decant("encode", tmp_path / "run" / rows["L1xD8-int8-row"]["path"], "--vectors", "binary", stdin=b"a\nb")
    assert np.load(io.BytesIO(binary.out), allow_pickle=False).shape == (2, 1)
    assert shipped.encode_small(["a big dog"], "int8").dtype == np.int8
    values = {name: rows[name]["metrics"]["trained/test"]["spearman"] for name in ("teacher", "student")}
    assert values["teacher"] == values["student"]
    assert all("trained_on_labels" not in row for name, row in rows.items() if name != "bag of words")
    assert sum(name.endswith(" in sentence-transformers") for name in rows) == 1
    again = decant("run", path, "--out", tmp_path / "run", "--json")
    assert again.json() == said.json()


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example(verb: str) -> None:
    said = decant(verb, "--help")
    assert said.code == 0
    assert re.search(rf"Examples?:\s+decant {verb}\b", said.text)


def test_help_names_every_verb() -> None:
    said = decant("--help")
    assert all(re.search(rf"\b{verb}\b", said.text) for verb in VERBS)
