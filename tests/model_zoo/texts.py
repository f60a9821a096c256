"""The texts that every model of the zoo is tried with, and the words that its tokenizers know."""

from __future__ import annotations

WORDS = (
    "a about all an and are as at be big black boy but by cat child day do dog eat for from girl give good grass "
    "green guitar have he her his house how i in instruct into is it its look man market more new not of old on one "
    "or out park passage passages plane play query read red relevant represent result river run search searching see "
    "sentence she sit sleep small stock street task text that the their them they this title to two up walk was water "
    "we web what when which white who will with woman word work world year you young"
).split()
ENDINGS = ("ed", "er", "es", "ing", "ly", "ness", "s", "tion")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
MARKS = ".,;:!?'\"-()[]{}<>/\\|_&%$#@*+=~^`"
OTHERS = "éèüöäñçßàåøæœıЖдйиαβγ中文本模型日語の한국어😀🎉€°"  # letters of other scripts that the tokenizers know

TEXTS = (
    "A man is playing a guitar.",
    "the cat sleeps",
    "The Cat Sleeps",
    "THE CAT SLEEPS",
    "the cat sleeps on the old house and the dog eats the green grass by the river",
    "",
    " ",
    "a",
    "Z",
    "?",
    "42",
    "1234567890",
    "3.14159 is more than 3, but less than 4.",
    "word " * 40,
    "the " * 400,  # longer than any of the models reads
    "the river runs to the big market, " * 60,
    "market big the to runs river the, " * 60,
    "x" * 300,  # one word, longer than what a WordPiece takes as a word
    " leading space",
    "trailing space ",
    "   three   spaces   everywhere   ",
    "tab\tand\nnew line",
    "café naïve Zürich",
    "cafe naive Zurich",
    "cafe\u0301",  # the accent as a character of its own
    "İstanbul ve ışık",
    "Straße und ŒUVRE",
    "ﬁne print № ½ ²",  # characters that compatibility forms take apart
    "😀 🎉 good day 👩‍👩‍👧",
    "中文文本模型",
    "日本語のテキスト and 한국어",
    "Привет, мир! Здравствуй",
    "مرحبا بالعالم",
    "नमस्ते",
    "zero\u200bwidth and \u00a0no-break",
    "[CLS] the dog [SEP] the cat [SEP]",
    "<s> the dog </s> the cat </s>",
    "the dog<pad><pad> [PAD] [PAD]",
    "[MASK] and <mask> and <unk> and [UNK]",
    "<bos>the dog<eos><|endoftext|>the cat<|im_end|>",
    "query: what is a river",
    "passage: what is a river",
    "what is a river",
    "Represent this sentence for searching relevant passages: what is a river",
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: what is a river",
    "task: search result | query: what is a river",
    "title: none | text: water that runs to the sea",
    "don't stop; it's good-looking (really!)",
    "def f(x): return x_1 + 2  # code",
    "http://example.org/a?b=c&d=e user@example.org",
)
