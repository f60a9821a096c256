"""The report folder, from measurements to files."""

from pathlib import Path

from pipeline.report.accuracy_plot import accuracy_against_latency
from pipeline.report.grid_plot import accuracy_grid
from pipeline.report.html import html_report
from pipeline.report.main_table import main_metric_name
from pipeline.report.markdown import markdown_report
from pipeline.report.mined_plot import mined_scores
from pipeline.report.page.page_rows import TrainingLogs
from pipeline.report.plot_theme import png
from pipeline.report.rows import Report, write_report_json
from pipeline.report.training_logs import dev_name
from pipeline.report.training_plot import training_curves

ACCURACY_PLOT = "accuracy_latency.png"
TRAINING_PLOT = "training.png"
GRID_PLOT = "grid.png"
MINED_PLOT = "mined.png"


STUDENT = "student"  # whose training is drawn for report.md too


def build_report(report: Report, folder: Path, logs: TrainingLogs | None = None, run_folder: str = ".") -> None:
    """Write report.json, report.md, the plots and report.html.

    Args:
        report: every row of the run.
        folder: where to; made if it is not there. A caller that must not leave half a report passes a
            temporary folder and renames it.
        logs: what the trainings logged, by stage.
        run_folder: the run's folder, as commands on the page name it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = report.placed(Path(run_folder))
    drawn = {
        ACCURACY_PLOT: accuracy_against_latency(report),
        TRAINING_PLOT: training_curves(
            (logs or {}).get(STUDENT, ()), dev_name(STUDENT, report.recipe, main_metric_name(report))
        ),
        GRID_PLOT: accuracy_grid(report),
        MINED_PLOT: mined_scores(report),
    }
    for name, plot in drawn.items():
        if plot is not None:
            (folder / name).write_bytes(png(plot))
    plots = [name if plot is not None else None for name, plot in drawn.items()]
    (folder / "report.md").write_text(markdown_report(report, *plots), encoding="utf-8")
    (folder / "report.html").write_text(html_report(report, logs, run_folder), encoding="utf-8")
    write_report_json(report, folder / "report.json")
