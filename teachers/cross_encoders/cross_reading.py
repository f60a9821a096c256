"""How a cross-encoder reads pairs, and what its outputs stand for: followed as its folder says it, or refused."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from decant.errors import InputError
from decant.files import read_object, whole_number
from decant.models.backbone import has_trained_head, load_tokenizer
from decant.models.families import FAMILIES
from decant.models.folder_files import CONFIG, TOKENIZER_CONFIG
from decant.models.reference import adapter_base
from decant.models.shared_config import read_config
from teachers.cross_encoders.class_names import class_order, stated_names
from teachers.cross_encoders.cross_folder import CrossFolder, calls_itself_cross_encoder, read_cross_folder

# Kinds of model whose scores a test holds to sentence-transformers', beside those that give vectors.
SCORED_ONLY = (
    "biogpt", "ctrl", "esm", "falcon", "flaubert", "gpt_neo", "gptj", "ibert", "luke", "modernbert-decoder", "mpt",
    "olmo", "openai-gpt", "squeezebert", "xlm",
)  # fmt: skip
SCORED = (*(kind for kind, family in FAMILIES.items() if family.encoder is None), *SCORED_ONLY)
UNSTATED = 10**20  # transformers' model_max_length where a tokenizer states none is 10^30
POSITION_TABLES = {"position_embeddings", "position_embedding", "embed_positions", "positions_embed", "wpe"}


@dataclass(frozen=True)
class Classes:
    """The classes of a task, in the order in which logits are wanted.

    Args:
        names: the task's; a binary one's second is the positive one.
        stated: the same names in the order of the model's outputs, where that is known better than its folder says it.
    """

    names: tuple[str, ...]
    stated: tuple[str, ...] | None = None


def statements(
    folder: Path, outputs: Sequence[int], classes: Classes | None
) -> tuple[tuple[int, ...] | None, CrossFolder]:
    """For each class the number of its output, None where there is one output; and what else the folder says.

    Raises:
        InputError: it is no cross-encoder, has another number of outputs, or names other classes.
    """
    if adapter_base(folder) is not None:
        raise InputError(f"{folder} is an adapter; merge it into its model (peft's merge_and_unload) and give that")
    if not has_trained_head(folder):
        if calls_itself_cross_encoder(folder):
            read_cross_folder(folder)  # refuses what its scores come of instead
        raise _without_head(folder)
    said = read_cross_folder(folder)
    given = int(read_config(folder).num_labels or 0)
    if given not in outputs:
        needed = " or ".join(map(str, outputs))
        raise InputError(f"{folder} gives {given} scores a pair, but the task needs {needed}")
    if classes is None:
        return None, said
    if given == 1:
        if classes.stated is not None:
            raise InputError(f"{folder} gives one score a pair, that of the second class; leave teacher.classes out")
        return None, said
    content = read_object(folder / CONFIG)
    if content.get("problem_type") == "multi_label_classification":
        raise InputError(
            f"{folder}: its classes do not exclude each other (problem_type: multi_label_classification), but those of "
            "the task do; give a model that was trained for one class a pair"
        )
    stated = classes.stated or stated_names(folder / CONFIG, content, given)
    return class_order(folder, stated, classes.names), said


def check_kind(folder: Path, model: PreTrainedModel) -> None:
    """Refuse kinds of models of which it is not known that Decant gives their scores: some mix padding into a text.

    Raises:
        InputError: it is one.
    """
    kind = model.config.model_type
    if getattr(model.config, "is_encoder_decoder", False):
        raise InputError(f"{folder}: a {kind!r} model is an encoder and a decoder; give one that is either")
    if kind not in SCORED:
        raise InputError(
            f"{folder}: model type {kind!r} is not among the cross-encoders that are followed; {', '.join(SCORED)} are"
        )


def pair_tokenizer(folder: Path, model: PreTrainedModel, said: CrossFolder) -> PreTrainedTokenizerFast:
    """The tokenizer of a cross-encoder, reading texts as the folder says; it renders no chats.

    Raises:
        InputError: there is none, or it pads or joins texts in a way that would make other scores of them here.
    """
    tokenizer = load_tokenizer(folder, lower_case=said.lower_case)
    if tokenizer.chat_template and not said.plain_texts:
        raise InputError(
            f"{folder}: its tokenizer has a chat template, by which sentence-transformers renders a pair and Decant "
            "does not; take chat_template away if the model reads two texts as its tokenizer joins them"
        )
    tokenizer.chat_template = None
    if finds_last_token(model) and _pad_id(model.config) != tokenizer.pad_token_id:
        raise InputError(
            f"{folder}: the model finds a pair's last token by pad_token_id {_pad_id(model.config)} of config.json, "
            f"but its tokenizer pads with {tokenizer.pad_token_id} ({tokenizer.pad_token}); state that in config.json"
        )
    if tokenizer.padding_side == "left" and (not finds_last_token(model) or _counts_padding(model)):
        raise InputError(
            f"{folder}: its tokenizer pads on the left, where the padding moves what this model reads, so that a score "
            "would depend on its batch; set padding_side: right in tokenizer_config.json"
        )
    return tokenizer


def start_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a model that gets a new head, which then reads pairs as Decant gives them.

    It renders no chats, and pads on the right, where padding moves nothing.

    Raises:
        InputError: there is none, or it has no token to pad with.
    """
    own = read_cross_folder(folder) if calls_itself_cross_encoder(folder) else None
    tokenizer = load_tokenizer(folder, lower_case=own.lower_case if own is not None else None)
    tokenizer.chat_template, tokenizer.padding_side = None, "right"
    return tokenizer


