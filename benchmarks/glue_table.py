"""The table of the GLUE recipes: each task's teacher and student, and the mean relative drop.

Use: python benchmarks/glue_table.py runs/glue-stsb runs/glue-mrpc ...
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.measure.set_metrics import SetMetrics
from pipeline.report.rows import Row, read_report_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    print("| task | metric | teacher | student, α 0.5 | drop | over seeds, α 0.5 | over seeds, α 0 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    drops = []
    for run in parser.parse_args().runs:
        report = read_report_json(run / "report" / "report.json")
        teacher, student = _main(report.row("teacher")), _main(report.row("student"))
        drops.append(1 - student.value / teacher.value)
        without = next((row for row in report.rows if row.name == "student, alpha 0"), None)
        cells = [str(report.recipe["name"]), teacher.metric, f"{100 * teacher.value:.2f}", f"{100 * student.value:.2f}"]
        cells += [f"{100 * drops[-1]:.1f} %", _seeds(report.row("student")), _seeds(without) if without else "–"]
        print(f"| {' | '.join(cells)} |")
    print(f"\nMean relative drop from the teacher over {len(drops)} tasks: {100 * sum(drops) / len(drops):.1f} %")


def _main(row: Row) -> SetMetrics:
    return next(iter(row.metrics.values()))


def _seeds(row: Row) -> str:
    if row.seeds is None:
        return "–"
    return f"{100 * row.seeds.mean:.2f} ± {100 * row.seeds.sd:.2f} ({row.seeds.count})"


if __name__ == "__main__":
    main()
