import sys
from pathlib import Path

import pytest
from torch import nn

from pipeline.measure.size import parameter_count, peak_memory_mib, peak_memory_of, size_mib


def test_size_of_a_file_and_of_a_folder_with_folders(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(bytes(2**20))
    (tmp_path / "b").write_bytes(bytes(2**19))
    assert size_mib(tmp_path / "b") == 0.5
    assert size_mib(tmp_path) == 1.5


def test_size_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        size_mib(tmp_path / "nothing")


def test_shared_parameters_count_once() -> None:
    layer = nn.Linear(3, 4)
    assert parameter_count(nn.Sequential(layer, nn.ReLU(), layer)) == 3 * 4 + 4


@pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin")), reason="no peak memory there")
def test_peak_memory_is_that_of_the_code_and_not_of_its_parent() -> None:
    ballast = bytearray(b"x") * (300 * 2**20)  # the parent holds much more than the child
    whole, little, much = (
        peak_memory_mib(),
        peak_memory_of("pass"),
        peak_memory_of("import sys; kept = bytearray(b'x') * (int(sys.argv[1]) * 2**20)", ["200"]),
    )
    assert len(ballast)
    assert whole is not None
    assert little is not None
    assert much is not None
    assert whole > 300
    assert little < 100
    assert 190 < much - little < 230


def test_code_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="measuring memory failed: ValueError: too big"):
        peak_memory_of("raise ValueError('too big')")
