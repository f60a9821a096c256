import inspect
from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from pipeline.cli.options import grouped


@dataclass(frozen=True)
class Wishes:
    """Two options, one of which must be given."""

    size: Annotated[int, typer.Option("--most", help="How large.", min=1)]
    names: Annotated[list[str] | None, typer.Option("--name", help="Of whom.")] = None


def test_a_parameter_of_a_dataclass_is_an_option_for_each_field() -> None:
    app, seen = typer.Typer(), []

    @app.command()
    @grouped
    def show(place: str, wishes: Wishes, loud: bool = False, *, rest: str = "none") -> None:
        seen.append((place, wishes, loud, rest))

    assert list(inspect.signature(show).parameters) == ["place", "size", "names", "loud", "rest"]
    done = CliRunner().invoke(app, ["here", "--most", "3", "--name", "a", "--name", "b", "--loud"])
    assert done.exit_code == 0, done.output
    assert seen == [("here", Wishes(3, ["a", "b"]), True, "none")]
    assert CliRunner().invoke(app, ["here", "--most", "1"]).exit_code == 0
    assert seen[1][1] == Wishes(1, None)
    assert "--most" in CliRunner().invoke(app, ["here"]).output
    assert CliRunner().invoke(app, ["here", "--most", "0"]).exit_code == 2
