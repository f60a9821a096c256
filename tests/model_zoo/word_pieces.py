"""WordPiece tokenizers, as BERT and those after it have them."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.models.bert import BertTokenizer
from transformers.models.mpnet import MPNetTokenizer

from tests.model_zoo.texts import DIGITS, ENDINGS, LETTERS, MARKS, OTHERS, WORDS

BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET_SPECIALS = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")


def word_pieces(specials: tuple[str, ...] = BERT_SPECIALS, cased: bool = False) -> dict[str, int]:
    """The vocabulary: special tokens first, then characters, then words; `cased` adds what has capitals."""
    characters = [*LETTERS, *DIGITS, *MARKS, *OTHERS]
    words = [*WORDS]
    if cased:
        characters += LETTERS.upper()
        words += [word.capitalize() for word in WORDS]
    pieces = [*specials, *characters, *(f"##{piece}" for piece in (*characters, *ENDINGS)), *words]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}


def bert_tokenizer(cased: bool = False, **settings: Any) -> PreTrainedTokenizerBase:
    """BERT's: lower-cases unless `cased`, gives token_type_ids, adds [CLS] and [SEP]; 128 tokens unless told."""
    settings = {"model_max_length": 128, "do_lower_case": not cased} | settings
    return BertTokenizer(vocab=word_pieces(cased=cased), **settings)


def mpnet_tokenizer(**settings: Any) -> PreTrainedTokenizerBase:
    """MPNet's: WordPiece between <s> and </s>, padding id 1, no token_type_ids."""
    return MPNetTokenizer(vocab=word_pieces(MPNET_SPECIALS), **{"model_max_length": 128} | settings)
