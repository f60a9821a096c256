"""Runs of rankings: from a folder in BEIR's layout to artifacts that rank as their student does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.serve.session import OnnxEncoder
from pipeline.measure.ranking_figures import ranking_figures
from pipeline.measure.retrieval import read_beir, retrieve
from pipeline.report.row_names import BM25, START, STUDENT
from pipeline.report.rows import Report
from pipeline.stages.measured_models import TEACHER
from pipeline.texts.candidate_lists import Lists
from tests.ranking_data import ranking_recipe, texts_of, write_beir, write_ranking_project
from tests.tiny_runs import FAST, Models, SmokeRun, decant

pytestmark = pytest.mark.smoke
LISTED = {"kl": 1, "margin_mse": 1, "info_nce": 1}


def run_of(folder: Path, recipe: dict[str, Any]) -> SmokeRun:
    path = write_ranking_project(folder, recipe)
    return SmokeRun(path, folder / "run", decant("run", path, "--out", folder / "run"))


@pytest.fixture(scope="module")
def run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    """Of an embedding teacher's lists, and a nested student."""
    recipe = ranking_recipe(models)
    recipe["student"] |= {"nesting": {"kind": "grid"}, "dims": [8], "keep": 1.0}
    recipe["export"] |= {"cuts": [[3, 32], [1, 8]]}
    return run_of(tmp_path_factory.mktemp("ranking"), recipe)


def test_every_row_is_judged_by_how_it_ranks_the_test_queries(run: SmokeRun) -> None:
    assert run.said.code == 0, run.said.err
    report = Report.read(run.folder)
    rows = {row.name: row.metrics["ranked/test"] for row in report.rows}
    assert set(rows) == {TEACHER, START, BM25, STUDENT, "L3xD32-fp32", "L1xD8-fp32"}
    assert {one.metric for one in rows.values()} == {"ndcg_at_10"}
    assert {one.examples for one in rows.values()} == {8}
    assert rows[BM25].value == 1.0  # every query is words of its passage
    assert rows[TEACHER].value == pytest.approx(rows[START].value, abs=0.01)  # one model, in other arithmetic
    assert rows["L3xD32-fp32"].value == rows[STUDENT].value
    assert report.grid is not None
    cells = {(cell.layers, cell.dim): cell for cell in report.grid.cells}
    assert set(cells) == {(layers, dim) for layers in (1, 2, 3) for dim in (32, 8)}
    assert cells[3, 32].value == pytest.approx(rows[STUDENT].value)
    assert cells[1, 8].value == pytest.approx(rows["L1xD8-fp32"].value)


def test_an_artifacts_figures_are_those_of_its_own_vectors(run: SmokeRun) -> None:
    test = read_beir(run.recipe.parent / "found", "test")
    encoder = OnnxEncoder(run.folder / "artifacts" / "L1xD8-fp32")
    ranking = retrieve(encoder.encode(test.queries), encoder.encode(test.documents), 1000)
    expected = {name: float(values.mean()) for name, values in ranking_figures(ranking, test.relevance).items()}
    found = Report.read(run.folder).row("L1xD8-fp32").metrics["ranked/test"]
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)
    card = (run.folder / "artifacts" / "L1xD8-fp32" / "README.md").read_text(encoding="utf-8")
    assert "8 queries" in card


def test_lists_hold_what_is_relevant_and_what_the_window_found(run: SmokeRun) -> None:
    lists = Lists.load(run.folder / "candidates")
    assert lists.documents.shape == (24, 6)
    assert np.array_equal(lists.documents[:, 0], lists.queries)
    assert lists.relevant.sum() == 24
    assert all(len(set(row)) == 6 for row in lists.documents.tolist())
    assert "24 lists of 6 passages" in run.said.err


def test_a_second_run_makes_nothing_again_and_other_lists_teach_another_student(run: SmokeRun) -> None:
    again = decant("run", run.recipe, "--out", run.folder)
    assert again.code == 0, again.err
    assert all(re.search(rf"{stage} +reused", again.err) for stage in ("candidates", "student", "measure"))
    planned = decant("plan", run.recipe, "--out", run.folder, "--set", "candidates.per_query=5", "--json").json()
    states = {one["stage"]: (one["state"], one["why"]) for one in planned}
    assert states["vectors"][0] == states["embed"][0] == "done"
    assert states["candidates"] == ("to do", "candidates.per_query 6 → 5")
    assert states["student"][0] == "to do"
    qrels = run.recipe.parent / "found" / "qrels" / "dev.tsv"
    before = qrels.read_text(encoding="utf-8")
    qrels.write_text(before + "q24\td50\t1\n", encoding="utf-8")
    changed = decant("plan", run.recipe, "--out", run.folder, "--json").json()
    qrels.write_text(before, encoding="utf-8")
    assert changed[0]["state"] == "to do"
    assert "texts.dev changed" in changed[0]["why"]


