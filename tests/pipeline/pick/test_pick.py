import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from decant.errors import GateError, InputError
from pipeline.pick.budget import Budget, choose
from pipeline.pick.pick import OPTIONS, budget_of, choice_text
from pipeline.report.rows import Report, write_report_json
from tests.pipeline.report.conftest import environment as environment
from tests.pipeline.report.conftest import latency, metrics, stand_artifacts
from tests.pipeline.report.conftest import report as report
from tests.tiny_runs import decant


@pytest.fixture
def run(tmp_path: Path, report: Report) -> Path:
    """A run's folder that holds a report and its artifacts."""
    folder = tmp_path / "run" / "report"
    folder.mkdir(parents=True)
    stand_artifacts(report, tmp_path / "run")
    write_report_json(report, folder / "report.json")
    return tmp_path / "run"


def test_the_pick_is_told_with_folder_figures_and_rule(run: Path) -> None:
    said = decant("pick", run, "--min-accuracy", "84", "--max-size-mib", "90")
    assert said.code == 0, said.err
    assert said.text.splitlines() == [
        "L6xD384-fp32",
        f"  {run / 'artifacts' / 'L6xD384-fp32'}",
        "  Spearman 86.00 on stsb/test (95 % interval 84.00 to 87.00), 2.70 ms for one text, 400 texts/s, 86.7 MiB, "
        "384 dimensions",
        "Chosen as the artifact of lowest latency within the budget: Spearman on stsb/test at least 84.00 with the "
        "interval's lower end, size at most 90 MiB.",
    ]
    assert said.err == ""


def test_an_infeasible_budget_ends_with_code_three_and_one_sentence(run: Path) -> None:
    said = decant("pick", run, "--min-accuracy", "85", "--max-latency-ms", "2")
    assert said.code == 3
    assert said.out == b""
    assert said.lines == [
        "decant: infeasible: nearest is L6xD384-fp32, which misses accuracy by 1.00 points (lower end 84.00 against "
        "85.00) and latency by 0.70 ms (2.70 against 2)",
        "decant: what would get there: fewer than 6 layers (export.cuts), int8-row in export.precisions, a student "
        "that learns more (student.epochs, more pairs) or a looser limit (accuracy 84.00, latency 2.7 ms)",
    ]


@pytest.fixture
def two_steady(run: Path, report: Report) -> Path:
    """The run with a second artifact, slower and as accurate as the first."""
    slower = report.row("L6xD384-fp32").model_copy(update={"name": "L6xD384-slow", "latency_ms": latency(5.4)})
    more = report.model_copy(update={"rows": (*report.rows, slower)})
    write_report_json(more, run / "report" / "report.json")
    stand_artifacts(more, run)
    return run


def test_an_artifact_that_is_gone_is_named_and_the_next_best_taken(two_steady: Path) -> None:
    best = two_steady / "artifacts" / "L6xD384-fp32"
    assert decant("pick", two_steady).text.startswith("L6xD384-fp32\n")
    (best / "onnx" / "model.onnx").unlink()
    lines = decant("pick", two_steady).text.splitlines()
    assert lines[:2] == ["L6xD384-slow", f"  {two_steady / 'artifacts' / 'L6xD384-slow'}"]
    assert lines[-1] == (
        f"{best} has no onnx/model.onnx: the next best was taken; the run's own command makes it again."
    )
    found = decant("pick", two_steady, "--json").json()
    assert (found["selected"], found["gone"]) == ("L6xD384-slow", lines[-1].removesuffix("."))
    picked = Report.read(two_steady).pick()
    assert picked.row.name == "L6xD384-slow"
    assert picked.because.endswith(found["gone"])


def test_none_is_left(two_steady: Path) -> None:
    shutil.rmtree(two_steady / "artifacts")
    said = decant("pick", two_steady)
    assert said.code == 3
    assert said.out == b""
    assert said.lines == [
        "decant: infeasible: there is no artifact",
        f"decant: {two_steady / 'artifacts' / 'L6xD384-fp32'} is gone, {two_steady / 'artifacts' / 'L6xD384-slow'} is "
        "gone: none is left within the limits; the run's own command makes it again",
    ]
    with pytest.raises(GateError, match="there is no artifact; .* is gone: none is left within the limits"):
        Report.read(two_steady).pick()


def test_what_is_not_chosen_may_be_gone_without_a_word(two_steady: Path) -> None:
    shutil.rmtree(two_steady / "artifacts" / "L6xD384-slow")
    assert "gone" not in decant("pick", two_steady).text


def test_a_report_of_no_folder_picks_by_its_figures_alone(report: Report) -> None:
    assert report.pick().folder == Path("artifacts/L6xD384-fp32")


