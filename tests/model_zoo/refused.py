"""Folders that are no embedding model that can be followed exactly, each as people would really hand it over."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder, SparseEncoder
from sentence_transformers.base.modules import Normalize
from sentence_transformers.base.modules.router import Router
from sentence_transformers.multi_vector_encoder import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import (
    CNN,
    LSTM,
    BoW,
    Pooling,
    StaticEmbedding,
    WordEmbeddings,
    WordWeights,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from sentence_transformers.sparse_encoder.modules import SpladePooling
from torch import nn
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification
from transformers.models.clip import CLIPConfig, CLIPModel
from transformers.models.vit import ViTConfig, ViTModel
from transformers.utils import is_sentencepiece_available, sentencepiece_model_pb2_new

from tests.model_zoo.backbones import ENCODER, HIDDEN, backbone
from tests.model_zoo.bases import bert, qwen, random_model
from tests.model_zoo.byte_pairs import gpt2_tokenizer, roberta_tokenizer
from tests.model_zoo.families import GPT2
from tests.model_zoo.folder import edit, save, set_keys, transformer
from tests.model_zoo.heads import dense
from tests.model_zoo.kind import Build, Refused
from tests.model_zoo.layouts import lora, old_types
from tests.model_zoo.named import CHAT
from tests.model_zoo.texts import WORDS
from tests.model_zoo.unigrams import xlm_roberta_tokenizer
from tests.model_zoo.word_pieces import bert_tokenizer

SMALL = {"hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
BART = {
    "d_model": HIDDEN, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 130,
    "init_std": 0.2, "decoder_start_token_id": 2, "forced_eos_token_id": None,
}  # fmt: skip
FOREIGN_MODULE = """
import torch


class WeightedPooling(torch.nn.Module):
    @staticmethod
    def load(path):
        return WeightedPooling()

    def save(self, path):
        pass

    def forward(self, features):
        features["sentence_embedding"] = features["token_embeddings"].mean(dim=1)
        return features
"""


def mean(folder: Path, *modules: nn.Module) -> None:
    save(folder, bert(), Pooling(HIDDEN), *modules)


def mean_then(*changes: Build, modules: Callable[[], tuple[nn.Module, ...]] = tuple) -> Build:
    """BERT, mean and `modules`, saved; then the changes."""

    def build(folder: Path) -> None:
        mean(folder, *modules())
        for change in changes:
            change(folder)

    return build


def typed(index: int, name: str) -> Build:
    """An edit of the type of one module."""

    def rename(modules: list[dict[str, Any]]) -> None:
        modules[index]["type"] = name

    return lambda folder: edit(folder, "modules.json", rename)


def without(*names: str) -> Build:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def pickled(*names: str) -> Build:
    """Weights of these safetensors files in pytorch_model.bin alone."""

    def change(folder: Path) -> None:
        for name in names:
            torch.save(load_file(folder / name), (folder / name).with_name("pytorch_model.bin"))
            (folder / name).unlink()

    return change


def word_embeddings() -> WordEmbeddings:
    words = WhitespaceTokenizer(WORDS, do_lower_case=True)
    return WordEmbeddings(words, torch.randn(len(WORDS), HIDDEN, generator=torch.Generator().manual_seed(0)))


def cnn(folder: Path) -> None:
    save(folder, bert(), CNN(HIDDEN, out_channels=16, kernel_sizes=[1, 3]), Pooling(32))


def lstm(folder: Path) -> None:
    save(folder, word_embeddings(), LSTM(HIDDEN, hidden_dim=16), Pooling(32))


def word_weights(folder: Path) -> None:
    weights = {word: 1.0 + index % 5 for index, word in enumerate(WORDS)}
    save(folder, word_embeddings(), WordWeights(WORDS, weights), Pooling(HIDDEN))


def splade(folder: Path) -> None:
    tokenizer = bert_tokenizer()
    model = random_model("bert", tokenizer, AutoModelForMaskedLM, **ENCODER)
    first = transformer(model, tokenizer, transformer_task="fill-mask")
    SparseEncoder(modules=[first, SpladePooling()], device="cpu").save_pretrained(str(folder), create_model_card=False)


def multi_vector(folder: Path) -> None:
    expansion = {"strategy": "fixed", "length": 32}
    first = bert(query_expansion=expansion)
    to_tokens = dense(outputs=16, bias=False, activation_function=None, module_input_name="token_embeddings")
    modules = [first, to_tokens, MultiVectorMask(), Normalize(module_input_name="token_embeddings")]
    MultiVectorEncoder(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)


def pylate(folder: Path) -> None:
    """A ColBERT as PyLate saves it: a Dense of its own and the length of queries among the model's settings."""
    save(folder, bert(), dense(outputs=16, bias=False, activation_function=None))
    old_types(folder)
    typed(1, "pylate.models.Dense.Dense")(folder)
    colbert = {"query_prefix": "[Q] ", "document_prefix": "[D] ", "query_length": 32, "document_length": 64}
    set_keys("config_sentence_transformers.json", model_type="ColBERT", **colbert)(folder)


