"""How files have been laid out and named over the years, and in which precision and shards weights lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM
from transformers.models.t5 import T5EncoderModel, T5Model

from tests.model_zoo.backbones import DECODER, ENCODER, HIDDEN
from tests.model_zoo.bases import bert, random_model
from tests.model_zoo.byte_pairs import qwen_tokenizer, roberta_tokenizer
from tests.model_zoo.families import T5
from tests.model_zoo.folder import edit, pooled_by, save, set_keys, transformer, without_modules
from tests.model_zoo.heads import dense
from tests.model_zoo.kind import Build, Kind
from tests.model_zoo.unigrams import t5_tokenizer
from tests.model_zoo.word_pieces import bert_tokenizer

WEIGHTS = "model.safetensors"
BOOLEANS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def old_types(folder: Path) -> None:
    """modules.json and sentence_bert_config.json as versions 1 to 5 wrote them."""

    def rename(modules: list[dict[str, Any]]) -> None:
        for module in modules:
            module["type"] = f"sentence_transformers.models.{module['type'].rsplit('.', 1)[1]}"

    edit(folder, "modules.json", rename)
    edit(folder, "sentence_bert_config.json", lambda _: {"max_seq_length": 64, "do_lower_case": False})


def types_of_version_5(folder: Path) -> None:
    """Module types under sentence_transformers.sentence_transformer.modules, all of them."""

    def rename(modules: list[dict[str, Any]]) -> None:
        for module in modules:
            module["type"] = f"sentence_transformers.sentence_transformer.modules.{module['type'].rsplit('.', 1)[1]}"

    edit(folder, "modules.json", rename)


def old_pooling(folder: Path) -> None:
    """1_Pooling/config.json with one boolean a mode, as before version 5.4; `include_prompt` only if false."""

    def spell_out(held: dict[str, Any]) -> dict[str, Any]:
        modes = [held["pooling_mode"]] if isinstance(held["pooling_mode"], str) else held["pooling_mode"]
        spelt: dict[str, Any] = {"word_embedding_dimension": held["embedding_dimension"]}
        spelt |= {boolean: mode in modes for mode, boolean in BOOLEANS.items()}
        return spelt | ({} if held["include_prompt"] else {"include_prompt": False})

    edit(folder, "1_Pooling/config.json", spell_out)


def old_layout(folder: Path) -> None:
    """The transformer in a folder 0_Transformer of its own, as in version 1."""
    inner = folder / "0_Transformer"
    inner.mkdir()
    for file in [file for file in folder.iterdir() if file.is_file()]:
        if file.name not in {"modules.json", "config_sentence_transformers.json"}:
            file.rename(inner / file.name)

    def move(modules: list[dict[str, Any]]) -> None:
        modules[0]["path"] = "0_Transformer"

    edit(folder, "modules.json", move)


def after(change: Callable[[Path], None], *, pooling: Any = "mean") -> Build:
    """BERT, a pooling, Dense and Normalize, saved as today; then `change`."""

    def build(folder: Path) -> None:
        save(folder, bert(), Pooling(HIDDEN, pooling), dense(), Normalize())
        change(folder)

    return build


def in_shards(folder: Path) -> None:
    """The backbone's weights in files of at most 40 kB and an index, by transformers."""
    model = AutoModel.from_pretrained(folder)
    (folder / WEIGHTS).unlink()
    model.save_pretrained(folder, max_shard_size="40KB")


def in_precision(dtype: torch.dtype) -> Build:
    """Every weight of BERT, Dense included, saved in `dtype` by sentence-transformers itself."""

    def build(folder: Path) -> None:
        modules = [bert(), Pooling(HIDDEN), dense(), Normalize()]
        SentenceTransformer(modules=modules, device="cpu").to(dtype).save_pretrained(
            str(folder), create_model_card=False
        )

    return build


def bare(model_type: str, made_by: Any, tokenizer: Any, **settings: Any) -> Build:
    """A transformers folder without modules.json, with the head that it was trained with."""

    def build(folder: Path) -> None:
        made = tokenizer()
        random_model(model_type, made, made_by, **settings).save_pretrained(folder)
        made.save_pretrained(folder)

    return build


