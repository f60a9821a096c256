"""Texts as words, split as BERT's tokenizers split them, but in a few passes over many texts at once.

A tokenizer of BertNormalizer, BertPreTokenizer and WordPiece never looks past a word. So the tokens of a text are those
of its words one after another, and a word that was seen before needs no tokenizer. Of ASCII texts the words are exactly
those of BertPreTokenizer, cleaned and lower-cased; of others they are what stands between spaces, as it stands there,
which a word's tokenizer cleans and splits further.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

Word = bytes | str
END = b"\0"
"""Stands behind the words of each text, in a list of ASCII texts' words."""
END_OF_OTHER = "\0"
"""The same in a list of other texts' words."""
BLANKS = b"\t\n\r "  # what BertNormalizer makes a space of; it drops every other control character
DROPPED = bytes(code for code in [*range(1, 32), 127] if code not in BLANKS)
PLAIN = bytes(ord(" ") if code in BLANKS else code for code in range(256))
PUNCTUATION = [(bytes([code]), b" %c " % code) for code in string.punctuation.encode()]
NOT_SPACES = "\0\x0b\x0c\x1c\x1d\x1e\x1f\x85"  # dropped by BertNormalizer, while str.split takes most for spaces


class BertWords:
    """The split of one tokenizer.

    Args:
        lowercase: whether it lower-cases texts.
        added: what its added tokens may look like in a cleaned ASCII text, in lower case.
    """

    def __init__(self, lowercase: bool, added: Iterable[bytes]) -> None:
        self._bytes, self._lowercase, self._added = PLAIN.lower() if lowercase else PLAIN, lowercase, tuple(added)

    def of_ascii(self, texts: Sequence[str]) -> list[bytes] | None:
        """The words of each text, and `END` behind them; None where a text holds an added token or a zero byte.

        Args:
            texts: of ASCII characters alone.
        """
        data = ("\0".join(texts) + "\0").encode("ascii")
        if data.count(END) != len(texts):
            return None
        data = data.translate(self._bytes, DROPPED)
        looked_in = data if self._lowercase else data.lower()
        if any(token in looked_in for token in self._added):
            return None
        for mark, spaced in PUNCTUATION:
            data = data.replace(mark, spaced)
        return data.replace(END, b" \0 ").split()

    def of_other(self, texts: Sequence[str]) -> list[str] | None:
        """What stands between spaces in each text, and `END_OF_OTHER` behind; None where it is not sure what does."""
        if any(char in text for text in texts for char in NOT_SPACES):
            return None
        return (" \0 ".join(texts) + " \0").split()


def bert_words(tokenizer: Tokenizer) -> BertWords | None:
    """The split of a tokenizer; None where it is of another kind, or has an added token that is not within a word."""
    normalizer = tokenizer.normalizer
    if (
        type(normalizer) is not BertNormalizer
        or type(tokenizer.pre_tokenizer) is not BertPreTokenizer
        or not isinstance(tokenizer.model, WordPiece | WordLevel)
        or not normalizer.clean_text
    ):
        return None
    tokens = list(tokenizer.get_added_tokens_decoder().values())
    looks = {look for token in tokens for look in _looks(normalizer, token)}
    if any(not look or len(look.split()) != 1 or look != look.strip() or not look.isprintable() for look in looks):
        return None
    return BertWords(bool(normalizer.lowercase), [look.lower().encode("ascii") for look in looks if look.isascii()])


def _looks(normalizer: BertNormalizer, token: AddedToken) -> tuple[str, str]:
    """An added token as it is looked for in a text, and in a text that is normalized."""
    return str(token.content), normalizer.normalize_str(str(token.content))
