"""Which artifacts give a text the same vector alone and in a batch."""

from collections.abc import Sequence

from pipeline.report.rows import Row

INVARIANT = 0.9999  # below this a text alone and in a batch differ by more than rounding


def steady_artifacts(rows: Sequence[Row]) -> list[Row]:
    """Artifacts that give a text the same vector alone and in a batch; rows of their own graph, not of an IR."""
    artifacts = [row for row in rows if row.kind == "artifact" and row.runtime != "openvino"]
    return [row for row in artifacts if row.parity is not None and row.parity.batch_invariance >= INVARIANT]
