"""What an infeasible budget's reader can do: the nearest artifact by each limit, and what would get there."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.pick.limits import Floor, Limit, Miss
from pipeline.report.rows import Row

SLOW = {"latency", "throughput"}


def remedy(rows: Sequence[Row], nearest: Row, limits: Sequence[Floor | Limit], missed: Sequence[Miss]) -> str:
    """Which row comes nearest to each limit alone, where that is not the nearest in all, then what to change.

    Args:
        rows: to choose from, at least one.
        nearest: the row that misses the least in all.
        limits: of the budget.
        missed: what the nearest misses, at least one.
    """
    best = [(limit, min(rows, key=limit.off)) for limit in limits]
    alone = ", ".join(_alone(limit, row) for limit, row in best)
    by_limit = f"by each limit alone, {alone}; " if any(row is not nearest for _, row in best) else ""
    names = {miss.limit for miss in missed}
    looser = ", ".join(f"{limit.name} {limit.loosened(nearest)}" for limit in limits if limit.name in names)
    ways = [*_changes(rows, nearest, missed), f"a looser limit ({looser})"]
    return f"{by_limit}what would get there: {_either(ways)}"


def _alone(limit: Floor | Limit, row: Row) -> str:
    miss = limit.miss(row)
    return f"{row.name} misses {miss.said}" if miss else f"{row.name} keeps {limit.name} ({limit.figure(row)})"


def _changes(rows: Sequence[Row], nearest: Row, missed: Sequence[Miss]) -> list[str]:
    names = {miss.limit for miss in missed}
    depths = [row.layers for row in rows if row.layers is not None]
    precisions = {row.precision for row in rows}
    found = []
    if names & {*SLOW, "size"}:
        found += [f"fewer than {min(depths)} layers (export.cuts)"] if depths and min(depths) > 1 else []
        of_a_table = nearest.layers == 0
        smaller = ("int8" if of_a_table else "int8-row", *(("int4",) if "size" in names else ()))
        found += [f"{one} in export.precisions" for one in smaller if one not in precisions][:1]
        found += ["a smaller student.model"] if not found and not of_a_table else []
    for miss in missed:
        if miss.limit == "vector length":
            depth = "LAYERS" if nearest.layers is None else nearest.layers
            found.append(f"shorter vectors (export.cuts: [[{depth}, {miss.allowed:.0f}]])")
    if "accuracy" in names:
        found += ["more layers"] if depths and (nearest.layers or 0) < max(depths) else []
        found.append("a student that learns more (student.epochs, more pairs)")
    return found


def _either(ways: Sequence[str]) -> str:
    return f"{', '.join(ways[:-1])} or {ways[-1]}" if len(ways) > 1 else ways[0]
