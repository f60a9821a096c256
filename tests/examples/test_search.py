"""The example is what a reader copies: it runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from export.serve.session import OnnxEncoder
from tests.tiny_artifacts import exported_artifact

ROOT = Path(__file__).parents[2]
TEXTS = ["a big black dog", "the market on the street", "a girl plays guitar", "two boys run in the park"]


def test_it_answers_each_query_with_the_nearest_texts(tmp_path: Path) -> None:
    artifact = exported_artifact(tmp_path / "artifact")
    file, queries = tmp_path / "texts.txt", ["the girl plays", TEXTS[1]]
    file.write_text("\n".join(TEXTS) + "\n\n", encoding="utf-8")
    command = [sys.executable, ROOT / "examples" / "search.py", artifact, file, *queries]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    encoder = OnnxEncoder(artifact, 1)
    expected = []
    for query, cosines in zip(queries, encoder.encode(queries) @ encoder.encode(TEXTS).T, strict=True):
        nearest = sorted(range(len(TEXTS)), key=lambda row: -cosines[row])[:3]
        expected += [query, *(f"{cosines[row]:8.4f}  {TEXTS[row]}" for row in nearest)]
    assert done.stdout.splitlines() == expected
    assert done.stdout.splitlines()[5].endswith(TEXTS[1])
