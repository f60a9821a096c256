"""Small twins of well-known models: the same modules, tokenizers, prompts and files."""

from __future__ import annotations

from pathlib import Path

from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers.models.t5 import T5EncoderModel

from tests.model_zoo.backbones import DECODER, ENCODER, HIDDEN
from tests.model_zoo.bases import bert, random_model
from tests.model_zoo.byte_pairs import gemma_tokenizer, qwen_tokenizer, roberta_tokenizer
from tests.model_zoo.families import GEMMA3, MODERNBERT, T5
from tests.model_zoo.folder import edit, pooled_by, save, set_keys, transformer, without_modules
from tests.model_zoo.heads import dense
from tests.model_zoo.kind import Kind
from tests.model_zoo.layouts import old_layout, old_pooling, old_types
from tests.model_zoo.unigrams import t5_tokenizer, xlm_roberta_tokenizer
from tests.model_zoo.word_pieces import bert_tokenizer, mpnet_tokenizer

MODEL_CONFIG = "config_sentence_transformers.json"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
)
QWEN_QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
GEMMA_PROMPTS = {
    "query": "task: search result | query: ",
    "document": "title: none | text: ",
    "STS": "task: sentence similarity | query: ",
    "Clustering": "task: clustering | query: ",
}


def all_minilm(folder: Path) -> None:
    """all-MiniLM-L6-v2: 256 tokens there and 24 here by sentence_bert_config.json, 16 by tokenizer.json's own cut."""
    save(folder, bert(), Pooling(HIDDEN), Normalize())
    for change in (old_types, old_pooling):
        change(folder)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24, "do_lower_case": false}')
    cut = {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
    pad = {
        "strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "[PAD]",
    }  # fmt: skip
    set_keys("tokenizer.json", truncation=cut, padding=pad)(folder)
    (folder / "2_Normalize" / "config.json").unlink()
    (folder / "2_Normalize").rmdir()  # git keeps no empty folder


def all_mpnet(folder: Path) -> None:
    """all-mpnet-base-v2."""
    tokenizer = mpnet_tokenizer()
    save(folder, transformer(random_model("mpnet", tokenizer, **ENCODER), tokenizer), Pooling(HIDDEN), Normalize())


def multilingual_minilm(folder: Path) -> None:
    """paraphrase-multilingual-MiniLM-L12-v2: a BERT with XLM-RoBERTa's tokenizer (and its padding id, 1)."""
    tokenizer = xlm_roberta_tokenizer()
    save(folder, transformer(random_model("bert", tokenizer, **ENCODER), tokenizer), Pooling(HIDDEN))
    old_types(folder)
    old_pooling(folder)


def labse(folder: Path) -> None:
    """LaBSE: cls, Dense with Tanh, Normalize, from before there was config_sentence_transformers.json."""
    save(folder, bert(bert_tokenizer(cased=True)), Pooling(HIDDEN, "cls"), dense(), Normalize())
    old_types(folder)
    old_pooling(folder)
    (folder / MODEL_CONFIG).unlink()


def e5(folder: Path) -> None:
    """multilingual-e5: prompts that its card asks for; its own folder names none, later ones name these."""
    tokenizer = xlm_roberta_tokenizer()
    model = random_model("xlm-roberta", tokenizer, **ENCODER, type_vocab_size=1)
    prompts = {"query": "query: ", "document": "passage: "}
    save(folder, transformer(model, tokenizer), Pooling(HIDDEN), Normalize(), prompts=prompts)


def bge(folder: Path) -> None:
    """bge-en: cls, Normalize, a prompt for queries alone."""
    query = "Represent this sentence for searching relevant passages: "
    save(folder, bert(), Pooling(HIDDEN, "cls"), Normalize(), prompts={"query": query})


def gte_modernbert(folder: Path) -> None:
    """gte-modernbert: cls, no Normalize, byte-level BPE between [CLS] and [SEP]."""
    tokenizer = roberta_tokenizer(("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"), **BRACKETS)
    special = {"cls_token_id": 0, "sep_token_id": 2, "bos_token_id": 0, "eos_token_id": 2}
    model = random_model("modernbert", tokenizer, **ENCODER | MODERNBERT | special)
    save(folder, transformer(model, tokenizer), Pooling(HIDDEN, "cls"))


def embedding_gemma(folder: Path) -> None:
    """EmbeddingGemma: Gemma 3 that sees both ways, mean, Dense up and down without bias, Normalize, prompts."""
    tokenizer = gemma_tokenizer(add_eos_token=True, padding_side="right")
    model = random_model("gemma3_text", tokenizer, **DECODER | GEMMA3 | {"use_bidirectional_attention": True})
    up = dense(outputs=96, bias=False, activation_function=None)
    down = dense(96, HIDDEN, seed=2, bias=False, activation_function=None)
    save(folder, transformer(model, tokenizer), Pooling(HIDDEN), up, down, Normalize(), prompts=GEMMA_PROMPTS)


def qwen3_embedding(folder: Path) -> None:
    """Qwen3-Embedding: last token, padding on the left, <|endoftext|> added, an instruction for queries.

    Its tokenizer has a chat template that texts are not put through, since sentence_bert_config.json lists text alone.
    """
    tokenizer = qwen_tokenizer(eos=True, padding_side="left")
    model = random_model("qwen3", tokenizer, **DECODER, head_dim=8)
    first = transformer(model, tokenizer)
    first.tokenizer.chat_template = CHAT
    prompts = {"query": QWEN_QUERY, "document": ""}
    save(folder, first, Pooling(HIDDEN, "lasttoken"), Normalize(), prompts=prompts)


def t5_text_to_text(folder: Path, *between: Dense) -> None:
    tokenizer = t5_tokenizer()
    model = random_model("t5", tokenizer, T5EncoderModel, **T5)
    save(folder, transformer(model, tokenizer), Pooling(HIDDEN), *between, Normalize())


def sentence_t5(folder: Path) -> None:
    """sentence-t5: the encoder, mean, Dense without bias or activation, Normalize, in half precision there."""
    t5_text_to_text(folder, dense(outputs=24, bias=False, activation_function=None))


def gtr(folder: Path) -> None:
    """gtr-t5: as sentence-t5, in the oldest folder layout."""
    sentence_t5(folder)
    old_types(folder)
    old_pooling(folder)
    old_layout(folder)


def instructor(folder: Path) -> None:
    """instructor: T5, the instruction read but not pooled."""
    tokenizer = t5_tokenizer()
    model = random_model("t5", tokenizer, T5EncoderModel, **T5)
    modules = (Pooling(HIDDEN, include_prompt=False), dense(outputs=24, bias=False, activation_function=None))
    prompts = {"default": "Represent the sentence for searching: "}
    first = transformer(model, tokenizer)
    save(folder, first, *modules, Normalize(), prompts=prompts, default_prompt_name="default")


def as_text(folder: Path) -> None:
    """Drops what keeps texts out of the chat template: with a message modality they go through it."""

    def messages(held: dict[str, object]) -> None:
        forward = {"method": "forward", "method_output_name": "last_hidden_state"}
        held["modality_config"] = {"text": forward, "message": forward | {"format": "flat"}}

    edit(folder, "sentence_bert_config.json", messages)


BRACKETS = {"bos_token": "[CLS]", "eos_token": "[SEP]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
BRACKETS |= {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
EACH = (None, "query", "document")

KINDS = (
    Kind(
        "all-minilm",
        "as all-MiniLM-L6-v2: BERT, mean, Normalize, a length by each of three files",
        all_minilm,
        set_keys("sentence_bert_config.json", max_seq_length=16),
    ),
    Kind("all-mpnet", "as all-mpnet-base-v2: MPNet, mean, Normalize", all_mpnet, without_modules(2)),
    Kind(
        "paraphrase-multilingual",
        "as paraphrase-multilingual-MiniLM-L12-v2: BERT with a Unigram tokenizer, mean",
        multilingual_minilm,
        pooled_by("cls"),
    ),
    Kind("labse", "as LaBSE: BERT, cls, Dense with Tanh, Normalize", labse, without_modules(2)),
    Kind("e5", "as multilingual-e5: XLM-RoBERTa, mean, Normalize, prompts", e5,
         set_keys(MODEL_CONFIG, prompts={}), tasks=EACH),
    Kind("bge", "as bge-en: BERT, cls, Normalize, a prompt for queries", bge,
         set_keys(MODEL_CONFIG, prompts={}), tasks=EACH),
    Kind("gte-modernbert", "as gte-modernbert: ModernBERT, byte-level BPE, cls", gte_modernbert, pooled_by("mean")),
    Kind("embedding-gemma", "as EmbeddingGemma: Gemma 3 both ways, mean, Dense twice, Normalize, prompts",
         embedding_gemma, without_modules(2, 3), tasks=EACH),
    Kind("qwen3-embedding", "as Qwen3-Embedding: last token, padding on the left, <|endoftext|> added, an instruction",
         qwen3_embedding, as_text, tasks=EACH),
    Kind("sentence-t5", "as sentence-t5: T5's encoder, mean, Dense without bias, Normalize", sentence_t5,
         without_modules(2)),
    Kind("gtr", "as gtr-t5: as sentence-t5, in a folder of version 1", gtr, without_modules(2)),
    Kind("instructor", "as instructor: T5's encoder, mean without the instruction, Dense, Normalize", instructor,
         set_keys("1_Pooling/config.json", include_prompt=True)),
)  # fmt: skip
