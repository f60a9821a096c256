import re

import pytest
from markdown_it import MarkdownIt

from decant.table import Cell, Column, Table, bullets, escape, line, markdown, number_columns, text_columns

ODD = "a|b *c* _d_ `e` <script>x</script> [f](g) & #h"
TABLE = Table(
    (*text_columns("model"), *number_columns("MiB"), Column("share", drawn=True)),
    (
        line("one", Cell("1.5", brackets="75.0 %", notes=("75.0 % of two",)), Cell("", bars=(75,)), picked=True),
        line(ODD, "2.0", ""),
    ),
)


def test_markdown_has_brackets_and_neither_notes_nor_bars() -> None:
    assert markdown(TABLE).splitlines()[:3] == ["| model | MiB |", "| :--- | ---: |", "| one | 1.5 (75.0 %) |"]
    assert markdown(TABLE, bold=True).splitlines()[2] == "| **one** | **1.5 (75.0 %)** |"


def test_a_markdown_reader_sees_odd_texts_as_they_are() -> None:
    read = MarkdownIt("commonmark").enable("table").render(f"{markdown(TABLE)}\n\n{bullets([ODD])}")
    seen = "a|b *c* _d_ `e` &lt;script&gt;x&lt;/script&gt; [f](g) &amp; #h"
    assert re.findall(r"<td[^>]*>(a.*)</td>", read) == [seen]
    assert re.findall(r"<li>(.*)</li>", read) == [seen]
    assert "\n" not in escape("a\nb")


@pytest.mark.parametrize("cells", [1, 3])
def test_a_row_has_a_cell_a_column(cells: int) -> None:
    short = line(*cells * ["1"])
    with pytest.raises(ValueError, match=f"a row of {cells} cells in a table of 2 columns"):
        Table(text_columns("a", "b"), (short,))
