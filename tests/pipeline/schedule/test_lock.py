import os
import signal
import subprocess
import sys
from pathlib import Path

from pipeline.schedule.lock import is_held, recipe_lock

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from pipeline.schedule.lock import recipe_lock

with recipe_lock(Path(sys.argv[1]), "/r.yaml") as descriptor:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[descriptor])
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_a_recipe_is_held_once_and_another_is_free(tmp_path: Path) -> None:
    with recipe_lock(tmp_path, "/r.yaml") as first:
        assert first is not None
        with recipe_lock(tmp_path, "/r.yaml") as second:
            assert second is None
        assert is_held(tmp_path, "/r.yaml")
        assert not is_held(tmp_path, "/other.yaml")
    assert not is_held(tmp_path, "/r.yaml")


def test_it_survives_the_kill_of_who_took_it_and_dies_with_the_run(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        run = int(holder.stdout.readline())
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert is_held(tmp_path, "/r.yaml")
        os.kill(run, signal.SIGKILL)
        holder.stdout.read()  # ends when the run, which holds its other end, is gone
    assert not is_held(tmp_path, "/r.yaml")
