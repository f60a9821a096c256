"""What stands behind the figures: paired differences, losses of quantized groups, heat of the grid, provenance."""

from dataclasses import dataclass

from pipeline.measure.grid import Cell, Grid
from pipeline.report.figures import points, rough_points, signed_points
from pipeline.report.machine import Environment
from pipeline.report.rows import Report, Row
from pipeline.report.table import label, references, sorted_rows

HEAT_STEPS = 8  # classes heat0..heat7 of the style


@dataclass(frozen=True)
class PairedDifference:
    """One row against the teacher on the same resamples."""

    label: str
    difference: str
    interval: str
    not_above: str
    verdict: str
    picked: bool


@dataclass(frozen=True)
class LossBar:
    """One group's loss: as written, and as a share of the greatest, 0..100."""

    group: str
    loss: str
    width: float
    kept: bool


def paired_differences(report: Report) -> list[PairedDifference]:
    """Every row whose difference to the teacher was measured on the main test set."""
    set_name = references(report).set_name
    found = []
    for row in sorted_rows(report):
        measured = row.metrics.get(set_name) if set_name is not None else None
        if measured is None or measured.difference_to_teacher is None or row.kind == "teacher":
            continue
        paired = measured.difference_to_teacher
        low, high = paired.ci95
        verdict = "below" if high < 0 else "above" if low > 0 else "no clear difference"
        found.append(
            PairedDifference(
                label(row), signed_points(paired.mean), f"{rough_points(low)} to {rough_points(high)}",
                f"{100 * paired.p:.1f} %", verdict, row.name == report.selected,
            )
        )  # fmt: skip
    return found


def loss_bars(row: Row) -> list[LossBar]:
    """A row's groups, the costliest first."""
    most = max((one.loss for one in row.sensitivity), default=0.0)
    return [
        LossBar(one.group, f"{one.loss:.2g}", round(100 * max(one.loss, 0.0) / most, 1) if most > 0 else 0.0, one.kept)
        for one in row.sensitivity
    ]


def heat(grid: Grid, cell: Cell) -> int:
    """Step of a cell's colour, 0..HEAT_STEPS-1, between the least and the greatest of the grid."""
    values = [one.value for one in grid.cells]
    span = max(values) - min(values)
    return min(HEAT_STEPS - 1, int(HEAT_STEPS * (cell.value - min(values)) / span)) if span > 0 else HEAT_STEPS - 1


def in_pick(report: Report, cell: Cell) -> bool:
    """Whether the selected row is of this cut."""
    if report.selected is None:
        return False
    row = report.row(report.selected)
    return (row.layers, row.dim) == (cell.layers, cell.dim)


def provenance(report: Report) -> list[tuple[str, str]]:
    """Seed, digests, machine and versions."""
    seed = report.recipe.get("seed")
    facts = [
        ("seed", str(seed) if seed is not None else ""),
        ("recipe, sha256", report.recipe_sha256 or ""),
        *[(f"{split} pairs, sha256", digest) for split, digest in report.data_sha256.items()],
        *_machine(report.environment),
    ]
    return [(what, said) for what, said in facts if said]


def distance_from_start(cell: Cell) -> str:
    """What the start model has at the same cut, or nothing where it was not measured."""
    return f"start model {points(cell.start_value)}" if cell.start_value is not None else ""


def _machine(environment: Environment) -> list[tuple[str, str]]:
    busy = environment.busy
    return [
        ("processor", environment.cpu),
        ("features", ", ".join(environment.cpu_features) or "unknown"),
        ("cores, threads", f"{environment.cores}, {environment.threads}"),
        ("memory", f"{environment.memory_gib} GiB" if environment.memory_gib is not None else ""),
        ("busy with other work", f"{100 * busy:.0f} % of the cores, just before measuring" if busy is not None else ""),
        ("GPU", environment.gpu or "none"),
        ("system", f"{environment.os}, Python {environment.python}"),
        *environment.libraries.items(),
    ]
