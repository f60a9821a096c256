"""Loading of transformers backbones and their tokenizers from a checked local folder."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from tokenizers import normalizers
from torch import nn
from transformers import AutoModel, AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from decant.errors import InputError
from decant.files import read_object, whole_number
from decant.models.families import family_of, longest_input
from decant.models.folder_files import CONFIG, TOKENIZER, TOKENIZER_CONFIG
from decant.models.layout import body_folder, sentence_config, tokenizer_settings
from decant.models.quantized import (
    LORA,
    QUANTIZE,
    Quantize,
    quantization,
    require_packages,
    settle,
    stored_kind,
)
from decant.models.reference import adapter_base, config_folder
from decant.models.shared_attention import sharing_class
from decant.models.shared_config import read_config, shared_attention
from decant.models.token_table import check_table

TOKENIZER_FILES = (
    TOKENIZER, "vocab.txt", "vocab.json", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model",
    "spm.model",
)  # fmt: skip
UNBOUNDED = 1_000_000  # tokens of a text, where nothing states how many there may be
UNUSED_HEADS = ("pooler.", "cls.", "lm_head.", "classifier.", "discriminator_predictions.", "decoder.", "vocab_")


def load_tokenizer(
    folder: Path, *, pads: bool = True, lower_case: bool | None = None
) -> PreTrainedTokenizerFast:  # fmt: skip
    """The fast tokenizer of a model folder.

    Args:
        pads: it must have a padding token, which those of decoders often lack.
        lower_case: whether texts are lower-cased first; default: what the folder says as that of an embedding model,
            whose settings of its tokenizer are taken, too.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    place = body_folder(folder)
    if not any((place / name).is_file() for name in TOKENIZER_FILES):
        base = adapter_base(place)
        if base is not None:
            return load_tokenizer(base, pads=pads, lower_case=lower_case)
        raise InputError(f"{place} holds no tokenizer; one of {', '.join(TOKENIZER_FILES)} is needed")
    if not any((place / name).is_file() for name in TOKENIZER_FILES[:3]) and find_spec("sentencepiece") is None:
        raise InputError(
            f"{place}: its tokenizer is a sentencepiece file alone, which takes a package to convert: pip install "
            "sentencepiece, or save the tokenizer with tokenizer.json"
        )
    lowers, options = tokenizer_settings(place) if lower_case is None else (lower_case, {})
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # tokenizers raises bare Exception on a damaged file
        raise InputError(f"{folder}: its tokenizer cannot be loaded ({_first_line(error)})") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(f"{folder}: only a slow tokenizer is there; Decant needs tokenizer.json")
    if pads and tokenizer.pad_token_id is None:
        raise InputError(f"{folder}: its tokenizer has no padding token; set pad_token in tokenizer_config.json")
    if lowers:
        _lower_case(tokenizer)
    rows = read_object(config_folder(folder) / CONFIG).get("vocab_size")
    if isinstance(rows, int):
        check_table(folder, tokenizer.get_vocab(), rows)
    return tokenizer


