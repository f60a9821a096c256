"""One MLflow run. What fails there ends the tracking, never the run that is tracked."""

from __future__ import annotations

import logging
import math
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock

from decant.errors import one_line
from pipeline.tracking.settings import is_server

FLUSH_SECONDS, MOST_PENDING = 5.0, 500
TAGS_AT_ONCE = 100  # MLflow's limit of tags and parameters in one call; of figures it is 1000
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # MLflow's own 7 hold a training for minutes where the server is gone
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}  # set where nobody has set them
SILENT = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"  # set always: those lines hold the password, amid a report's JSON


class MlflowRun:
    """A run that is logged to until the store fails; then `failure` says why, and all else is let go.

    Args:
        uri: of the store; it may hold a password, so that it is in no message.
        experiment: name of the experiment, made where it is not there.
        artifacts: folder for files where the store is a database; a server has its own.
    """

    def __init__(self, uri: str, experiment: str, artifacts: Path) -> None:
        self._uri, self._experiment, self._artifacts = uri, experiment, artifacts
        self._client: Any = None
        self._pending: list[tuple[str, float, int, int]] = []
        self._last: dict[str, int] | None = None  # steps that were logged before; None: nothing is left out
        self._flushed = time.monotonic()
        self.run_id: str | None = None
        self.failure: str | None = None

    @property
    def told(self) -> str:
        """The run and where it is, for people; no address, which may hold a password."""
        return f"run {self.run_id} of the experiment {self._experiment}, {self.where}"

    @property
    def where(self) -> str:
        """The store, for people: a host, or a file's path."""
        parts = urlsplit(self._uri)
        return parts.hostname or parts.path.removeprefix("/")

    def begin(self, name: str, run_id: str | None, values: Mapping[str, str]) -> None:
        """Go on with a run, or begin one where it is not there any more.

        Args:
            name: the run's name.
            run_id: of the run to go on with; None: a new one.
            values: parameters of a new run.
        """
        self._keep(lambda: self._begin(name, run_id, values))

    def figure(self, key: str, value: float, step: int = 0) -> None:
        """Log a figure, soon. Of a run that goes on, steps that were logged before are left out."""
        key = allowed(key)
        if self.failure is not None or not math.isfinite(value) or step <= self._last_step(key):
            return
        self._pending.append((key, value, int(time.time() * 1000), step))
        if len(self._pending) >= MOST_PENDING or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what was logged."""
        pending, self._pending = self._pending, []
        self._flushed = time.monotonic()
        if pending:
            self._keep(lambda: self._send(pending))

    def result(self, figures: Mapping[str, float], tags: Mapping[str, str], files: Mapping[Path, str]) -> None:
        """Log what a run came to.

        Args:
            figures: by key.
            tags: by key.
            files: each with the folder that it is to lie in, empty for the top.
        """
        self._last = None
        for key, value in figures.items():
            self.figure(key, value)
        self.flush()
        self._keep(lambda: self._attach(tags, files))

    def end(self, status: str) -> None:
        """Close it.

        Args:
            status: FINISHED, FAILED or KILLED.
        """
        self.flush()
        self._keep(lambda: self._client.set_terminated(self.run_id, status))

    def _begin(self, name: str, run_id: str | None, values: Mapping[str, str]) -> None:
        self._client = _client(self._uri)
        if run_id is not None and self._is_there(run_id):
            self._client.update_run(run_id, status="RUNNING")
            self.run_id, self._last = run_id, {}
            return
        from mlflow.entities import Param

        made = self._client.create_run(self._experiment_id(), run_name=name).info.run_id
        for few in _few([Param(allowed(key), value) for key, value in values.items()]):
            self._client.log_batch(made, params=few)
        self.run_id = str(made)

    def _send(self, figures: Sequence[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        self._client.log_batch(self.run_id, metrics=[Metric(*one) for one in figures])

    def _attach(self, tags: Mapping[str, str], files: Mapping[Path, str]) -> None:
        from mlflow.entities import RunTag

        for few in _few([RunTag(allowed(key), value) for key, value in tags.items()]):
            self._client.log_batch(self.run_id, tags=few)
        for path, folder in files.items():
            self._client.log_artifact(self.run_id, str(path), folder or None)

    def _is_there(self, run_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None and found.lifecycle_stage == "deleted":
            raise ValueError(f"the experiment {self._experiment} was deleted; restore it, or name another")
        if found is not None:
            return str(found.experiment_id)
        place = None if is_server(self._uri) else self._artifacts.absolute().as_uri()
        return str(self._client.create_experiment(self._experiment, artifact_location=place))

    def _last_step(self, key: str) -> int:
        """Of a run that goes on, the last step that has this figure; -1 where there is none."""
        if self._last is None:
            return -1
        if key not in self._last:
            history = self._keep(lambda: self._client.get_metric_history(self.run_id, key)) or []
            self._last[key] = max((one.step for one in history), default=-1)
        return self._last[key]

    def _keep(self, act: Callable[[], Any]) -> Any:
        """Act, unless something failed before; what fails is kept, and does not get out."""
        if self.failure is not None:
            return None
        try:
            return act()
        except Exception as error:  # whatever the client of a store that is gone may raise
            self.failure = f"{self.where}: {without_secrets(error, self._uri)}"
            return None


def without_secrets(error: Exception, uri: str) -> str:
    """What an error says in one line, without any address and without the password of this one."""
    said = re.sub(r"\w[\w+.-]*://\S+", "…", f"{error}".replace(uri, "…"))
    password = urlsplit(uri).password
    return one_line(said.replace(password, "…") if password else said)


def allowed(key: str) -> str:
    """A key of the characters that every MLflow server takes, 250 at most."""
    return re.sub(r"[^A-Za-z0-9_\-. /]", "_", key)[:250]


def _client(uri: str) -> Any:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ[SILENT] = "true"
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they tell of each table that they make
    if is_server(uri):
        return MlflowClient(uri)
    file = Path(urlsplit(uri).path.removeprefix("/"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy's on what MLflow does with it
        if urlsplit(uri).scheme.partition("+")[0] != "sqlite":
            return MlflowClient(uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(file.name + ".lock")):  # two runs that make the tables at once
            return MlflowClient(uri)


def _few(entries: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(entries), TAGS_AT_ONCE):
        yield list(entries[start : start + TAGS_AT_ONCE])
