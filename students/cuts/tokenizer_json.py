"""A parsed tokenizer.json with fewer tokens: which ones no text can do without, and the file without the others.

`Content` is what `Tokenizer.to_str` writes, so the model's type and every list are in their present form.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from decant.errors import InputError

Content = dict[str, Any]
MODELS = ("WordPiece", "BPE", "Unigram")
BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")  # a byte of a character that has no token


def check_model(content: Content) -> None:
    """Refuse a tokenizer whose tokens cannot be dropped one by one.

    Raises:
        InputError: its model is none of `MODELS`, or a BPE that marks the pieces of a word.
    """
    model = content["model"]
    if model["type"] not in MODELS:
        raise InputError(f"a {model['type']} tokenizer cannot be pruned; {', '.join(MODELS)} can")
    marks = [name for name in ("continuing_subword_prefix", "end_of_word_suffix") if model.get(name)]
    if model["type"] == "BPE" and marks:
        raise InputError(f"a BPE tokenizer with {marks[0]} cannot be pruned; one without can")


def tokens_of(content: Content) -> dict[int, str]:
    """Every token by its id, the added ones included."""
    return _pieces(content) | {int(token["id"]): str(token["content"]) for token in content["added_tokens"]}


def base_tokens(content: Content) -> set[int]:
    """Ids that stay whatever the texts are: without them some text would have no pieces, or other ones.

    All added tokens and those that the tokenizer itself puts in, the unknown token, bytes, single characters (of
    WordPiece as the first and as a later one of a word), and tokens that hold a character which is no token by itself.
    Of Unigram also the token of the lowest score, from which the score of an unknown character is taken.

    With WordPiece a word is unknown exactly where it was before if every character of a token is a token itself, in
    both places of a word, as in BERT's own vocabularies.
    """
    model, pieces = content["model"], _pieces(content)
    every = set(pieces.values())
    prefix = model["continuing_subword_prefix"] if model["type"] == "WordPiece" else ""
    kept = {int(token["id"]) for token in content["added_tokens"]} | _inserted(content)
    for number, piece in pieces.items():
        spelled = _spelled(piece, prefix)
        if spelled == [piece] or BYTE.fullmatch(piece) or not every.issuperset(spelled):
            kept.add(number)
    if model["type"] == "Unigram":
        scores = [score for _, score in model["vocab"]]
        kept.add(scores.index(min(scores)))
        kept |= set() if model["unk_id"] is None else {int(model["unk_id"])}
    elif model["unk_token"] in every:
        kept.add(int(model["vocab"][model["unk_token"]]))
    return kept


class Chains:
    """What a token is made from: with BPE, all merges that lead to it, else nothing but itself."""

    def __init__(self, content: Content) -> None:
        model = content["model"]
        self._parts: dict[int, set[int]] = defaultdict(set)
        for first, second in model.get("merges") or ():
            self._parts[model["vocab"][first + second]] |= {model["vocab"][first], model["vocab"][second]}

    def of(self, tokens: set[int]) -> set[int]:
        """The tokens, and those that they are merged from, down to single characters.

        All merges to a token count, not only the first one: which is taken depends on the ranks of those before it.
        """
        found, waiting = set(tokens), list(tokens)
        while waiting:
            new = self._parts.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found


def without_the_others(content: Content, kept: Sequence[int]) -> Content:
    """The content with the tokens `kept` alone, numbered from 0 in this order, and no merge to another one.

    Args:
        kept: rising ids, with the `base_tokens` and all that `Chains` names among them.
    """
    new = {old: number for number, old in enumerate(kept)}
    model = dict(content["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [entry for number, entry in enumerate(model["vocab"]) if number in new]
        model["unk_id"] = None if model["unk_id"] is None else new[model["unk_id"]]
    else:
        model["vocab"] = {piece: new[number] for piece, number in model["vocab"].items() if number in new}
    if model["type"] == "BPE":
        model["merges"] = [pair for pair in model["merges"] if pair[0] + pair[1] in model["vocab"]]
    padding = content.get("padding")
    return content | {
        "model": model,
        "added_tokens": [token | {"id": new[token["id"]]} for token in content["added_tokens"]],
        "post_processor": _renumbered(content.get("post_processor"), new),
        "padding": padding and padding | {"pad_id": new[padding["pad_id"]]},
    }


def _pieces(content: Content) -> dict[int, str]:
    vocabulary = content["model"]["vocab"]
    if content["model"]["type"] == "Unigram":
        return {number: str(piece) for number, (piece, _) in enumerate(vocabulary)}
    return {int(number): str(piece) for piece, number in vocabulary.items()}


def _spelled(piece: str, prefix: str) -> list[str]:
    """The single characters of a piece, as tokens; after the first one of a word they have the prefix."""
    if not prefix:
        return list(piece)
    inner = piece.startswith(prefix) and piece != prefix
    letters = piece.removeprefix(prefix) if inner else piece
    return [prefix + letter if inner or place else letter for place, letter in enumerate(letters)]


def _inserted(content: Content) -> set[int]:
    """Ids that post-processing and padding put beside a text's own."""
    padding = content.get("padding")
    return _named(content.get("post_processor")) | ({int(padding["pad_id"])} if padding else set())


def _named(processor: Content | None) -> set[int]:
    if processor is None:
        return set()
    found = {int(number) for token in processor.get("special_tokens", {}).values() for number in token["ids"]}
    found |= {int(processor[role][1]) for role in ("sep", "cls") if role in processor}
    return found.union(*(_named(part) for part in processor.get("processors", ())))


def _renumbered(processor: Content | None, new: dict[int, int]) -> Content | None:
    if processor is None:
        return None
    changed: Content = {
        role: [processor[role][0], new[processor[role][1]]] for role in ("sep", "cls") if role in processor
    }
    if "processors" in processor:
        changed["processors"] = [_renumbered(part, new) for part in processor["processors"]]
    if "special_tokens" in processor:
        changed["special_tokens"] = {
            name: token | {"ids": [new[number] for number in token["ids"]]}
            for name, token in processor["special_tokens"].items()
        }
    return processor | changed
