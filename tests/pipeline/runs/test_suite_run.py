"""A run that names a suite: its rows, its report in every form, its budget, and what `decant eval` finds again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.report.row_names import WORDS
from pipeline.report.rows import Report
from tests.suite_data import write_suite
from tests.tiny_runs import Models, SmokeRun, decant, nested_recipe, trained_recipe, write_project

pytestmark = pytest.mark.smoke
NAMES = ["alike", "same", "found", "folds", "fitted", "paired"]


def recipe_with(models: Models, folder: Path, **more: Any) -> Path:
    write_suite(folder)
    recipe = trained_recipe(models) | more
    recipe["export"] |= {"precisions": ["fp32"], "cuts": [[3, 32]], "vectors": []}
    recipe["measure"] |= {"sets": "suite.yaml", "compare": []}
    return write_project(folder, recipe)


@pytest.fixture(scope="module")
def run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    folder = tmp_path_factory.mktemp("suite")
    recipe = recipe_with(models, folder, budget={"set": "found", "metric": "ndcg_at_10", "min_of_teacher": 0.5})
    return SmokeRun(recipe, folder / "run", decant("run", recipe, "--out", folder / "run"))


def test_every_model_of_vectors_has_its_figures_behind_those_of_the_test_set(run: SmokeRun) -> None:
    assert run.said.code == 0, run.said.err
    report = Report.read(run.folder)
    for row in report.rows:
        assert list(row.metrics) == ["trained/test", *([] if row.name == WORDS else NAMES)]
        if row.name == WORDS:
            continue
        assert row.metrics["found"].metric == "ndcg_at_10"
        assert row.metrics["same"].metric == "average_precision"
    teacher, artifact = (next(row for row in report.rows if row.kind == kind) for kind in ("teacher", "artifact"))
    for name in NAMES:
        assert artifact.metrics[name].value == pytest.approx(teacher.metrics[name].value, abs=0.02)
        assert teacher.metrics[name].of_teacher == 1.0
    assert report.selected == artifact.name
    assert report.selected_because is not None
    assert "nDCG@10 on found at least" in report.selected_because


def test_every_form_of_the_report_has_the_mean_and_its_parts(run: SmokeRun) -> None:
    metrics = next(row for row in Report.read(run.folder).rows if row.kind == "artifact").metrics
    mean = f"{100 * sum(metrics[name].value for name in NAMES) / len(NAMES):.2f}"
    part = f"{100 * metrics['found'].value:.2f}"
    said = decant("report", run.folder).text
    for text in (
        said,
        (run.folder / "report" / "report.md").read_text(encoding="utf-8"),
        (run.folder / "report" / "report.html").read_text(encoding="utf-8"),
    ):
        assert mean in text
        assert part in text
        assert "found nDCG@10 (10 queries)" in text


def test_eval_finds_the_same_figures_again(run: SmokeRun) -> None:
    suite = run.recipe.parent / "suite.yaml"
    model = yaml.safe_load(run.recipe.read_text(encoding="utf-8"))["student"]["model"]
    said = decant("eval", run.artifact, "--sets", suite, "--compare", model, "--resamples", 100, "--json")
    assert said.code == 0, said.err
    report, (own, other) = Report.read(run.folder), said.json()["rows"]
    measured = next(row for row in report.rows if row.kind == "artifact").metrics
    assert [own["model"], other["model"]] == [str(run.artifact), model]
    for name in NAMES:
        one, figures = measured[name], own["sets"][name]
        assert figures[one.metric] == pytest.approx(one.value)
        assert figures["ci95"] == pytest.approx(one.ci95)
    assert own["mean"] == pytest.approx(sum(measured[name].value for name in NAMES) / len(NAMES))
    assert own["of_first"] == 1.0
    assert other["of_first"] == pytest.approx(other["mean"] / own["mean"])
    shown = decant("eval", run.artifact, "--sets", suite, "--compare", model, "--resamples", 100)
    assert f"{100 * own['mean']:.2f}" in shown.text
    assert "of the first's" in shown.text


def test_pick_takes_a_set_by_its_name(run: SmokeRun) -> None:
    said = decant("pick", run.folder, "--on", "found", "--min-of-teacher", "0.5")
    assert said.code == 0, said.err
    assert "nDCG@10" in said.text
    missing = decant("pick", run.folder, "--on", "gone", "--min-of-teacher", "0.5")
    assert missing.code == 2
    assert "set gone was not measured; there is trained/test, alike," in missing.err


def test_a_changed_set_is_measured_again_and_an_unchanged_one_is_not(run: SmokeRun) -> None:
    again = decant("run", run.recipe, "--out", run.folder)
    assert re.search(r"measure +reused", again.err)
    qrels = run.recipe.parent / "found" / "qrels" / "test.tsv"
    before = qrels.read_text(encoding="utf-8")
    qrels.write_text(before + "q0\td20\t1\n", encoding="utf-8")
    planned = decant("plan", run.recipe, "--out", run.folder)
    qrels.write_text(before, encoding="utf-8")
    assert planned.code == 0, planned.err
    assert "suite.found changed" in planned.text + planned.err


def test_several_embedding_teachers_are_judged_as_one(models: Models, tmp_path: Path) -> None:
    write_suite(tmp_path)
    recipe = nested_recipe(models, labelled=False)
    recipe["embedding"] |= {"teachers": [{"model": str(models.encoder)}, {"model": str(models.encoder)}]}
    recipe["measure"] |= {"sets": "suite.yaml"}
    said = decant("run", write_project(tmp_path, recipe), "--out", tmp_path / "run")
    assert said.code == 0, said.err
    report = Report.read(tmp_path / "run")
    teacher, start = report.row("teacher"), report.row("start model")
    for name in NAMES[:3]:  # two of the same repeat its vectors: but for rounding, cosines are its own
        assert teacher.metrics[name].value == pytest.approx(start.metrics[name].value, abs=2e-3)
    assert all(report.row("student").metrics[name].of_teacher is not None for name in NAMES)


def test_what_is_not_there_is_refused_before_the_run(models: Models, without_data: None, tmp_path: Path) -> None:
    recipe = recipe_with(models, tmp_path)
    (tmp_path / "found" / "corpus.jsonl").unlink()
    with (tmp_path / "suite.yaml").open("a", encoding="utf-8") as file:
        file.write("trec: {kind: classes, source: {data: trec/test.tsv}}\n")
    said = decant("run", recipe, "--out", tmp_path / "run")
    assert said.code == 2
    assert [line for line in said.lines if "measure.sets.found: " in line and "corpus.jsonl is missing" in line]
    assert [line for line in said.lines if "measure.sets.trec: data: trec/test.tsv is not there" in line]
    assert not (tmp_path / "run" / "measure").exists()


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"set": "gone"}, "budget.set: gone is no set of this run, which are trained/test, alike,"),
        ({"set": "found", "metric": "spearman"}, "not what found is judged by, which is ndcg_at_10"),
    ],
)
def test_a_budget_names_a_set_that_is_measured(
    models: Models, budget: dict[str, Any], said: str, tmp_path: Path
) -> None:
    found = decant("validate", recipe_with(models, tmp_path, budget=budget))
    assert found.code == 2
    assert said in found.err + found.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either --pairs"),
        (["--sets", "SUITE", "--pairs", "x.tsv"], "give either --pairs"),
        (["--sets", "SUITE", "--label", "score"], "go with --pairs"),
        (["--pairs", "x.tsv", "--compare", "y"], "--compare goes with --sets"),
        (["--sets", "gone.yaml"], "gone.yaml: cannot be read"),
    ],
)
def test_options_that_do_not_go_together(run: SmokeRun, arguments: list[str], said: str) -> None:
    suite = str(run.recipe.parent / "suite.yaml")
    found = decant("eval", run.artifact, *(suite if one == "SUITE" else one for one in arguments))
    assert found.code == 2
    assert said in found.err
