"""Where one text's milliseconds go, how they grow with its length, and what a search takes, for every format alike."""

from decant.table import Cell, Column, Table, line, number_columns
from pipeline.measure.one_against_many import OneAgainstMany
from pipeline.report.figures import duration, or_missing
from pipeline.report.main_table import label, sorted_rows
from pipeline.report.rows import Report, Row
from pipeline.report.unsteady import mark_legend, marked

PARTS = ("tokenizer", "encoder", "pooling")


def latency_table(report: Report) -> Table:
    """Every model whose parts or lengths were timed; each part's share of the whole is drawn."""
    parted, lengths = _parted(report), _lengths(report)
    parts = (*number_columns(*PARTS), Column("share", drawn=True)) if parted else ()
    lines = [
        line(
            label(row), *(_parts(row) if parted else ()),
            *(_of_length(row, length) for length in lengths),
            picked=row.name == report.selected,
        )
        for row in sorted_rows(report)
        if row.latency_parts is not None or row.latency_by_tokens
    ]  # fmt: skip
    columns = (Column("model"), *parts, *number_columns(*(f"{length} tokens" for length in lengths)))
    return Table(columns, tuple(lines), (*_legend(report), *mark_legend(lines)))


def search_table(report: Report) -> Table:
    """One query against many texts, and what comes before it, of every model where it was timed."""
    lines = [
        line(label(row), *_search(row.one_against_many), picked=row.name == report.selected)
        for row in sorted_rows(report)
        if row.one_against_many is not None
    ]
    columns = (Column("model"), *number_columns("one query", "embedding all candidates, once"))
    said = "A bi-encoder embeds the texts once, then reads only the query."
    if any(row.pairs_per_second for row in report.rows):
        said = f"A cross-encoder reads the query with every text again. {said}"
    return Table(columns, tuple(lines), (said, *mark_legend(lines)))


def search_heading(report: Report) -> str:
    """What `search_table` is of."""
    counts = [row.one_against_many.candidates for row in sorted_rows(report) if row.one_against_many is not None]
    return f"One query against {counts[0]:,} texts" if counts else ""


def _legend(report: Report) -> list[str]:
    """Sentences that say what the columns mean."""
    said = ["Median milliseconds for one text at a time."]
    if _parted(report):
        said.append(
            "Tokenizer, encoder and pooling are the parts of one text's latency: from text to token ids, to token "
            "states, and to one vector (cut, mean, norm). They add up to the whole: the tokenizer is timed alone, the "
            "rest is the graph, and pooling's part of it comes from the times of onnxruntime's nodes."
        )
    if any(row.latency_parts is not None and row.latency_parts.pooling_ms is None for row in report.rows):
        said.append("Where pooling has no figure, the encoder's includes it.")
    if _lengths(report):
        said.append(
            "By length: running text of exactly that many tokens, special ones and the tokenizer's time included."
        )
    return said


def _parted(report: Report) -> bool:
    return any(row.latency_parts is not None for row in report.rows)


def _lengths(report: Report) -> list[str]:
    return sorted({length for row in report.rows for length in row.latency_by_tokens}, key=int)


def _of_length(row: Row, length: str) -> str:
    return marked(or_missing(row.latency_by_tokens.get(length)), row.unsteady(f"latency_by_tokens.{length}"))


def _parts(row: Row) -> list[str | Cell]:
    """Each part's milliseconds, and the bar of their shares."""
    parts = row.latency_parts
    if parts is None:
        return [*map(or_missing, (None,) * len(PARTS)), Cell("")]
    each = (parts.tokenizer_ms, parts.encoder_ms, parts.pooling_ms or 0.0)
    shares = tuple(round(100 * one / max(sum(each), 1e-9), 1) for one in each)
    figures = (or_missing(one) for one in (parts.tokenizer_ms, parts.encoder_ms, parts.pooling_ms))
    return [*(marked(one, row.unsteady_parts) for one in figures), Cell("", bars=shares)]


def _search(cost: OneAgainstMany) -> tuple[Cell, Cell]:
    extrapolated = f"extrapolated from {cost.sampled} "
    query = Cell(marked(duration(cost.query_ms.p50), cost.unsteady("query_ms")))
    if cost.extrapolated:
        query = Cell(query.text, f"{extrapolated}pairs", (f"{extrapolated}pairs",))
    if cost.index_seconds is None:
        return query, Cell("not possible")
    index = marked(duration(1000 * cost.index_seconds), cost.unsteady("index_seconds"))
    return query, Cell(index, notes=(f"{extrapolated}texts",))