def test_a_cross_encoder_scores_each_list_once_and_is_judged_as_a_reranker(models: Models, tmp_path: Path) -> None:
    recipe = ranking_recipe(models)
    del recipe["embedding"]
    recipe["teacher"] = {"kind": "load", "model": str(models.teachers[1])}
    recipe["student"] |= {"layers": [0, 1]}
    planned = decant("plan", write_ranking_project(tmp_path, recipe), "--out", tmp_path / "run")
    assert planned.code == 0, planned.err
    assert "144 pairs" in planned.text
    done = run_of(tmp_path, recipe)
    assert done.said.code == 0, done.said.err
    assert "144 pairs scored" in done.said.err
    report = Report.read(done.folder)
    teacher = report.row(TEACHER)
    assert teacher.note == "it re-ranks the first 100 passages that BM25 finds"
    assert teacher.metrics["ranked/test"].metric == "ndcg_at_10"
    assert teacher.pairs_per_second is not None
    assert report.row("L2xD32-fp32").metrics["ranked/test"].value == report.row(STUDENT).metrics["ranked/test"].value


def test_a_static_student_of_two_seeds(models: Models, tmp_path: Path) -> None:
    recipe = ranking_recipe(models)
    static = {key: FAST[key] for key in ("epochs", "batch_size", "precision")}
    recipe["student"] = {"kind": "static", "dims": [8], "seeds": [0, 1], "soup": True, "loss": LISTED, **static}
    recipe["export"] |= {"precisions": ["fp32", "int8"]}
    recipe["measure"] |= {"metric": "mrr_at_10"}
    done = run_of(tmp_path, recipe)
    assert done.said.code == 0, done.said.err
    rows = {row.name: row for row in Report.read(done.folder).rows}
    assert {"L0xD32-fp32", "L0xD32-int8"} < set(rows)
    assert rows["L0xD32-fp32"].metrics["ranked/test"].metric == "mrr_at_10"
    assert rows[STUDENT].seeds is not None
    assert rows[STUDENT].seeds.count == 2


def test_prompts_of_queries_and_passages_are_read_in_training_and_measuring(models: Models, tmp_path: Path) -> None:
    prompts = {"query": "big ", "document": "small "}
    recipe = ranking_recipe(models, prompts=prompts)
    recipe["texts"] |= {"columns": {"first_prompt": "query", "second_prompt": "document"}}
    recipe["student"] |= {"prompts": "teacher"}
    done = run_of(tmp_path, recipe)
    assert done.said.code == 0, done.said.err
    test = read_beir(tmp_path / "found", "test")
    encoder = OnnxEncoder(done.artifact)
    sides = (
        encoder.encode(some, prompt=name) for some, name in ((test.queries, "query"), (test.documents, "document"))
    )
    values = ranking_figures(retrieve(*sides, 1000), test.relevance)["ndcg_at_10"]
    report = Report.read(done.folder)
    found = next(row for row in report.rows if row.kind == "artifact").metrics["ranked/test"]
    assert found.value == pytest.approx(float(values.mean()))


def test_what_is_wrong_with_the_folder_is_told_before_the_run(models: Models, tmp_path: Path) -> None:
    recipe = write_ranking_project(tmp_path, ranking_recipe(models))
    folder = tmp_path / "found"
    passages, queries = texts_of()
    for name, said in {
        "corpus": "texts: .*corpus.jsonl, row 3 has an empty text",
        "window": "candidates.window: rank 20 is beyond the 10 passages; lower its end",
        "gone": r"texts.dev: .*qrels/dev.tsv is missing",
    }.items():
        texts = {"corpus": [*passages[:2], " ", *passages[3:]], "window": passages[:10]}.get(name, passages)
        splits = {split: [(0, 0, 1), (1, 1, 1)] for split in ("train",)}
        splits |= {"dev": [(2, 3, 1), (3, 3, 1)], "test": [(4, 4, 1), (5, 5, 1)]}
        write_beir(folder, texts, queries, splits)
        if name == "gone":
            (folder / "qrels" / "dev.tsv").unlink()
        found = decant("run", recipe, "--out", tmp_path / "run")
        assert found.code == 2
        assert re.search(said, found.err), found.err
        assert "Traceback" not in found.err
    assert not (tmp_path / "run" / "texts").exists()


def test_the_report_is_whole(run: SmokeRun) -> None:
    shown = decant("report", run.folder).text
    assert "nDCG@10 ×100 on ranked/test (8 queries)" in shown
    content = json.loads((run.folder / "report" / "report.json").read_text(encoding="utf-8"))
    assert content["recipe"]["candidates"]["per_query"] == 6
    picked = decant("pick", run.folder, "--min-of-teacher", "0.1")
    assert picked.code == 0, picked.err
    assert "nDCG@10" in picked.text
