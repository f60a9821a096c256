"""`decant compare`: the page of one run, of several finished runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.errors import InputError, visible
from pipeline.pick.files_there import gone_rows
from pipeline.report.html import html_page
from pipeline.report.page.page_rows import PageRun
from pipeline.report.page.summary import cautions, compared_sentence
from pipeline.report.pick_sentence import pick_notes, pick_sentence
from pipeline.report.rows import Report
from pipeline.report.trace import traced
from pipeline.report.training_logs import training_logs


def compare_runs(folders: Sequence[Path], out: Path) -> str:
    """Write the page and return its first sentence, then what each run picked and what keeps them apart, a line each.

    Args:
        folders: finished runs'; at least two.
        out: the page; its folder is made if it is not there.

    Raises:
        InputError: fewer than two runs, one given twice, or one without a report.
    """
    if len(folders) < 2:
        raise InputError("compare needs two or more runs; `decant report RUN` shows one")
    places = [folder.resolve() for folder in folders]
    twice = next((folder for index, folder in enumerate(folders) if places[index] in places[:index]), None)
    if twice is not None:
        raise InputError(f"{twice} is given twice; give each run once")
    runs = [_page_run(folder, label) for folder, label in zip(folders, run_labels(places), strict=True)]
    page = html_page(runs)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    picks = [" ".join([f"{run.name}: {pick_sentence(run.report)}", *pick_notes(run.report)]) for run in runs]
    return "\n".join(map(visible, [compared_sentence(runs), *picks, *cautions(runs)]))


def run_labels(folders: Sequence[Path]) -> list[str]:
    """Each folder's name, with as many of its parents' as tell all apart.

    Args:
        folders: absolute and distinct.
    """
    longest = max(len(folder.parts) for folder in folders)
    for count in range(1, longest + 1):
        labels = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(labels)) == len(labels):
            return labels
    return [str(folder) for folder in folders]


def _page_run(folder: Path, label: str) -> PageRun:
    report = traced(Report.read(folder), folder)
    return PageRun(report, str(folder), training_logs(folder, report.recipe), label, gone_rows(report.rows, folder))
