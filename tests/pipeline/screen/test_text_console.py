import io
from pathlib import Path

from rich.table import Table

from pipeline.screen.text_console import text_console
from tests.tiny_artifacts import tiny_artifact
from tests.tiny_runs import decant


def test_markup_in_a_text_is_shown_as_it_is() -> None:
    paper = io.StringIO()
    table = Table("[/b]", box=None)
    table.add_row("[red]x[/] :smile:")
    text_console(file=paper, width=80).print(table)
    assert paper.getvalue().split() == ["[/b]", "[red]x[/]", ":smile:"]


def test_a_release_whose_name_is_markup_is_listed(tmp_path: Path) -> None:
    from pipeline.registry.registry import Registry

    Registry.at(tmp_path / "registry").add(tiny_artifact(tmp_path / "[b]bold"))
    said = decant("releases", tmp_path / "registry")
    assert said.code == 0, said.err
    assert "[b]bold" in said.text
