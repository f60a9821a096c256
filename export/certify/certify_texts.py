"""The texts that a runtime is certified on: of every length, and what tokenizers disagree about."""

from __future__ import annotations

from itertools import permutations

from export.graphs.probe_texts import Tokenize, texts_of_every_length

SENTENCES = (
    "How do I reset my password?",
    "The quick brown fox jumps over the lazy dog.",
    "Rain is expected in the north tomorrow.",
    "A man is playing a guitar on the street while people walk by.",
    "The committee will publish its report on housing costs next week.",
    "Two children build a sand castle near the water.",
    "Insulin lowers the level of glucose in the blood.",
    "She returned the library books three days late.",
    "Our flight was delayed because of fog over the runway.",
    "What is the difference between a lease and a loan?",
    "The engine overheats when the coolant runs low.",
    "He cooked rice with saffron, raisins and almonds.",
    "Shares of the company fell by 4.5 % on Friday.",
    "An electron has a negative charge.",
    "The museum's oldest painting dates from 1432.",
    "Please forward the signed contract to our lawyer.",
    "A brown horse gallops across an empty field.",
    "Water boils at a lower temperature in the mountains.",
    "They argued for hours without reaching an agreement.",
    "The new bridge connects both halves of the city.",
    "Plants turn sunlight into sugar and oxygen.",
    "My phone no longer charges after the last update.",
    "The goalkeeper saved two penalties in the final.",
    "A small village bakery sells bread before sunrise.",
)
ODD = (
    "", "a", "\u200b", "🙂", "🤖🏽 🎉 👩‍👩‍👧", "距離と意味", "这是一个用来比较运行环境的中文句子。",
    "naïve café, Ω ≈ ½ … “quoted”", "<script>alert(1)</script> \t\n x", "A" * 5000,
    "don't re-use e.g. v1.2.3-rc4@host:8080/path?x=1&y=2",
)  # fmt: skip
WORDS = 2000


def certificate_texts(tokenize: Tokenize, max_length: int, count: int = 500) -> list[str]:
    """At least `count` texts: odd ones, one of 2,000 words, and of all lengths from only specials to `max_length`.

    None begins or ends with a space: some runtimes strip texts, which is said of them rather than measured.

    Args:
        tokenize: texts → token ids, specials included, cut at `max_length`.
        max_length: tokens, specials included.
        count: texts in all; a model of more tokens than that gets a text a length.
    """
    words = " ".join(SENTENCES).split()
    long = " ".join(words[index % len(words)] for index in range(WORDS))
    several = [*SENTENCES, *(f"{first} {second}" for first, second in permutations(SENTENCES, 2))]
    odd = [*ODD, long]
    made = texts_of_every_length(several, tokenize, max_length, count - len(odd))
    return odd + [text.strip() for text in made]
