"""Build the quickstart pair files from questions.jsonl.

Reads the hand-written support questions and writes train.tsv, dev.tsv and
test.tsv. Each row is a pair of sentences and a grade:

    4  two phrasings of the same question
    3  a phrasing and a near-miss: the same matter, one detail differs
    2  a phrasing and a near-miss: same area and object, a different task
    1  a phrasing and a near-miss: many shared words, another matter
    0  texts of two different questions

Questions, not rows, are split: no text of a test question stands in train or
dev. The result depends on questions.jsonl and nothing else (fixed seed).

Usage:
    python build_pairs.py            write the three files, print row counts
    python build_pairs.py --check    write nothing; exit 1 if a file differs
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = 0
HEADER = "sentence1\tsentence2\tlabel"

# Shares of the questions that go to test and to dev; the rest is train.
TEST_SHARE = 18 / 72
DEV_SHARE = 10 / 72


@dataclass(frozen=True)
class Amounts:
    """How many pairs a question gives to its split."""

    paraphrases: int
    # Phrasings that a near-miss is put beside, by grade.
    beside: dict[int, int]
    zeros: int


# A word-heavy zero pair is the best of this many random candidates.
CANDIDATES = 30
MEASURED = Amounts(paraphrases=9, beside={3: 2, 2: 2, 1: 2}, zeros=9)
AMOUNTS = {
    "train": Amounts(paraphrases=19, beside={3: 3, 2: 3, 1: 3}, zeros=18),
    "dev": MEASURED,
    "test": MEASURED,
}

STOP_WORDS = frozenset(
    """
    a about after again all am an and any are as at be been before but by can
    could did do does don't every for from get had has have how i i'd i'm i've
    if in into is isn't it it's its just me more my no not of off on one only
    or our out over so some than that the their them then there they this to
    too up us was we were what when where which who why will with without
    would you your
    """.split()
)


@dataclass(frozen=True)
class NearMiss:
    """A text close to a question, with its grade (1 to 3)."""

    text: str
    grade: int


@dataclass(frozen=True)
class Question:
    """One support question in several wordings, with its near-misses."""

    id: str
    area: str
    phrasings: tuple[str, ...]
    near: tuple[NearMiss, ...]


Row = tuple[str, str, int]


class PairSet:
    """Rows of one split, without repeated (unordered) pairs."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._seen: set[frozenset[str]] = set()
        self.rows: list[Row] = []

    def has(self, first: str, second: str) -> bool:
        """Whether this pair cannot be added: already there, or one text."""
        return first == second or frozenset((first, second)) in self._seen

    def add(self, first: str, second: str, label: int) -> bool:
        """Add the pair in random order; False if it cannot be added."""
        if self.has(first, second):
            return False
        self._seen.add(frozenset((first, second)))
        if self._rng.random() < 0.5:
            first, second = second, first
        self.rows.append((first, second, label))
        return True


def content_words(text: str) -> frozenset[str]:
    """Lower-cased words of a text, without the most frequent ones."""
    return frozenset(re.findall(r"\w+(?:['’]\w+)*", text.lower())) - STOP_WORDS


def overlap(first: str, second: str) -> float:
    """Jaccard overlap of the content words of two texts."""
    a, b = content_words(first), content_words(second)
    return len(a & b) / len(a | b) if a | b else 0.0


def load_questions(path: Path) -> list[Question]:
    """Read questions.jsonl and refuse texts that would spoil the files."""
    questions: list[Question] = []
    seen: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        raw = json.loads(line)
        near = tuple(NearMiss(n["text"], n["grade"]) for n in raw["near"])
        question = Question(raw["id"], raw["area"], tuple(raw["phrasings"]), near)
        for text in (*question.phrasings, *(n.text for n in near)):
            if text != " ".join(text.split()):
                raise ValueError(f"{question.id}: stray white space in {text!r}")
            if text.casefold() in seen:
                raise ValueError(f"{question.id}: text is not unique: {text!r}")
            seen.add(text.casefold())
        if any(n.grade not in (1, 2, 3) for n in near):
            raise ValueError(f"{question.id}: a near-miss grade is not 1, 2 or 3")
        questions.append(question)
    return questions


