from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from students.sharing.sharing_settings import SharingSettings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = (
    "--layers 5 --hidden 16 --vocabulary 300 --length 16 --batch 2 --steps 3 --stage-steps 2 --save 0.01 "
    "--random 2 --held-out 8 --rounds 1 --new-tokens 4 --threads 1"
).split()
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="a source distribution holds no benchmarks")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import shared_decoder

    return shared_decoder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder in ("wordnet", "flickr8k"):
        (tmp_path / folder).mkdir()
    words = "dog cat bird man woman runs sits sleeps on in the a green red park house".split()
    texts = [" ".join(words[(row * step + step) % 16] for step in range(1, 9)) + f" {row}" for row in range(240)]
    gloss = "".join(f"entry{row}\tnoun\t{text}\n" for row, text in enumerate(texts[:120]))
    (tmp_path / "wordnet/glosses.tsv").write_text("entry\tpos\tdefinition\n" + gloss)
    for name, part in (("train", texts[120:220]), ("test", texts[220:])):
        lines = "".join(f"{row}\t{text}\n" for row, text in enumerate(part))
        (tmp_path / f"flickr8k/{name}.tsv").write_text("image\tcaption\n" + lines)
    return tmp_path


def test_a_tiny_run_prints_every_table(
    script: ModuleType, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["shared_decoder.py", "--data", str(data), *TINY])
    script.main()
    said = capsys.readouterr().out
    rows = {line.split(" | ")[0][2:]: line for line in said.splitlines() if line.startswith("| ")}
    for name in ("not trained", "after stage 1", "after stage 2"):
        assert f"shared, {name}" in rows
    parameters = {name: int(rows[name].split(" | ")[2].replace(",", "")) for name in rows if "shared" in name[:8]}
    assert parameters["unshared"] - parameters["shared, after stage 2"] == 16 * 16 + 16 * 8, "queries and keys"
    assert rows["unshared"].split(" | ")[4] == "1.000"
    assert "generation, batch 1, tokens/s" in rows
    # 16 tokens × 2 heads × 4 dimensions × 4 bytes, twice, or once in the follower
    cache = next(line for line in said.splitlines() if line.startswith("KV cache"))
    assert "unshared 1,024, 1,024, 1,024, 1,024, 1,024; shared" in cache
    assert cache.count(" 512") == 1
    assert "90.0 % of it" in cache


def test_too_few_texts_are_refused(
    script: ModuleType, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["shared_decoder.py", "--data", str(data), *TINY, "--steps", "9000"])
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert "lower --steps or --batch" in capsys.readouterr().err


def test_placements_and_random_groups(script: ModuleType) -> None:
    assert script.placements([3, 2], 1, 7) == [
        ((1, 2), (3, 4, 5)), ((1, 2), (4, 5, 6)), ((1, 2, 3), (4, 5)), ((1, 2, 3), (5, 6)), ((2, 3), (4, 5, 6)),
        ((2, 3, 4), (5, 6)),
    ]  # fmt: skip
    chosen = ((1, 2, 3), (4, 5))
    others = script.random_groups(chosen, SharingSettings(), 8, 5, seed=1)
    assert sorted((*others, chosen)) == script.placements([3, 2], 1, 7)
    assert script.random_groups(chosen, SharingSettings(), 8, 5, seed=1) == others
    # three pairs fill the inner six layers: there is no other place among them, so the ends are taken too
    pairs = ((1, 2), (3, 4), (5, 6))
    anywhere = script.random_groups(pairs, SharingSettings(), 8, 3, seed=0)
    assert len(set(anywhere)) == 3
    assert all(groups[0][0] == 0 or groups[-1][-1] == 7 for groups in anywhere)