def pair_length(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, said: CrossFolder, wanted: int | None
) -> int:
    """The most tokens of a pair, specials included: those wanted, or what the folder states and the positions hold.

    Raises:
        InputError: more are wanted than it can take, or it states none.
    """
    limit = stated_length(folder, model, tokenizer, said)
    if wanted is not None and (wanted < 4 or (limit is not None and wanted > limit)):
        most = "" if limit is None else limit
        raise InputError(f"max_length {wanted} is outside 4..{most}, what {folder} can take for a pair")
    if wanted is None and limit is None:
        raise InputError(f"{folder} does not say how many tokens of a pair it reads; give max_length")
    return wanted or limit or 0


def stated_length(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, said: CrossFolder
) -> int | None:  # fmt: skip
    """The most tokens of a pair by what the folder states and its positions hold; None where neither says so."""
    own = {"model_max_length": tokenizer.model_max_length}
    tokens = said.max_length or whole_number(folder / TOKENIZER_CONFIG, own, "model_max_length")
    stated = [length for length in (tokens, _positions(folder, model)) if length is not None and length < UNSTATED]
    return min(stated, default=None)


def finds_last_token(model: PreTrainedModel) -> bool:
    """Whether a pair's logits are those of its last token that is no padding, as decoders have it.

    No class or config says so; what they have in common is that their forward looks for `pad_token_id`.
    """
    return "pad_token_id" in inspect.getsource(type(model).forward)


def reads_types(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether token types are handed out and tell the model anything."""
    if "token_type_ids" not in tokenizer.model_input_names:
        return False
    kinds = getattr(model.config, "type_vocab_size", None)
    return int(kinds) > 1 if kinds is not None else "token_type_ids" in inspect.signature(model.forward).parameters


def _without_head(folder: Path) -> InputError:
    named = str(read_object(folder / CONFIG).get("architectures") or "")
    if "ForCausalLM" in named or "ForConditionalGeneration" in named:
        return InputError(
            f"{folder} is a language model ({named.strip('[]')}), whose scores would be words that it says next; give "
            "a cross-encoder with a head for classes"
        )
    return InputError(f"{folder} is a bare encoder without a scoring head; let the recipe fine-tune it")


def _positions(folder: Path, model: PreTrainedModel) -> int | None:
    """The most tokens that have a position; RoBERTa and its kin count from the padding token's number plus one."""
    for module in model.modules():
        table, padding = getattr(module, "position_embeddings", None), getattr(module, "padding_idx", None)
        rows = getattr(table, "weight", None)
        if rows is not None and isinstance(padding, int):
            return int(rows.shape[0]) - padding - 1
    own = {"max_position_embeddings": getattr(model.config, "max_position_embeddings", None)}
    return whole_number(folder / CONFIG, own, "max_position_embeddings")


def _counts_padding(model: PreTrainedModel) -> bool:
    """Whether a token's position is its place in the padded row, so that padding before it would move it."""
    return any(name.rpartition(".")[2] in POSITION_TABLES for name, _ in model.named_modules())


def _pad_id(config: PretrainedConfig) -> int | None:
    return getattr(config.get_text_config(), "pad_token_id", None)