def cross_encoder(folder: Path) -> None:
    tokenizer = bert_tokenizer()
    base = folder / "made"
    random_model("bert", tokenizer, AutoModelForSequenceClassification, **ENCODER, num_labels=1).save_pretrained(base)
    tokenizer.save_pretrained(base)
    CrossEncoder(str(base), device="cpu").save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(base)


def bart(folder: Path) -> None:
    tokenizer = roberta_tokenizer()
    save(folder, transformer(random_model("bart", tokenizer, **BART), tokenizer), Pooling(HIDDEN))


def clip(folder: Path) -> None:
    """CLIP as sentence-transformers' clip-ViT models are: one module that does images and texts."""
    specials = ("<|startoftext|>", "<|pad|>", "<|endoftext|>", "<unk>")
    tokenizer = roberta_tokenizer(specials, model_max_length=77)
    text = SMALL | {"vocab_size": len(tokenizer), "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 2}
    vision = SMALL | {"image_size": 32, "patch_size": 16}
    inner = folder / "0_CLIPModel"
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    backbone(config, made_by=CLIPModel).save_pretrained(inner)
    tokenizer.save_pretrained(inner)
    image = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": 32}
    (inner / "preprocessor_config.json").write_text(json.dumps(image))
    module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (folder / "modules.json").write_text(json.dumps([module]))


def vit(folder: Path) -> None:
    """An image model without modules.json."""
    backbone(ViTConfig(**SMALL, image_size=32, patch_size=16), made_by=ViTModel).save_pretrained(folder)
    image = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(image))