def t5_in_half(folder: Path) -> None:
    """As sentence-t5 and GTR lie on the hub: float16 weights, of which config.json says nothing."""
    tokenizer = t5_tokenizer()
    model = random_model("t5", tokenizer, T5EncoderModel, **T5)
    save(folder, transformer(model, tokenizer), Pooling(HIDDEN), Normalize())
    weights = {name: value.half() for name, value in load_file(folder / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    set_keys("config.json", dtype=None)(folder)


def whole_t5(folder: Path) -> None:
    """T5 with its decoder, of which sentence-transformers reads the encoder alone."""
    tokenizer = t5_tokenizer()
    whole = random_model("t5", tokenizer, T5Model, **T5 | {"is_encoder_decoder": True, "num_decoder_layers": 1})
    save(folder, transformer(whole, tokenizer), Pooling(HIDDEN))
    whole.save_pretrained(folder)


def lora(folder: Path) -> None:
    """A LoRA adapter as sentence-transformers saves it; its base, a folder inside, is named by its path."""
    base = folder / "base"
    tokenizer = qwen_tokenizer(eos=True, padding_side="left")
    random_model("qwen3", tokenizer, **DECODER, head_dim=8).save_pretrained(base)
    tokenizer.save_pretrained(base)
    modules = [Transformer(str(base)), Pooling(HIDDEN, "lasttoken"), Normalize()]
    model = SentenceTransformer(modules=modules, device="cpu")
    targets = ["q_proj", "v_proj", "up_proj"]
    model.add_adapter(LoraConfig(task_type="FEATURE_EXTRACTION", r=4, lora_alpha=16, target_modules=targets))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:  # a fresh adapter changes nothing
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(str(folder), create_model_card=False)


def without_adapter(folder: Path) -> None:
    """Sets the adapter's scale to nearly nothing."""
    set_keys("adapter_config.json", lora_alpha=1e-6)(folder)


def no_file(*names: str) -> Build:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def renamed(before: str, now: str) -> Build:
    return lambda folder: (folder / before).rename(folder / now) and None


def old_name(folder: Path) -> None:
    """A length of 12 in sentence_roberta_config.json, the name before there was one name for all families."""
    (folder / "sentence_bert_config.json").unlink()
    (folder / "sentence_roberta_config.json").write_text('{"max_seq_length": 12}')


def without_pooler(folder: Path) -> None:
    """No weights of BERT's own pooler, which nothing here reads."""
    weights = load_file(folder / WEIGHTS)
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})


def no_normalize_folder(folder: Path) -> None:
    """2_Normalize as git leaves it: an empty folder is not there."""
    (folder / "3_Normalize" / "config.json").unlink()
    (folder / "3_Normalize").rmdir()


def both(*changes: Build) -> Build:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


KINDS = (
    Kind("old-types", "module types under sentence_transformers.models", after(old_types), without_modules(2)),
    Kind(
        "types-of-version-5",
        "module types under sentence_transformers.sentence_transformer.modules",
        after(types_of_version_5),
        without_modules(2),
    ),
    Kind(
        "old-pooling",
        "cls pooling said by booleans",
        after(old_pooling, pooling="cls"),
        set_keys("1_Pooling/config.json", pooling_mode_cls_token=False, pooling_mode_mean_tokens=True),
    ),
    Kind(
        "old-pooling-of-none",
        "no boolean set: mean",
        after(both(old_pooling, set_keys("1_Pooling/config.json", pooling_mode_mean_tokens=False))),
        set_keys("1_Pooling/config.json", pooling_mode_max_tokens=True),
    ),
    Kind(
        "old-pooling-of-two",
        "mean and cls said by booleans: cls comes first, whatever the order",
        lambda f: (save(f, bert(), Pooling(HIDDEN, ("cls", "mean"))), old_pooling(f))[-1],
        set_keys("1_Pooling/config.json", pooling_mode_cls_token=False),
    ),
    Kind("old-layout", "the transformer in 0_Transformer", after(both(old_types, old_layout)), without_modules(2)),
    Kind(
        "without-model-config",
        "no config_sentence_transformers.json",
        after(no_file("config_sentence_transformers.json")),
        without_modules(2),
    ),
    Kind(
        "without-bert-config",
        "no sentence_bert_config.json",
        after(no_file("sentence_bert_config.json")),
        without_modules(2),
    ),
    Kind(
        "old-name-of-bert-config",
        "max_seq_length 12 in sentence_roberta_config.json",
        after(old_name),
        no_file("sentence_roberta_config.json"),
    ),
    Kind(
        "without-normalize-folder",
        "a Normalize in modules.json whose folder is not there, as git keeps no empty one",
        after(no_normalize_folder),
        without_modules(3),
    ),
    Kind(
        "without-pooler-weights",
        "BERT without the weights of its own pooler",
        after(without_pooler),
        without_modules(2),
    ),
    Kind("shards", "weights in several files and an index", after(in_shards), without_modules(2)),
    Kind("bfloat16", "every weight in bfloat16", in_precision(torch.bfloat16), without_modules(2)),
    Kind("float16", "every weight in float16", in_precision(torch.float16), without_modules(2)),
    Kind("t5-float16", "T5's encoder in float16, of which it keeps one matrix a layer in float32", t5_in_half),
    Kind("t5-whole", "T5 with its decoder, which is left out", whole_t5, pooled_by("max")),
    Kind("lora", "a LoRA adapter on a Qwen3 in a local folder, last token, Normalize", lora, without_adapter),
    Kind(
        "bare",
        "a transformers folder without modules.json: mean",
        bare("bert", AutoModel, bert_tokenizer, **ENCODER),
    ),
    Kind(
        "bare-masked-lm",
        "a masked language model without modules.json: its backbone, mean",
        bare("roberta", AutoModelForMaskedLM, roberta_tokenizer, **ENCODER, type_vocab_size=1),
    ),
    Kind(
        "bare-causal-lm",
        "a causal language model without modules.json: its backbone, last token",
        bare("qwen3", AutoModelForCausalLM, qwen_tokenizer, **DECODER, head_dim=8),
        set_keys("config.json", architectures=["Qwen3Model"]),
    ),
)
