"""What tokenizers may say besides their vocabulary, and the files that they may consist of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tests.model_zoo.backbones import ENCODER, HIDDEN
from tests.model_zoo.bases import bert, qwen, roberta
from tests.model_zoo.byte_pairs import qwen_tokenizer, roberta_tokenizer
from tests.model_zoo.families import make
from tests.model_zoo.folder import edit, save, set_keys
from tests.model_zoo.kind import Build, Kind
from tests.model_zoo.unigrams import charsmap, xlm_roberta_tokenizer
from tests.model_zoo.word_pieces import BERT_SPECIALS, bert_tokenizer, word_pieces

CONFIG = "tokenizer_config.json"
ROLES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
ROLES |= {"mask_token": "[MASK]"}
TEMPLATES = {
    "both": ("[CLS] $A [SEP]", ("[CLS]", "[SEP]")),
    "none": ("$A", ()),
    "before": ("[CLS] $A", ("[CLS]",)),
    "behind": ("$A [SEP]", ("[SEP]",)),
    "typed": ("[CLS]:0 $A:1 [SEP]:1", ("[CLS]", "[SEP]")),
}


def of_no_class(template: str = "both", **settings: Any) -> PreTrainedTokenizerBase:
    """A WordPiece tokenizer of no family's class: tokenizer.json alone says how it splits.

    Args:
        template: which of TEMPLATES puts special tokens around a text.
        settings: as `PreTrainedTokenizerFast` takes them.
    """
    tokenizer = Tokenizer(models.WordPiece(word_pieces(cased=True), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    single, special = TEMPLATES[template]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=f"{single} $B:1", special_tokens=[(token, BERT_SPECIALS.index(token)) for token in special]
    )
    names = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"], "model_max_length": 128}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ROLES | names | settings)


def with_added(tokenizer: PreTrainedTokenizerBase, *tokens: AddedToken, special: bool = False) -> Any:
    tokenizer.add_tokens(list(tokens), special_tokens=special)
    return tokenizer


def read(first: Callable[..., Any], tokenizer: Callable[[], Any], *changes: Build) -> Build:
    """A model of this first module and tokenizer, mean pooled; then the changes."""

    def build(folder: Path) -> None:
        save(folder, first(tokenizer()), Pooling(HIDDEN))
        for change in changes:
            change(folder)

    return build


def without_added(*contents: str) -> Build:
    """An edit that takes added tokens out of tokenizer.json and tokenizer_config.json again."""

    def change(folder: Path) -> None:
        def drop(held: dict[str, Any]) -> None:
            held["added_tokens"] = [one for one in held["added_tokens"] if one["content"] not in contents]

        edit(folder, "tokenizer.json", drop)
        set_keys(CONFIG, extra_special_tokens=None, added_tokens_decoder=None)(folder)

    return change


def json_only(**model_or_normalizer: Any) -> Build:
    """An edit of tokenizer.json alone; what tokenizer_config.json says stays."""
    return set_keys("tokenizer.json", **model_or_normalizer)


def vocabulary_as_text(folder: Path) -> None:
    """vocab.txt, a token a line, in place of tokenizer.json."""
    held = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokens = sorted(held["model"]["vocab"], key=held["model"]["vocab"].get)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()


def vocabulary_alone(folder: Path) -> None:
    """vocab.txt and nothing else of a tokenizer, as the first BERT models came."""
    vocabulary_as_text(folder)
    (folder / CONFIG).unlink()


def merges_as_text(folder: Path) -> None:
    """vocab.json and merges.txt in place of tokenizer.json."""
    held = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "vocab.json").write_text(json.dumps(held["vocab"], ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) if isinstance(pair, list) else pair for pair in held["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()


PLAIN = {
    "type": "TemplateProcessing", "special_tokens": {}, "single": [{"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
}  # fmt: skip
REWRITTEN = {"ﬁ": "fi", "№": "No", "½": "1/2", "²": "2", "\u00a0": " ", "\u200b": "", "é": "e", "cat": "dog"}
LOWER = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}

KINDS = (
    Kind("bert-cased", "BERT, a tokenizer that keeps capitals", read(bert, lambda: bert_tokenizer(cased=True)),
         set_keys(CONFIG, do_lower_case=True)),
    Kind("keep-accents", "BERT, lower case with accents kept", read(bert, lambda: bert_tokenizer(strip_accents=False)),
         set_keys(CONFIG, strip_accents=True)),
    Kind("strip-accents", "BERT, capitals kept, accents not",
         read(bert, lambda: bert_tokenizer(cased=True, strip_accents=True)), set_keys(CONFIG, strip_accents=False)),
    Kind("whole-chinese-words", "BERT, Chinese signs not taken apart",
         read(bert, lambda: bert_tokenizer(tokenize_chinese_chars=False)),
         set_keys(CONFIG, tokenize_chinese_chars=True)),
    Kind("config-over-json", "BERT, tokenizer.json keeps capitals, tokenizer_config.json lower-cases: it lower-cases",
         read(bert, bert_tokenizer, json_only(normalizer=LOWER | {"lowercase": False})),
         set_keys(CONFIG, do_lower_case=False)),
    Kind("of-no-class", "BERT, a tokenizer of no class: tokenizer.json alone says how it splits",
         read(bert, of_no_class), json_only(normalizer={"type": "Lowercase"})),
    Kind("class-over-json", "BERT, tokenizer.json adds no special token; BertTokenizer does all the same",
         read(bert, bert_tokenizer, json_only(post_processor=PLAIN)),
         set_keys(CONFIG, tokenizer_class="TokenizersBackend")),
    Kind("compiled-normalizer", "XLM-RoBERTa with SentencePiece's compiled normalizer, as its real tokenizers have",
         lambda f: make(f, "xlm-roberta", xlm_roberta_tokenizer(_spm_precompiled_charsmap=charsmap(REWRITTEN)),
                        ENCODER | {"type_vocab_size": 1}),
         json_only(normalizer=None)),
    Kind("no-special-tokens", "BERT, no special token around a text", read(bert, lambda: of_no_class("none"))),
    Kind("special-token-before", "BERT, a special token before a text alone",
         read(bert, lambda: of_no_class("before"))),
    Kind("special-token-behind", "BERT, a special token behind a text alone",
         read(bert, lambda: of_no_class("behind"))),
    Kind("segment-1", "BERT, a tokenizer that gives a text segment 1, not 0", read(bert, lambda: of_no_class("typed")),
         set_keys(CONFIG, model_input_names=["input_ids", "attention_mask"])),
    Kind("no-token-types", "BERT, a tokenizer that gives no token_type_ids: they are 0",
         read(bert, lambda: bert_tokenizer(model_input_names=["input_ids", "attention_mask"]))),
    Kind("padding-left", "RoBERTa, padding on the left; positions count real tokens",
         read(roberta, lambda: roberta_tokenizer(padding_side="left"))),
    Kind("truncation-left", "BERT, the beginning of a long text cut off, the end read",
         read(bert, lambda: bert_tokenizer(truncation_side="left", model_max_length=20)),
         set_keys(CONFIG, truncation_side="right")),
    Kind("prefix-space", "RoBERTa, a space put before every text",
         read(roberta, lambda: roberta_tokenizer(add_prefix_space=True)), set_keys(CONFIG, add_prefix_space=False)),
    Kind("split-special-tokens", "BERT, special tokens in a text split as any words are",
         read(bert, lambda: bert_tokenizer(split_special_tokens=True)), set_keys(CONFIG, split_special_tokens=False)),
    Kind("added-word", "BERT, an added token that is a word of its own, compared behind lower-casing",
         read(bert, lambda: with_added(bert_tokenizer(), AddedToken("what is", single_word=True, normalized=True))),
         without_added("what is")),
    Kind("added-not-normalized", "BERT, an added token compared before lower-casing, spaces beside it eaten",
         read(bert, lambda: with_added(bert_tokenizer(),
                                       AddedToken("The Cat", normalized=False, rstrip=True),
                                       AddedToken("a river", normalized=False, lstrip=True))),
         without_added("The Cat", "a river")),
    Kind("added-special", "Qwen3, added special tokens",
         read(qwen, lambda: with_added(qwen_tokenizer(eos=True, padding_side="left"),
                                       AddedToken("the dog", special=True), AddedToken("river", special=True),
                                       special=True)),
         without_added("the dog", "river")),
    Kind("vocabulary-as-text", "BERT, vocab.txt without tokenizer.json",
         read(bert, lambda: bert_tokenizer(cased=True), vocabulary_as_text), set_keys(CONFIG, do_lower_case=True)),
    Kind("vocabulary-alone", "BERT, vocab.txt and no other file of a tokenizer: lower case",
         read(bert, bert_tokenizer, vocabulary_alone)),
    Kind("merges-as-text", "RoBERTa, vocab.json and merges.txt without tokenizer.json",
         read(roberta, roberta_tokenizer, merges_as_text)),
)  # fmt: skip
