"""The cost of labelling, by hand, and from a run's own figures."""

from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.label_cost import LABELLING, Labelling, cost_lines, label_cost, read_labelling
from tests.tiny_runs import SmokeRun, decant

MEASURED = Labelling(pairs=1000, seconds=10.0, workers=2, bytes_per_pair=24.0)


def test_cost_by_hand() -> None:
    found = label_cost(MEASURED, 1e9, 100, price=0.5)
    assert found.pairs_per_second == 5000  # 50 a worker
    assert found.hours == pytest.approx(1e9 / 5000 / 3600)
    assert found.price == pytest.approx(0.5 * 1e9 / 50 / 3600)
    assert found.shards == 488_282
    assert found.disk_gib == pytest.approx(24e9 / 2**30)
    assert "1,000,000,000 pairs on 100 workers" in cost_lines(MEASURED, found)[0]
    assert label_cost(MEASURED, 2049, 1).shards == 2


@pytest.mark.parametrize(("pairs", "workers"), [(0, 1), (5, 0)])
def test_nothing_to_label(pairs: float, workers: int) -> None:
    with pytest.raises(InputError, match="give at least one of both"):
        label_cost(MEASURED, pairs, workers)


def test_a_run_that_states_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no targets that state what they took"):
        read_labelling(tmp_path)
    (tmp_path / "targets").mkdir()
    Labelling(0, 1.0, 1, 24.0).write(tmp_path / "targets")
    with pytest.raises(InputError, match="no pair was scored anew there"):
        read_labelling(tmp_path)


@pytest.mark.parametrize(
    "written",
    [
        '{"pairs": 5, "seconds": 1, "workers": 1}',
        '{"pairs": "many", "seconds": 1, "workers": 1, "bytes_per_pair": 24}',
        '{"pairs": Infinity, "seconds": 1, "workers": 1, "bytes_per_pair": 24}',
        "5",
        "[" * 100_000,
    ],
)
def test_figures_that_cannot_be_read(written: str, tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / LABELLING).write_text(written, encoding="utf-8")
    with pytest.raises(InputError, match="holds no targets that state what they took"):
        read_labelling(tmp_path)


def test_the_command_reads_what_a_run_measured(smoke_run: SmokeRun) -> None:
    measured = read_labelling(smoke_run.folder)
    shards = list((smoke_run.folder / "targets").rglob("shard-*.arrow"))
    assert measured.bytes_per_pair * measured.pairs == pytest.approx(sum(path.stat().st_size for path in shards))
    said = decant("cost", smoke_run.folder, "--pairs", "1e9", "--workers", "10", "--price", "0.2", "--json")
    assert said.code == 0, said.err
    assert said.json() == label_cost(measured, 1e9, 10, 0.2).as_dict()
    assert "1,000 pairs on 1 workers" in decant("cost", smoke_run.folder, "--pairs", "1000").text
