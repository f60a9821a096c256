"""A run's trackers: opened once its texts are known, fed while it trains, closed when it ends.

A run that goes on after a kill goes on in the same MLflow run; what it takes over from an earlier run is not logged
again, since that run has logged it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decant.files import sha256_of, write_json
from export.artifact.manifest import CARD, MANIFEST
from pipeline.recipe.recipe import tracked_digest
from pipeline.report.rows import Report
from pipeline.run_dir import Finished, RunDir
from pipeline.snapshot import read_snapshot
from pipeline.stages.stage import Run, Stage
from pipeline.tracking.flat_keys import final_figures, parameters
from pipeline.tracking.lineage import digest_of, lineage
from pipeline.tracking.mlflow_run import MlflowRun
from pipeline.tracking.settings import TrackingSettings, mlflow_uri

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

STATE = "tracking.json"
REPORT, CARD_OF_RUN = "report.json", "report.md"
FOLDER, DATABASE_FILES = "tensorboard", "mlflow-artifacts"


@contextmanager
def tracked(run: Run, stages: Sequence[Stage], *, again: bool) -> Iterator[Tracker]:
    """The run's tracker. A tracker that fails is told of in one line at the end, and in the log.

    Args:
        again: stages are made again that were logged before, so that this is a new run for MLflow.
    """
    tracker = Tracker(run, [stage.name for stage in stages], again=again)
    try:
        yield tracker
    except Exception:
        tracker.close("FAILED")
        raise
    except BaseException:
        tracker.close("KILLED")
        raise
    else:
        tracker.close("FINISHED")
        for line in tracker.told:
            run.screen.say(line)
    finally:
        if tracker.failure is not None:
            run.folder.note(event="tracking failed", why=tracker.failure)
            run.screen.warn(f"tracking stopped, the run did not: {tracker.failure}")


class Tracker:
    """What a run logs to: nothing where its recipe says nothing of tracking."""

    def __init__(self, run: Run, stages: Sequence[str], *, again: bool) -> None:
        self._recipe, self._base, self._run_dir = run.recipe, run.base, run.folder
        self._stages, self._again = stages, again
        self._settings = run.recipe.tracking or TrackingSettings()
        self._mlflow: MlflowRun | None = None
        self._key = ""
        self._begun = False

    @property
    def failure(self) -> str | None:
        """Why tracking stopped; None: it did not."""
        return self._mlflow.failure if self._mlflow is not None else None

    @property
    def told(self) -> list[str]:
        """Where to look at what was logged; nothing where all of it was logged before."""
        if not self._begun:
            return []
        said = [f"TensorBoard: {self._run_dir.root / FOLDER}"] if self._settings.tensorboard else []
        return [*said, f"MLflow: {self._mlflow.told}"] if self._mlflow is not None and self.failure is None else said

    def begin(self, texts: Finished) -> None:
        """Open the trackers, unless all of this run was logged before."""
        if self._recipe.tracking is None:
            return
        inputs = {
            root: {name: fact.sha256 for name, fact in files.items()}
            for root, files in (read_snapshot(self._run_dir.inputs) or {}).items()
        }
        self._key = digest_of(tracked_digest(self._recipe), texts.fingerprint, inputs)
        if self._settings.mlflow is not None:
            uri = mlflow_uri(self._settings.mlflow, self._base, self._run_dir.root.absolute().parent)
            self._key = digest_of(self._key, uri, self._settings.mlflow.experiment)
            artifacts = self._run_dir.root.absolute().parent / DATABASE_FILES
            self._mlflow = MlflowRun(uri, self._settings.mlflow.experiment, artifacts)
        if not self._known().get("reported"):
            self._open()

    def loggers(self, training: Path) -> list[Logger]:
        """Loggers of a training.

        Args:
            training: its folder of checkpoints and logs, under the run's work folder.
        """
        if self._recipe.tracking is None:
            return []
        from pipeline.tracking.loggers import CurveLogger, curves_logger

        name = training_name(training.relative_to(self._run_dir.root / ".work"))
        found: list[Logger] = []
        if self._settings.tensorboard:
            found.append(curves_logger(self._run_dir.root / FOLDER, name, training))
        if self._mlflow is not None:
            self._open()
            found.append(CurveLogger(name, self._mlflow.figure, self._mlflow.flush))
        return found

    def finish(self, report: Report) -> None:
        """Log what the run came to, unless it was logged before.

        Args:
            report: as it stands in the run's folder.
        """
        if self._recipe.tracking is None:
            return
        folder = self._run_dir.folder("report")
        made = sha256_of(folder / REPORT)
        if self._known().get("reported") == made:
            return
        self._open()
        figures, tags = final_figures(report), lineage(report, self._stages, self._run_dir)
        if self._settings.tensorboard:
            from pipeline.tracking.loggers import write_result

            texts = {"report": (folder / CARD_OF_RUN).read_text(encoding="utf-8"), "lineage": _listed(tags)}
            write_result(self._run_dir.root / FOLDER, parameters(report.recipe), figures, texts)
        if self._mlflow is not None:
            tags |= {"mlflow.note.content": self._recipe.description} if self._recipe.description else {}
            self._mlflow.result(figures, tags, _files(report, self._run_dir))
        if self.failure is None:
            self._keep(reported=made)

    def close(self, status: str) -> None:
        """End MLflow's run, if one was begun.

        Args:
            status: FINISHED, FAILED or KILLED.
        """
        if self._mlflow is not None and self._begun:
            self._mlflow.end(status)

    def _open(self) -> None:
        if self._begun:
            return
        self._begun = True
        if self._mlflow is None:
            return
        values = parameters(self._recipe.model_dump(mode="json"))
        self._mlflow.begin(self._recipe.name, self._known().get("mlflow_run"), values)
        if self._mlflow.run_id is not None:
            self._keep(mlflow_run=self._mlflow.run_id)

    def _known(self) -> dict[str, Any]:
        """What an earlier process logged of this very run."""
        try:
            state = json.loads((self._run_dir.root / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return state if isinstance(state, dict) and state.get("key") == self._key and not self._again else {}

    def _keep(self, **facts: str) -> None:
        state = {"key": self._key, **self._known(), **facts}
        self._again = False  # from here on it is this run that is known
        write_json(self._run_dir.root / STATE, state, indent=None, ascii_only=True)


def training_name(folder: Path) -> str:
    """What a training is called: teacher-0123456789ab/training → teacher."""
    stage, *inside = folder.parts
    parts = [re.sub(r"-[0-9a-f]{12}$", "", stage), *(part for part in inside if part != "training")]
    return "/".join(parts)


def _files(report: Report, run_dir: RunDir) -> dict[Path, str]:
    """Files to keep with the run: the report, the recipe, the log, and what tells of the artifact to ship."""
    found = {path: "report" for path in sorted(run_dir.folder("report").iterdir()) if path.is_file()}
    found |= {run_dir.recipe: "", run_dir.log: ""}
    if report.selected is not None:
        artifact = run_dir.folder("artifacts") / report.selected
        found |= {artifact / name: f"pick/{report.selected}" for name in (MANIFEST, CARD)}
    return {path: folder for path, folder in found.items() if path.is_file()}


def _listed(tags: dict[str, str]) -> str:
    return "\n".join(f"- {name}: `{value}`" for name, value in tags.items())