def test_a_faster_artifact_that_is_as_accurate_is_told(run: Path, report: Report) -> None:
    cut = {"name": "L3xD384-fp32", "layers": 3, "metrics": metrics(0.857), "latency_ms": latency(1.234)}
    more = (*report.rows, report.row("L6xD384-fp32").model_copy(update=cut))
    write_report_json(report.model_copy(update={"rows": more}), run / "report" / "report.json")
    stand_artifacts(report.model_copy(update={"rows": more}), run)
    said = decant("pick", run, "--max-size-mib", "90").text.splitlines()
    assert said[0] == "L6xD384-fp32"
    assert said[-1] == (
        "L3xD384-fp32 is 2.2× as fast for one text and 0.30 points worse on stsb/test, which is within the interval of "
        f"the artifact that was chosen; a budget picks it: decant pick {run} --max-latency-ms 1.24 --max-size-mib 90."
    )
    command = said[-1].split("decant pick ")[1].removesuffix(".").split()
    assert decant("pick", *command).text.startswith("L3xD384-fp32\n")


def test_json_for_scripts(run: Path) -> None:
    said = decant("pick", run, "--max-loss", "1", "--json")
    assert said.code == 0, said.err
    found = said.json()
    assert (found["selected"], found["set"], found["budget"]) == ("L6xD384-fp32", "stsb/test", {"max_loss": 1})
    assert found["folder"] == str(run / "artifacts" / "L6xD384-fp32")
    assert found["floor"] == pytest.approx(0.84)
    assert found["row"]["metrics"]["stsb/test"]["spearman"] == 0.86
    infeasible = decant("pick", run, "--max-dim", "64", "--min-accuracy", "84.5", "--json")
    assert infeasible.code == 3
    assert infeasible.err == ""
    found = infeasible.json()
    assert (found["selected"], found["folder"], found["row"]) == (None, None, None)
    assert found["nearest"] == "L6xD384-fp32"
    assert found["misses"] == [
        {"limit": "accuracy", "value": 0.84, "allowed": 0.845},
        {"limit": "vector length", "value": 384, "allowed": 64},
    ]


def test_what_was_not_measured_leaves_valid_json(run: Path, report: Report) -> None:
    row = report.row("L6xD384-fp32").model_copy(update={"latency_ms": {}})
    write_report_json(report.model_copy(update={"rows": (row,), "selected": None}), run / "report" / "report.json")
    said = decant("pick", run, "--max-latency-ms", "2", "--json")
    assert said.code == 3
    assert json.loads(said.out, parse_constant=pytest.fail)["misses"][0]["value"] is None


def test_impossible_limits_are_told_by_their_options_all_at_once(run: Path) -> None:
    said = decant("pick", run, "--min-accuracy", "0.84", "--max-latency-ms=-1", "--min-of-teacher", "98")
    assert said.code == 2
    assert said.lines == [
        "decant: --min-accuracy 0.84: accuracy is ×100 here, as reports print it: above 1 and at most 100 "
        "(84, not 0.84)",
        "decant: --min-of-teacher 98.0: Input should be less than or equal to 1",
        "decant: --max-latency-ms -1.0: Input should be greater than 0",
    ]


def test_a_share_of_a_teacher_that_is_not_there_is_refused(run: Path, report: Report) -> None:
    rows = tuple(row for row in report.rows if row.kind != "teacher")
    write_report_json(report.model_copy(update={"rows": rows}), run / "report" / "report.json")
    said = decant("pick", run, "--min-of-teacher", "0.98")
    assert said.code == 2
    assert "needs the teacher's accuracy, which was not measured" in said.err


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    said = decant("pick", tmp_path, "--max-latency-ms", "2")
    assert said.code == 2
    assert "report.json: No such file or directory; a run writes it" in said.err


def test_help_shows_every_option_and_examples() -> None:
    said = decant("pick", "--help")
    assert said.code == 0
    assert all(option in said.text for option in OPTIONS.values())
    assert "decant pick runs/stsb --min-accuracy 84" in said.text


def test_every_limit_has_an_option() -> None:
    assert set(OPTIONS) == set(Budget.model_fields)
    with pytest.raises(InputError, match="^--max-dim 0: Input should be greater than or equal to 1$"):
        budget_of(dim=0)
    with pytest.raises(InputError, match="^--max-dim 10+: Input should be less than or equal to 1000000$"):
        budget_of(dim=10**400)


def test_nothing_chosen_has_no_text(report: Report) -> None:
    with pytest.raises(ValueError, match="nothing was chosen: infeasible: nearest is"):
        choice_text(choose(report.rows, Budget(dim=1)), Path())


def test_it_answers_without_loading_what_trains_or_draws(run: Path) -> None:
    heavy = ["torch", "scipy", "sklearn", "matplotlib", "transformers", "onnxruntime"]
    code = f"""
import sys
from pipeline.cli.app import main
sys.argv = ["decant", "pick", {str(run)!r}, "--min-accuracy", "84", "--json"]
try:
    main()
finally:
    sys.stderr.write(" ".join(name for name in {heavy!r} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["selected"] == "L6xD384-fp32"
