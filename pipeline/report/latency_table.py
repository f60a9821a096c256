"""Where one text's milliseconds go, and how they grow with its length: the rows of one table, for every format."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.measure.speed import LatencyParts
from pipeline.report.figures import MISSING, significant
from pipeline.report.rows import Report, Row
from pipeline.report.table import label, sorted_rows

PARTS = ("tokenizer", "encoder", "pooling")


@dataclass(frozen=True)
class LatencyRow:
    """One model's cells, under `latency_header` after the first, and each part's share of the whole in percent."""

    name: str
    row: Row
    cells: tuple[str, ...]
    shares: tuple[float, ...]


def latency_rows(report: Report) -> list[LatencyRow]:
    """Every model whose parts or lengths were timed."""
    timed = [row for row in sorted_rows(report) if row.latency_parts is not None or row.latency_by_tokens]
    parted, lengths = _parted(report), _lengths(report)
    return [
        LatencyRow(
            label(row), row,
            (*(_parts(row.latency_parts) if parted else ()), *(_ms(row.latency_by_tokens.get(n)) for n in lengths)),
            _shares(row.latency_parts),
        )
        for row in timed
    ]  # fmt: skip


def latency_header(report: Report) -> list[str]:
    """Heads of the table's columns."""
    lengths = _lengths(report)
    heads = [f"{length} tokens" for length in lengths]
    return ["model", *(PARTS if _parted(report) else ()), *heads]


def latency_legend(report: Report) -> list[str]:
    """Sentences that say what the columns mean."""
    said = ["Median milliseconds for one text at a time."]
    if _parted(report):
        said.append(
            "Tokenizer, encoder and pooling are parts of one text as they come: from text to token ids, to token "
            "states, and to one vector (cut, mean, norm). They add up to the latency: the tokenizer is timed by "
            "itself, the rest is the graph's, and pooling's share of that is onnxruntime's node times'."
        )
    if any(row.latency_parts is not None and row.latency_parts.pooling_ms is None for row in report.rows):
        said.append("Where pooling has no figure, the encoder's holds it.")
    if _lengths(report):
        said.append("By length: running text of just so many tokens, specials included, tokenizer included.")
    return said


def _parted(report: Report) -> bool:
    return any(row.latency_parts is not None for row in report.rows)


def _lengths(report: Report) -> list[str]:
    return sorted({length for row in report.rows for length in row.latency_by_tokens}, key=int)


def _parts(parts: LatencyParts | None) -> Sequence[str]:
    if parts is None:
        return len(PARTS) * (MISSING,)
    return _ms(parts.tokenizer_ms), _ms(parts.encoder_ms), _ms(parts.pooling_ms)


def _shares(parts: LatencyParts | None) -> tuple[float, ...]:
    if parts is None:
        return ()
    each = (parts.tokenizer_ms, parts.encoder_ms, parts.pooling_ms or 0.0)
    return tuple(round(100 * one / max(sum(each), 1e-9), 1) for one in each)


def _ms(value: float | None) -> str:
    return MISSING if value is None else significant(value)