def gguf(folder: Path) -> None:
    """llama.cpp's format alone: a header without a tensor, beside the config and the tokenizer."""
    mean(folder)
    (folder / "model.safetensors").unlink()
    (folder / "model-Q4_K_M.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))


def own_code(folder: Path) -> None:
    """A backbone whose code lies in the folder, as many models came before transformers knew their family."""
    mean(folder)
    code = {"AutoConfig": "configuration_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyModel"}
    set_keys("config.json", auto_map=code, model_type="tiny_new_bert", architectures=["TinyModel"])(folder)
    (folder / "configuration_tiny.py").write_text(
        "from transformers import BertConfig\n\n\nclass TinyConfig(BertConfig):\n    model_type = 'tiny_new_bert'\n"
    )
    (folder / "modeling_tiny.py").write_text("from transformers import BertModel as TinyModel\n")


def own_code_of_known_family(folder: Path) -> None:
    """BERT by name, with code in the folder that would be run in its place."""
    mean(folder)
    set_keys("config.json", auto_map={"AutoModel": "modeling_tiny.TinyModel"})(folder)
    (folder / "modeling_tiny.py").write_text("from transformers import BertModel as TinyModel\n")


def own_module(folder: Path) -> None:
    """A module whose code lies in the folder, as jina-embeddings-v3's first module."""
    mean(folder)
    typed(1, "custom_pooling.WeightedPooling")(folder)
    (folder / "custom_pooling.py").write_text(FOREIGN_MODULE)


def more_tokens_than_rows(folder: Path) -> None:
    """Tokens added after training whose rows were never added to the table."""
    tokenizer = bert_tokenizer()
    model = random_model("bert", tokenizer, **ENCODER)
    tokenizer.add_tokens(["dogcat", "catdog"])
    save(folder, transformer(model, tokenizer), Pooling(HIDDEN))


def missing_layer(folder: Path) -> None:
    """Weights of one layer of two: sentence-transformers takes random ones for the other."""
    mean(folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("encoder.layer.1.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def adapter_without_base(folder: Path) -> None:
    lora(folder)
    shutil.rmtree(folder / "base")


def without_padding_token(folder: Path) -> None:
    tokenizer = gpt2_tokenizer(pad_token=None)
    save(folder, transformer(random_model("gpt2", tokenizer, **GPT2), tokenizer), Pooling(HIDDEN))


def chat(folder: Path) -> None:
    """A model made today of a chat model: its texts go through the chat template."""
    plain = qwen()
    plain.tokenizer.chat_template = CHAT
    first = transformer(plain.model, plain.tokenizer)
    save(folder, first, Pooling(HIDDEN, "lasttoken"))


def routes_without_default(folder: Path) -> None:
    tokenizer = bert_tokenizer()
    table = torch.randn(len(tokenizer), HIDDEN, generator=torch.Generator().manual_seed(0))
    queries = [StaticEmbedding(tokenizer.backend_tokenizer, embedding_weights=table)]
    router = Router.for_query_document(queries, [bert(), Pooling(HIDDEN)], default_route=None, allow_empty_key=False)
    save(folder, router)


def sentencepiece_alone(folder: Path) -> None:
    """XLM-RoBERTa with SentencePiece's own file in place of tokenizer.json, as folders before 2020."""
    tokenizer = xlm_roberta_tokenizer()
    model = random_model("xlm-roberta", tokenizer, **ENCODER, type_vocab_size=1)
    save(folder, transformer(model, tokenizer), Pooling(HIDDEN))
    held = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    proto = sentencepiece_model_pb2_new.ModelProto()
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3}  # unknown, control; 1 is any other piece
    for piece, score in [*((token, 0.0) for token in kinds), *held[4:-1]]:
        proto.pieces.add(piece=piece, score=score, type=kinds.get(piece, 1))
    proto.trainer_spec.model_type, proto.trainer_spec.unk_id = 1, 0
    proto.trainer_spec.bos_id, proto.trainer_spec.eos_id, proto.trainer_spec.pad_id = 1, 2, -1
    (folder / "sentencepiece.bpe.model").write_bytes(proto.SerializeToString())
    (folder / "tokenizer.json").unlink()


ANY_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")

REFUSED = (
    Refused(
        "unknown-module",
        "a module that sentence-transformers has under no name",
        mean_then(typed(1, "sentence_transformers.sentence_transformer.modules.gate.GatedPooling")),
        "GatedPooling",
        loads=False,
    ),
    Refused("cnn", "a convolution over token vectors", cnn, "CNN"),
    Refused("lstm", "an LSTM over word vectors", lstm, "LSTM|WordEmbeddings"),
    Refused("bag-of-words", "a bag of words", lambda f: save(f, BoW(WORDS)), "BoW"),
    Refused(
        "word-embeddings",
        "vectors of whole words, averaged",
        lambda f: save(f, word_embeddings(), Pooling(HIDDEN)),
        "WordEmbeddings",
    ),
    Refused("word-weights", "vectors of whole words, weighed", word_weights, "WordWeights|WordEmbeddings"),
    Refused(
        "unknown-pooling",
        "a pooling that there is not",
        mean_then(set_keys("1_Pooling/config.json", pooling_mode="median")),
        "median",
        loads=False,
    ),
    Refused(
        "contradictory-pooling",
        "cls by its name, mean by its booleans",
        mean_then(
            set_keys(
                "1_Pooling/config.json",
                pooling_mode="cls",
                pooling_mode_mean_tokens=True,
                pooling_mode_cls_token=False,
            )
        ),
        "cls.*mean|mean.*cls",
    ),
    Refused(
        "unknown-default-prompt",
        "a default prompt that is not among the prompts",
        mean_then(
            set_keys("config_sentence_transformers.json", prompts={"query": "q: "}, default_prompt_name="search")
        ),
        "search",
        loads=False,
    ),
    Refused("adapter-without-base", "an adapter whose base is gone", adapter_without_base, "(?i)base", loads=False),
    Refused("gguf", "weights in GGUF alone", gguf, "(?i)gguf|safetensors", loads=False),
    Refused("bart", "BART: an encoder and a decoder", bart, "(?i)decoder|bart"),
    Refused("splade", "a sparse encoder", splade, "(?i)sparse|splade"),
    Refused("multi-vector", "a vector a token, as ColBERT", multi_vector, "(?i)multi-?vector"),
    Refused("pylate", "a ColBERT of PyLate", pylate, "(?i)pylate|colbert"),
    Refused("cross-encoder", "a cross-encoder, which scores pairs", cross_encoder, "(?i)cross-?encoder"),
    Refused("clip", "images and texts by CLIP", clip, "(?i)clip|image"),
    Refused("vit", "images by ViT", vit, "(?i)vit|image|tokenizer", loads=False),
    Refused("own-code", "a backbone of its own code", own_code, "(?i)code|auto_map|tiny_new_bert", loads=False),
    Refused("own-code-of-known-family", "BERT with code of its own", own_code_of_known_family, "(?i)code|auto_map"),
    Refused("own-module", "a module of its own code", own_module, "custom_pooling.WeightedPooling", loads=False),
    Refused(
        "foreign-module",
        "a module of another package",
        mean_then(typed(1, "embedding_tools.pooling.WeightedPooling")),
        "embedding_tools.pooling.WeightedPooling",
        loads=False,
    ),
    Refused(
        "foreign-activation",
        "a Dense with an activation of another package; sentence-transformers takes Tanh instead",
        mean_then(
            set_keys("2_Dense/config.json", activation_function="embedding_tools.Swish"), modules=lambda: (dense(),)
        ),
        "embedding_tools.Swish",
    ),
    Refused(
        "without-tokenizer",
        "no tokenizer; sentence-transformers takes one of five tokens instead",
        mean_then(without(*ANY_TOKENIZER)),
        "(?i)tokenizer",
    ),
    Refused(
        "more-tokens-than-rows",
        "a tokenizer with more tokens than the table has rows",
        more_tokens_than_rows,
        "(?i)token.*(table|rows|vocab|embedding)|(table|rows|vocab|embedding).*token",
    ),
    Refused("without-padding-token", "a tokenizer that cannot pad", without_padding_token, "(?i)pad", loads=False),
    Refused("pickled", "weights in a pickle alone", mean_then(pickled("model.safetensors")), "(?i)safetensors"),
    Refused(
        "pickled-dense",
        "a Dense whose weights lie in a pickle alone",
        mean_then(pickled("2_Dense/model.safetensors"), modules=lambda: (dense(),)),
        "(?i)safetensors",
    ),
    Refused(
        "missing-layer",
        "weights without those of the last layer; sentence-transformers takes random ones",
        missing_layer,
        r"(?i)encoder\.layer\.1|weights|missing|lacks",
    ),
    Refused(
        "dense-of-other-width",
        "a Dense that takes more numbers than the pooling gives",
        mean_then(modules=lambda: (dense(48, 16),)),
        "48|32",
        loads=False,
    ),
    Refused(
        "more-tokens-than-positions",
        "a max_seq_length above the number of positions; long texts are an error in sentence-transformers",
        mean_then(set_keys("sentence_bert_config.json", max_seq_length=512)),
        "512|130",
        loads=False,
    ),
    Refused(
        "positions-and-left-padding",
        "BERT padded on the left: its positions count the padding, so that vectors depend on the other texts",
        lambda f: save(f, bert(bert_tokenizer(padding_side="left")), Pooling(HIDDEN)),
        "(?i)left",
    ),
    Refused(
        "unmet-requirements",
        "a model that asks for a later sentence-transformers",
        mean_then(set_keys("config_sentence_transformers.json", requirements={"sentence-transformers": ">=99"})),
        "(?i)requires|requirements",
        loads=False,
    ),
    Refused("chat", "texts that go through a chat template", chat, "(?i)chat|message"),
    Refused(
        "router-without-default",
        "routes for queries and documents, none for a text that is neither",
        routes_without_default,
        "(?i)rout|query",
        loads=False,
    ),
    Refused(
        "no-modules",
        "a modules.json that lists none",
        mean_then(lambda f: edit(f, "modules.json", lambda _: [])),
        "(?i)modules",
        loads=False,
    ),
    *(
        ()
        if is_sentencepiece_available()  # then it is read
        else (
            Refused(
                "sentencepiece-alone",
                "a tokenizer in SentencePiece's own file alone, and no sentencepiece to read it",
                sentencepiece_alone,
                r"(?i)sentencepiece|tokenizer\.json",
                loads=False,
            ),
        )
    ),
)
