"""What the page shows of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.report.rows import Report
from pipeline.report.training_logs import TrainingRecord

TrainingLogs = Mapping[str, Sequence[TrainingRecord]]
"""What each training of a run logged, by its stage, such as embed or embedding/teacher0."""


@dataclass(frozen=True)
class PageRun:
    """One run: its report, where it is, and what its trainings logged."""

    report: Report
    folder: str = "."
    """As a command is to name it; paths of artifacts follow it."""
    logs: TrainingLogs = field(default_factory=dict)
    label: str = ""
    """What its rows are told apart by on a page of several runs; empty on a page of one."""

    @property
    def name(self) -> str:
        """The label, or else the recipe's name."""
        return self.label or str(self.report.recipe.get("name", "report"))