def split_questions(questions: Sequence[Question], rng: random.Random) -> dict[str, list[Question]]:
    """Deal the questions out to train, dev and test, spread over the areas.

    Test takes one question of each area in turn until it is full. Dev then
    takes two at a time from the area with most questions left, so that dev
    has pairs of questions from one area. Train gets the rest.
    """
    by_area: dict[str, list[Question]] = {}
    for question in questions:
        by_area.setdefault(question.area, []).append(question)
    areas = sorted(by_area)
    rng.shuffle(areas)
    for area in areas:
        rng.shuffle(by_area[area])

    test: list[Question] = []
    dev: list[Question] = []
    n_test = round(len(questions) * TEST_SHARE)
    n_dev = round(len(questions) * DEV_SHARE)
    while len(test) < n_test:
        for area in areas:
            if by_area[area] and len(test) < n_test:
                test.append(by_area[area].pop())
    while len(dev) < n_dev:
        used = [question.area for question in dev]
        fullest = max(areas, key=lambda a: (a not in used, len(by_area[a])))
        for _ in range(min(2, n_dev - len(dev))):
            dev.append(by_area[fullest].pop())
    train = [question for area in areas for question in by_area[area]]
    return {"train": train, "dev": dev, "test": test}


def add_paraphrases(pairs: PairSet, question: Question, amounts: Amounts, rng: random.Random) -> None:
    """Grade 4: some of the pairs of two phrasings."""
    texts = question.phrasings
    every = [(a, b) for i, a in enumerate(texts) for b in texts[i + 1 :]]
    for first, second in rng.sample(every, min(amounts.paraphrases, len(every))):
        pairs.add(first, second, 4)


def add_near_misses(pairs: PairSet, question: Question, amounts: Amounts, rng: random.Random) -> None:
    """Grades 3 to 1: each near-miss beside different phrasings.

    A grade 1 text goes with the phrasings it shares most words with, since
    that is what it was written for; the others go with any phrasing.
    """
    for near in question.near:
        phrasings = list(question.phrasings)
        rng.shuffle(phrasings)
        if near.grade == 1:
            phrasings.sort(key=lambda text: -overlap(text, near.text))
        for phrasing in phrasings[: amounts.beside[near.grade]]:
            pairs.add(phrasing, near.text, near.grade)


def add_zeros(
    pairs: PairSet,
    question: Question,
    split: Sequence[Question],
    amounts: Amounts,
    rng: random.Random,
) -> None:
    """Grade 0: half from the same area, half from others with shared words.

    Other areas also lend their grade 3 texts, which surely belong there. The
    grade 1 and 2 texts are left out: they may be close to some other question.
    """
    others = [q for q in split if q.id != question.id]
    same = [t for q in others if q.area == question.area for t in q.phrasings]
    away = [t for q in others if q.area != question.area for t in q.phrasings]
    away += [n.text for q in others if q.area != question.area for n in q.near if n.grade == 3]
    added = 0
    # An odd number does not halve: round down or up, by chance.
    wanted = amounts.zeros // 2 + rng.randrange(2)
    for text in rng.sample(same, len(same)):
        if added < wanted and pairs.add(rng.choice(question.phrasings), text, 0):
            added += 1
    while added < amounts.zeros:
        candidates = [(rng.choice(question.phrasings), rng.choice(away)) for _ in range(CANDIDATES)]
        free = [pair for pair in candidates if not pairs.has(*pair)]
        best = max(free, key=lambda pair: overlap(*pair))
        pairs.add(*best, 0)
        added += 1


def build_rows(split: Sequence[Question], amounts: Amounts, rng: random.Random) -> list[Row]:
    """All rows of one split, shuffled."""
    pairs = PairSet(rng)
    for question in split:
        add_paraphrases(pairs, question, amounts, rng)
        add_near_misses(pairs, question, amounts, rng)
        add_zeros(pairs, question, split, amounts, rng)
    rng.shuffle(pairs.rows)
    return pairs.rows


def to_tsv(rows: Iterable[Row]) -> bytes:
    """Rows as TSV with a header, no quoting, LF line ends, UTF-8."""
    lines = [HEADER, *(f"{first}\t{second}\t{label}" for first, second, label in rows)]
    return ("\n".join(lines) + "\n").encode("utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build train.tsv, dev.tsv and test.tsv from questions.jsonl.")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 if a file on disk differs",
    )
    args = parser.parse_args(argv)

    rng = random.Random(SEED)
    splits = split_questions(load_questions(HERE / "questions.jsonl"), rng)
    stale: list[str] = []
    for name, split in splits.items():
        rows = build_rows(split, AMOUNTS[name], random.Random(f"{SEED} {name}"))
        path = HERE / f"{name}.tsv"
        data = to_tsv(rows)
        print(f"{path.name}: {len(rows)} pairs from {len(split)} questions")
        if not args.check:
            path.write_bytes(data)
        elif not path.is_file() or path.read_bytes() != data:
            stale.append(path.name)
    if stale:
        print(f"differs from questions.jsonl: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