def check_token_types(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Refuse a tokenizer that gives the tokens of a single text another type than 0, which no graph of ours is fed.

    Raises:
        InputError: it does.
    """
    types = tokenizer("a")["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else []
    if any(types):
        raise InputError(f"{folder}: its tokenizer gives a text the token types {types}; only type 0 is followed")


def lower_cases(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether lower-casing is a step of its own before the tokenizer's others, as a folder may ask for it."""
    return any(isinstance(one, normalizers.Lowercase) for one in _steps(tokenizer))


def _lower_case(tokenizer: PreTrainedTokenizerFast) -> None:
    """Let it lower-case its texts first, unless it does already."""
    if not lower_cases(tokenizer):
        steps = [normalizers.Lowercase(), *_steps(tokenizer)]
        tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(steps)


def _steps(tokenizer: PreTrainedTokenizerFast) -> list[Any]:
    """What normalizes its texts, one after another."""
    own: Any = tokenizer.backend_tokenizer.normalizer
    several = isinstance(own, normalizers.Sequence)
    return list(cast(Any, own)) if several else [one for one in (own,) if one is not None]


def load_backbone(
    folder: Path, auto_class: Any, *, dropout: float | None = None, for_training: bool = False,
    quantize: Quantize | None = None, complete: bool = False, **options: Any,
) -> PreTrainedModel:  # fmt: skip
    """A transformers model in float32 from safetensors; every weight of its body must be in the file.

    A folder of quantized weights is loaded as it is.

    Args:
        folder: checked by `decant.models.reference.check_model_folder`.
        auto_class: AutoModel or AutoModelForSequenceClassification.
        dropout: every dropout of the model, 0..1; default: as its config says.
        for_training: take the attention that trains fastest: eager on a CPU, sdpa elsewhere.
        quantize: quantize each weight of a linear layer as it is read, one after the other; on the first CUDA device
            where there is one.
        complete: the weights of its head must be in the file, too.
        options: passed on to its config, such as `num_labels`.

    Raises:
        InputError: unknown architecture, damaged or foreign weights, weights missing for the body, or weights that
            were quantized before and should be trained or quantized.
    """
    kind = _quantized_as(folder, quantize, for_training)
    try:
        with quiet_transformers():
            config = read_config(folder, **options)
            _set_dropout(config, dropout)
            model_class = class_of(folder, auto_class, config)
            extra: dict[str, Any] = {}
            shares = bool(shared_attention(config).groups)
            made = sharing_class(model_class, layer_list) if shares else model_class
            if shares or (for_training and not torch.cuda.is_available()):
                extra["attn_implementation"] = "eager"
            if "add_pooling_layer" in inspect.signature(model_class.__init__).parameters:
                extra["add_pooling_layer"] = False
            if quantize is not None:
                extra["quantization_config"] = quantization(quantize, made, config)
            loader: Any = (
                auto_class if not shares and made is auto_class._model_mapping.get(type(config), None) else made
            )
            model, info = loader.from_pretrained(
                config_folder(folder),
                config=config,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                **extra,
            )
    except InputError:
        raise
    except Exception as error:  # damaged weights, and values of a config that no layer can be made with
        raise InputError(f"{folder}: the model cannot be loaded ({_first_line(error)})") from error
    if shares:
        model.__class__ = model_class
    if kind is not None:
        settle(model, folder)
    missing = [name for name in info["missing_keys"] if complete or not _is_head(name)]
    if missing:
        raise InputError(f"{folder}: {len(missing)} weights of the model are not in its file, such as {missing[0]!r}")
    return _with_adapter(folder, cast(PreTrainedModel, model))


def class_of(folder: Path, auto_class: Any, config: PretrainedConfig) -> Any:
    """The class of transformers that the folder's model is loaded as: of a bare body, the encoder alone."""
    if auto_class is AutoModel:
        try:
            encoder = family_of(config).encoder
        except InputError as error:
            raise InputError(f"{folder}: {error}") from error
        config.use_cache = False
        if encoder is not None:
            return getattr(transformers, encoder)
    model_class = auto_class._model_mapping.get(type(config), None)
    if model_class is None:
        raise InputError(f"{folder}: model type {config.model_type!r} has no encoder that Decant can use")
    return model_class


def _with_adapter(folder: Path, model: PreTrainedModel) -> PreTrainedModel:
    """The model with the folder's adapter in its weights, where the folder is an adapter's."""
    place = body_folder(folder)
    if adapter_base(place) is None:
        return model
    require_packages(f"{folder}: an adapter", *LORA)
    from peft import PeftModel

    try:
        with quiet_transformers():
            adapted = PeftModel.from_pretrained(model, place, trust_remote_code=False)
            merged = cast(PreTrainedModel, adapted.merge_and_unload())
            return merged.requires_grad_(True)  # peft froze the model under the adapter
    except Exception as error:  # peft raises what torch, safetensors and its own checks raise
        raise InputError(f"{place}: the adapter does not fit the model under it ({_first_line(error)})") from error


def _quantized_as(folder: Path, quantize: Quantize | None, for_training: bool) -> Quantize | None:
    """How the weights will be quantized; checked before any is read."""
    stored = stored_kind(folder)
    if stored is not None and (quantize is not None or for_training):
        said = "quantize is given" if quantize is not None else "they cannot be trained"
        raise InputError(f"{folder}: its weights are {stored} already, but {said}; give the model it was made from")
    kind = quantize or stored
    if kind is not None:
        require_packages(f"{folder}: loading {kind} weights", *QUANTIZE)
    return kind


def check_quantizable(folder: Path, kind: Quantize) -> None:
    """Refuse a model whose layers cannot be quantized so, by its config alone; the packages must be there.

    Raises:
        InputError: it has no fitting layer, is quantized already, or its config is of no known kind of model.
    """
    stored = stored_kind(folder)
    if stored is not None:
        raise InputError(f"{folder}: its weights are {stored} already; give the model it was made from")
    config = read_config(folder)
    quantization(kind, class_of(folder, AutoModel, config), config)


def layer_list(backbone: PreTrainedModel) -> tuple[list[str], nn.ModuleList]:
    """Where the transformer layers stand in a backbone, as names from its root, and the layers.

    Raises:
        InputError: there is no one list of them.
    """
    wanted = int(backbone.config.num_hidden_layers)
    found = [
        (name.split("."), module)
        for name, module in backbone.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == wanted
    ]
    if not found:
        raise InputError(f"a {backbone.config.model_type!r} backbone keeps no list of its {wanted} layers to cut from")
    return min(found, key=lambda one: len(one[0]))


def model_size(folder: Path) -> tuple[int, int]:
    """Layers and hidden size, as the folder's config states them; no weight is read.

    Raises:
        InputError: the config is of no known kind of model, or states neither.
    """
    config = read_config(folder)
    try:
        return int(config.num_hidden_layers), int(config.hidden_size)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: the model cannot be loaded ({_first_line(error)})") from error


def has_trained_head(folder: Path) -> bool:
    """Whether the folder's config names a sequence-classification architecture, so its head was trained."""
    config = read_object(config_folder(folder) / CONFIG)
    named = config.get("architectures")
    return isinstance(named, list) and any(str(name).endswith("ForSequenceClassification") for name in named)


def max_tokens(folder: Path, tokenizer: PreTrainedTokenizerFast, *, single: bool = True) -> int:
    """The most tokens an input may have, specials included: what fits the position table and the tokenizer.

    Args:
        single: whether the input is one text, for which a sentence-transformers folder may state less.
    """
    config, place = read_config(folder), body_folder(folder)
    path, stated = sentence_config(place)
    longest = longest_input(config)
    own = whole_number(path, stated, "max_seq_length") if single else None
    if own is not None and longest is not None and own > longest:
        raise InputError(f"{path}: max_seq_length {own} is more than the {longest} tokens that its positions hold")
    if own is None:
        given = {"model_max_length": tokenizer.model_max_length}  # 10^30 where nothing is stated
        own = whole_number(place / TOKENIZER_CONFIG, given, "model_max_length") or UNBOUNDED
        positions = {"max_position_embeddings": getattr(config, "max_position_embeddings", None)}
        own = min(own, whole_number(place / CONFIG, positions, "max_position_embeddings") or UNBOUNDED)
    return min(own, longest or UNBOUNDED, UNBOUNDED)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' own log and weight-loading bar: what matters of it is checked and raised here."""
    logging = transformers.utils.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _set_dropout(config: Any, dropout: float | None) -> None:
    for name, value in list(vars(config).items()):
        if dropout is not None and "dropout" in name and isinstance(value, int | float):
            setattr(config, name, dropout)


def _is_head(name: str) -> bool:
    return any(part in f".{name}" for part in (f".{head}" for head in UNUSED_HEADS)) or name.startswith(
        ("score.", "head.", "pre_classifier.")
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}".rstrip(": ")
