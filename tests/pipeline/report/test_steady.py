from pipeline.report.rows import Parity
from pipeline.report.steady import INVARIANT, steady_artifacts
from tests.pipeline.pick.test_budget import ROWS


def test_an_ir_and_a_graph_below_the_limit_are_left_out() -> None:
    at, below = (Parity(min_cosine=1, batch_invariance=value) for value in (INVARIANT, INVARIANT - 1e-6))
    row = ROWS[1]
    rows = [row, row.model_copy(update={"runtime": "openvino"}), row.model_copy(update={"kind": "student"})]
    rows += [row.model_copy(update={"parity": parity}) for parity in (at, below, None)]
    assert steady_artifacts(rows) == [row, rows[3]]
