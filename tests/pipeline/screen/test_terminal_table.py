import io

from rich.console import Console

from decant.table import Cell, Column, Table, line, number_columns, text_columns
from pipeline.screen.terminal_table import NO_EDGE, command_table, left_out, report_table
from pipeline.screen.text_console import text_console

TABLE = Table(
    (Column("model"), Column("number kept", numeric=True), Column("first to go", keep=2), Column("then", keep=1)),
    (line("one", Cell("86.02", "99.1 %"), "a", "b", picked=True), line("two", "1,000.00", "c", "d")),
)


def printed(table: object, width: int) -> list[str]:
    paper = io.StringIO()
    text_console(file=paper, width=width, color_system=None).print(table)
    return [one.rstrip() for one in paper.getvalue().splitlines()]


def test_what_stands_in_brackets_goes_first_then_columns_by_their_number() -> None:
    whole = report_table(TABLE, 49, plain=True)
    assert (whole.dropped, whole.brackets) == ([], True)
    assert printed(whole.table, 49) == [
        "  model     number kept  first to go  then",
        "> one    86.02 (99.1 %)  a            b",
        "  two          1,000.00  c            d",
    ]
    assert report_table(TABLE, 42, plain=True)[1:] == ([], True)
    assert report_table(TABLE, 41, plain=True)[1:] == ([], False)
    assert report_table(TABLE, 38, plain=True)[1:] == (["first to go"], False)
    assert report_table(TABLE, 25, plain=True)[1:] == (["first to go", "then"], False)
    assert report_table(TABLE, 10, plain=True)[1:] == (["first to go", "then", "number kept"], False)


def test_a_long_name_is_broken_before_a_column_goes() -> None:
    long = Table(TABLE.columns, (line("n" * 60, "86.02", "a", "b"),))
    shown = report_table(long, 64, plain=True)
    assert shown.dropped == []
    assert sum(one.count("n") for one in printed(shown.table, 64)[1:]) == 60
    assert report_table(long, 50, plain=True).dropped == ["first to go"]


def test_headers_on_two_lines_take_less_room() -> None:
    narrow = report_table(TABLE, 30, two_lines=True)
    assert narrow.dropped == []
    paper = io.StringIO()
    Console(file=paper, width=30, color_system=None).print(narrow.table)
    assert max(map(len, paper.getvalue().splitlines())) <= 30


def test_words_are_broken_and_figures_are_not() -> None:
    place = "/a/rather/long/place"
    table = Table((*text_columns("place"), *number_columns("MiB")), (line(place, "1,234.56"),))
    lines = printed(command_table(table, 22).table, 22)
    assert lines[1].endswith("1,234.56")
    assert "".join(one[:12].strip() for one in lines[1:]) == place


NAMES = text_columns("name", "where", "what")
WORDS = Table((*NAMES, *number_columns("MiB", "ms")), (line("one", "a place", "w" * 40, "1,234.56", "0.5"),))


def test_words_of_a_command_are_broken_before_a_column_goes_and_what_goes_is_named() -> None:
    for width, gone in ((200, []), (42, []), (41, ["ms"]), (36, ["ms", "MiB"]), (26, ["ms", "MiB", "what"])):
        shown = command_table(WORDS, width)
        assert shown.dropped == gone, width
        lines = printed(shown.table, width)
        kept = [column.header for column in WORDS.columns if column.header not in gone]
        assert lines[0].split() == kept
        for column, cell in zip(WORDS.columns, WORDS.lines[0].cells, strict=True):
            if column.numeric and column.header in kept:
                assert any(cell.text in one for one in lines), width
        if "what" in kept:
            assert "".join(lines[1:]).count("w") == 40
    assert left_out(["ms", "MiB"]) == ["Left out to fit the width: ms, MiB; `| cat` shows all."]
    assert left_out([]) == []


def test_a_column_with_a_number_goes_before_the_last() -> None:
    columns = (Column("name"), Column("tries", keep=1), Column("what"))
    table = Table(columns, (line("one", "3", "w" * 40),))
    assert command_table(table, 25).dropped == []
    assert command_table(table, 24).dropped == ["tries"]
    assert len(printed(command_table(table).table, NO_EDGE)) == 2, "a file has a line a row"


def test_markup_in_cells_is_text() -> None:
    table = Table(text_columns("name"), (line("[b]x[/b]"),))
    paper = io.StringIO()
    Console(file=paper, width=40, color_system=None).print(command_table(table, 40).table)
    assert "[b]x[/b]" in paper.getvalue()
