import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from decant.table import Table, line, number_columns, text_columns
from pipeline.cli.options import grouped, print_table


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


WIDE = Table(
    (*text_columns("name", "what"), *number_columns("MiB", "ms")), (line("one", "w" * 400, "1,234.56", "0.5"),)
)


def test_a_pipe_gets_all_of_a_table_a_line_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    print_table(WIDE)
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "what", "MiB", "ms"]
    assert row.split() == ["one", "w" * 400, "1,234.56", "0.5"]


def test_a_terminal_says_which_columns_it_has_no_room_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for width, dropped in ((80, ""), (60, ""), (30, "ms"), (24, "ms, MiB")):
        monkeypatch.setenv("COLUMNS", str(width))
        print_table(WIDE)
        out = " ".join(capsys.readouterr().out.split())
        assert ("Left out to fit the width" in out) == bool(dropped), width
        assert f"Left out to fit the width: {dropped}; " in out or not dropped
        assert ("1,234.56" in out) == ("MiB" not in dropped)
        assert sum(len(word) for word in out.split() if set(word) == {"w"}) == 400
