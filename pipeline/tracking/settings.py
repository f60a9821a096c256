"""A recipe's `tracking` block."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, model_validator

from decant.errors import InputError

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
URI_VARIABLE = "MLFLOW_TRACKING_URI"  # MLflow's own
TEXTFILES = "name that of node_exporter's textfile collector"
INSTALL = "{} is not installed; pip install 'decant[tracking]'"


class MlflowSettings(BaseModel, frozen=True, extra="forbid"):
    """Where MLflow keeps the run."""

    uri: str | None = Field(
        None,
        exclude=True,  # it may hold a secret, and resolved recipes are copied into reports
        description="http(s) URL of a server, sqlite:///FILE or another database's URL, or env:NAME of a variable that "
        "holds it; default: $MLFLOW_TRACKING_URI, or mlflow.db beside the run's folder",
    )
    experiment: str = Field("decant", min_length=1, max_length=250, description="the experiment's name")

    @model_validator(mode="after")  # of the whole, so that the error does not show the address
    def _an_address(self) -> Self:
        if self.uri is not None and not self.uri.startswith("env:") and not _can_be_used(self.uri):
            raise ValueError(f"uri: {ALLOWED}, or env:NAME of a variable that holds one")
        return self


ALLOWED = "give an http(s) URL, sqlite:///FILE, or a postgresql, mysql or mssql URL"


class TrackingSettings(BaseModel, frozen=True, extra="forbid"):
    """Who is told of a run while it is at work. It changes nothing of the result."""

    tensorboard: bool = Field(
        False, description="every training's curves, the settings and the figures in one folder, tensorboard/"
    )
    mlflow: MlflowSettings | None = Field(None, description="one MLflow run for this run; default: none")
    prometheus: str | None = Field(
        None,
        min_length=1,
        description="folder of node_exporter's textfile collector, or a file NAME.prom in it: how the last run ended",
    )


def tracking_errors(settings: TrackingSettings | None, base: Path) -> list[str]:
    """Why a run could not be tracked as the recipe says: all of it.

    Args:
        settings: the recipe's.
        base: the recipe's folder.
    """
    if settings is None:
        return []
    path = textfile_path(settings, base, "")
    lost = path is not None and not path.parent.is_dir()
    said = f"tracking.prometheus: {path.parent} is no folder; {TEXTFILES}" if path is not None and lost else None
    return [*([said] if said else []), *(_mlflow_errors(settings.mlflow) if settings.mlflow is not None else [])]


def textfile_path(settings: TrackingSettings | None, base: Path, name: str) -> Path | None:
    """The file for the textfile collector; None where the recipe wants none.

    Args:
        settings: the recipe's.
        base: the recipe's folder, which a relative path starts from.
        name: the recipe's.
    """
    if settings is None or settings.prometheus is None:
        return None
    path = base.absolute() / Path(settings.prometheus).expanduser()
    return path if path.suffix == ".prom" else path / f"decant_{name}.prom"


def _mlflow_errors(settings: MlflowSettings) -> list[str]:
    missing = [name for name in ("mlflow", "alembic", "sqlalchemy") if find_spec(name) is None]
    if missing:
        return [f"tracking.mlflow: {INSTALL.format(missing[0])}"]
    try:
        mlflow_uri(settings, Path(), Path())
    except InputError as error:
        return [str(error)]
    return []


def mlflow_uri(settings: MlflowSettings, base: Path, runs: Path) -> str:
    """The store's URI.

    Args:
        settings: as the recipe has them.
        base: the recipe's folder, which a relative SQLite file starts from.
        runs: folder of the run's folder, where the default's file is.

    Raises:
        InputError: a variable that is to hold it is not set, or holds no such URI.
    """
    given = settings.uri
    if given is None:
        given = os.environ.get(URI_VARIABLE)
        where = URI_VARIABLE
        if not given:
            return f"sqlite:///{runs.absolute() / 'mlflow.db'}"
    elif given.startswith("env:"):
        where = given.removeprefix("env:")
        given = os.environ.get(where)
        if not given:
            raise InputError(f"tracking.mlflow.uri: the variable {where} is not set")
    else:
        where = "tracking.mlflow.uri"
    if not _can_be_used(given):
        raise InputError(f"{where} holds no address that can be used; {ALLOWED}")
    scheme, slashes, file = given.partition(":///")
    if slashes and scheme == "sqlite":
        return f"{scheme}:///{base.absolute() / Path(file).expanduser()}"
    return given


def is_server(uri: str) -> bool:
    """Whether it keeps artifacts itself; a database does not."""
    return urlsplit(uri).scheme in SERVERS


def _can_be_used(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return False
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite":
        return parts.netloc == "" and len(parts.path) > 1
    return kind in DATABASES + SERVERS and bool(host)
