"""What a model folder says of how its vectors come about, read without loading a weight.

modules.json lists the modules of a sentence-transformers model one after another; a folder without it is a transformer
alone, whose states are averaged (those of a causal language model's last token are taken), as sentence-transformers
does with such a folder. Each word of these files is followed, or the folder is refused by the name of what is unknown.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from decant.errors import InputError
from decant.files import read_object, whole_number
from decant.models.folder_files import CONFIG, MODULES, SETTINGS
from decant.models.parts import ACTIVATIONS, Part
from decant.models.pooling_kind import MODES, PoolingKind
from decant.models.prompts import Prompts, read_prompts

ROUTERS = ("router_config.json", CONFIG)  # the file of a router's routes, and its older name
FOLLOWED = "6.2.0"  # the version of sentence-transformers whose reading of a folder is followed
SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
KNOWN = "Transformer, StaticEmbedding, Router, Pooling, Dense, LayerNorm, Dropout and Normalize"
LEGACY_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}  # in the order in which several stand side by side
HARMLESS = {
    "trust_remote_code", "torch_dtype", "dtype", "attn_implementation", "add_pooling_layer", "device_map",
    "low_cpu_mem_usage", "use_safetensors", "use_cache", "local_files_only", "token", "revision", "cache_dir",
}  # fmt: skip
"""Arguments of transformers' loaders that change no answer, or that Decant decides by itself."""
OTHER_MODELS = {
    "SparseEncoder": "a sparse encoder, which gives a weight for every token of its vocabulary",
    "MultiVectorEncoder": "a multi-vector model, which gives a vector for every token",
    "CrossEncoder": "a cross-encoder, which scores pairs and gives no vectors",
}
NOT_DENSE = {
    "SpladePooling": OTHER_MODELS["SparseEncoder"],
    "SparseStaticEmbedding": OTHER_MODELS["SparseEncoder"],
    "SparseAutoEncoder": OTHER_MODELS["SparseEncoder"],
    "MLMTransformer": OTHER_MODELS["SparseEncoder"],
    "MultiVectorMask": OTHER_MODELS["MultiVectorEncoder"],
    "TokenPooling": OTHER_MODELS["MultiVectorEncoder"],
    "LogitScore": OTHER_MODELS["CrossEncoder"],
    "CLIPModel": "a model of images and texts",
}


@dataclass(frozen=True)
class Body:
    """What reads the text.

    Args:
        kind: a transformer, or a table of token vectors alone.
        folder: where its config, weights and tokenizer lie.
        max_seq_length: tokens of a text, specials included, as the folder states it beside the tokenizer.
        lower_case: texts are lower-cased before they are tokenized.
        tokenizer_options: arguments that the folder gives its tokenizer.
    """

    kind: Literal["transformer", "static"]
    folder: Path
    max_seq_length: int | None = None
    lower_case: bool = False
    tokenizer_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Chain:
    """From a text to its vector.

    Args:
        body: what reads it.
        pooling: of the token states; "" for a table of token vectors, which takes their mean.
        include_prompt: whether the prompt's tokens are pooled too.
        before: on each token's state.
        after: on the pooled vector.
    """

    body: Body
    pooling: PoolingKind
    include_prompt: bool = True
    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A model folder.

    Args:
        chains: by the name of a route, such as query; one named "" where there are no routes.
        default_route: which chain a text takes that no route is named for; None: one must be named.
        similarity: how its vectors are compared.
        dim: how many of the vector's first numbers are kept; None: all.
        stated: whether the folder says all this, or is a bare transformer.
    """

    folder: Path
    chains: Mapping[str, Chain]
    default_route: str | None
    prompts: Prompts
    similarity: Similarity
    dim: int | None = None
    stated: bool = True

    @property
    def chain(self) -> Chain:
        """The only one.

        Raises:
            InputError: the folder has several, for queries and documents.
        """
        if len(self.chains) > 1:
            raise InputError(
                f"{self.folder} has {len(self.chains)} roads for its texts ({', '.join(self.chains)}); "
                "it can teach, but no student starts from it; give the model of one road"
            )
        return next(iter(self.chains.values()))


def read_layout(folder: Path) -> Layout:
    """What the folder says.

    Raises:
        InputError: it names a module, pooling or setting that is not known, or contradicts itself.
    """
    stated = _model_config(folder)
    path = folder / MODULES
    if not path.is_file():
        chain = Chain(_transformer(folder, folder), _bare_pooling(folder))
        return Layout(folder, {"": chain}, "", read_prompts(folder), "cosine", stated=False)
    modules = [_Module.of(folder, entry) for entry in _entries(path)]
    if not modules:
        raise InputError(f"{path} lists no module; copy the model again")
    if modules[0].kind in ("Router", "Asym"):
        routes, default = _routes(modules[0])
        chains = {name: _chain(folder, [*own, *modules[1:]]) for name, own in routes.items()}
    else:
        chains, default = {"": _chain(folder, modules)}, ""
    similarity = _similarity(folder / SETTINGS, stated)
    dim = whole_number(folder / SETTINGS, stated, "truncate_dim")
    return Layout(folder, chains, default, read_prompts(folder), similarity, dim)


def bodies(folder: Path) -> list[Body]:
    """What reads texts in a model folder, by modules.json alone; of a bare transformer the folder itself.

    Raises:
        InputError: modules.json or a router's config cannot be read.
    """
    if not (folder / MODULES).is_file():
        return [Body("transformer", folder)]
    modules = [_Module.of(folder, entry) for entry in _entries(folder / MODULES)][:1]
    if modules and modules[0].kind in ("Router", "Asym"):
        modules = [members[0] for members in _routes(modules[0])[0].values()]
    unknown = next((one.kind for one in modules if one.kind not in ("Transformer", "StaticEmbedding")), None)
    if unknown is not None:
        raise InputError(f"{folder / MODULES}: {_unknown(unknown)}")
    return [Body("static" if one.kind == "StaticEmbedding" else "transformer", one.folder) for one in modules]


def body_folder(folder: Path) -> Path:
    """Where the transformer of a model folder lies: in it, or, of an old layout, in 0_Transformer.

    A folder whose modules.json cannot be read is its own; who loads the model says what is wrong.
    """
    if (folder / CONFIG).is_file() or not (folder / MODULES).is_file():
        return folder
    try:
        first = next(iter(_entries(folder / MODULES)), {})
    except InputError:
        return folder
    kind, place = str(first.get("type", "")).rpartition(".")[2], str(first.get("path", ""))
    return folder / place if kind == "Transformer" else folder


def sentence_config(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The config of the Transformer module in a folder, under one of the names that it has had; empty without one."""
    for name in SENTENCE_CONFIGS:
        if (folder / name).is_file():
            return folder / name, read_object(folder / name)
    return folder / SENTENCE_CONFIGS[0], {}


def tokenizer_settings(folder: Path) -> tuple[bool, dict[str, Any]]:
    """Whether the Transformer module in a folder lower-cases its texts, and what else it gives its tokenizer."""
    body = _transformer(folder, folder)
    return body.lower_case, dict(body.tokenizer_options)


def config_options(folder: Path) -> dict[str, Any]:
    """What the Transformer module in a folder sets in its config, beside config.json."""
    path, stated = sentence_config(folder)
    options = _options(path, stated, "config_kwargs", "config_args")
    return {key: value for key, value in options.items() if key not in HARMLESS}


@dataclass(frozen=True)
class _Module:
    kind: str
    folder: Path
    model: Path

    @classmethod
    def of(cls, model: Path, entry: Mapping[str, Any]) -> _Module:
        kind = str(entry.get("type", "")).rpartition(".")[2]
        return cls(kind, model / str(entry.get("path", "")), model)

    def config(self) -> tuple[Path, dict[str, Any]]:
        path = self.folder / CONFIG
        return path, read_object(path) if path.is_file() else {}


def _model_config(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    stated = read_object(path) if path.is_file() else {}
    kind = stated.get("model_type", "SentenceTransformer")
    if kind != "SentenceTransformer":
        said = OTHER_MODELS.get(str(kind), "another kind of model")
        raise InputError(f"{path}: a {kind}: {said}; Decant takes a SentenceTransformer here")
    _check_requirements(path, stated.get("requirements"))
    return stated


def _check_requirements(path: Path, stated: object) -> None:
    """Refuse a model whose author asks for other versions of packages than those that are installed.

    sentence-transformers need not be: what counts is the version whose ways are followed here.
    """
    for name, asked in stated.items() if isinstance(stated, dict) else ():
        specifier = asked.get("specifier", "") if isinstance(asked, dict) else asked
        package = {"pytorch": "torch"}.get(str(name), str(name)).replace("_", "-")
        known = {"python": platform.python_version(), "sentence-transformers": FOLLOWED}
        try:
            found = known.get(package) or version(package)
            met = SpecifierSet(str(specifier)).contains(found, prereleases=True)
        except (PackageNotFoundError, InvalidSpecifier):
            found, met = "no version that can be told", False
        if not met:
            raise InputError(f"{path} requires {package} {specifier}; here is {found}")


def _similarity(path: Path, stated: Mapping[str, Any]) -> Similarity:
    named = stated.get("similarity_fn_name") or "cosine"
    for known in SIMILARITIES:
        if known == named:
            return known
    raise InputError(f"{path}: similarity_fn_name {named!r} is none of {', '.join(SIMILARITIES)}")


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {type(error).__name__}") from error
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise InputError(f"{path} is no list of modules; copy the model again")
    return content  # in this order, whatever idx says: it is the order in which they are run


def _routes(router: _Module) -> tuple[dict[str, list[_Module]], str | None]:
    """The modules of each route, and the default route."""
    path = next((p for p in (router.folder / n for n in ROUTERS) if p.is_file()), None)
    if path is None:
        raise InputError(f"{router.folder} has no router_config.json; copy the model again")
    content = read_object(path)
    types, structure, stated = (content.get(key) for key in ("types", "structure", "parameters"))
    if not isinstance(types, dict) or not isinstance(structure, dict) or not structure:
        raise InputError(f"{path} names no types and structure of its routes; copy the model again")
    stated = stated if isinstance(stated, dict) else {}
    if stated.get("route_mappings"):
        raise InputError(f"{path}: route_mappings are not followed; Decant takes routes by their names alone")
    routes = {}
    for name, members in structure.items():
        if not members or any(member not in types for member in members):
            raise InputError(f"{path}: route {name!r} names modules that types does not; copy the model again")
        routes[str(name)] = [
            _Module(str(types[one]).rpartition(".")[2], router.folder / str(one), router.model) for one in members
        ]
    default = stated.get("default_route")
    if default is None and stated.get("allow_empty_key", True):
        default = next(iter(routes))
    if default is not None and default not in routes:
        raise InputError(f"{path}: default_route {default!r} is none of {', '.join(routes)}")
    return routes, default


def _chain(folder: Path, modules: list[_Module]) -> Chain:
    first, rest = modules[0], modules[1:]
    if first.kind == "StaticEmbedding":
        return Chain(Body("static", first.folder), "", after=_parts(rest, on_tokens=False))
    if first.kind != "Transformer":
        raise InputError(f"{folder / MODULES}: {_unknown(first.kind)}")
    chain = Chain(_transformer(folder, first.folder), "")
    for place, module in enumerate(rest):
        if module.kind == "Pooling":
            if not module.config()[1]:
                raise InputError(f"{module.folder / 'config.json'} states no pooling; copy the model again")
            pooling, include = _pooling(*module.config())
            chain = replace(chain, pooling=pooling, include_prompt=include, before=_parts(rest[:place], on_tokens=True))
            return replace(chain, after=_parts(rest[place + 1 :], on_tokens=False))
        if module.kind not in ("Dense", "Normalize", "Dropout"):
            raise InputError(f"{folder / MODULES}: {_unknown(module.kind)}")
    raise InputError(
        f"{folder / MODULES}: no Pooling module makes one vector of the token states; copy the model again"
    )


def _parts(modules: list[_Module], *, on_tokens: bool) -> tuple[Part, ...]:
    """Those that stand before or after the pooling; dropout acts in training alone."""
    return tuple(_part(module, on_tokens) for module in modules if module.kind != "Dropout")


def _part(module: _Module, on_tokens: bool) -> Part:
    path, config = module.config()
    wanted = "token_embeddings" if on_tokens else "sentence_embedding"
    for key in ("module_input_name", "module_output_name"):
        name = config.get(key) or config.get("module_input_name") or "sentence_embedding"
        if module.kind in ("Dense", "Normalize") and name != wanted:
            raise InputError(
                f"{path}: {key} {name!r} {'before' if on_tokens else 'after'} the pooling is not followed; {wanted} is"
            )
    if module.kind == "Normalize":
        return Part("Normalize")
    if module.kind == "LayerNorm" and not on_tokens:
        width = _width(path, config, "dimension")
        return Part("LayerNorm", module.folder, width, width)
    if module.kind != "Dense":
        raise InputError(f"{module.model / MODULES}: {_unknown(module.kind)}")
    stated = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = stated.rpartition(".")[2]
    if not stated.startswith("torch.nn.") or activation not in ACTIVATIONS:
        raise InputError(
            f"{path}: activation_function {stated!r} is not followed; {', '.join(ACTIVATIONS)} of torch are"
        )
    return Part(
        "Dense", module.folder, _width(path, config, "in_features"), _width(path, config, "out_features"),
        bool(config.get("bias", True)), activation, bool(config.get("use_residual", False)),
    )  # fmt: skip


def _width(path: Path, config: Mapping[str, Any], key: str) -> int:
    value = whole_number(path, config, key)
    if value is None:
        raise InputError(f"{path} states no {key}; copy the model again")
    return value


def _transformer(model: Path, folder: Path) -> Body:
    path, stated = sentence_config(folder)
    _check_transformer(path, stated)
    options = _options(path, stated, "processor_kwargs", "tokenizer_args")
    return Body(
        "transformer",
        folder,
        whole_number(path, stated, "max_seq_length"),
        bool(stated.get("do_lower_case", False)),
        {key: value for key, value in options.items() if key not in HARMLESS},
    )


def _check_transformer(path: Path, stated: Mapping[str, Any]) -> None:
    """Refuse settings of the Transformer module that would change its answers and are not followed."""
    task = stated.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise InputError(f"{path}: transformer_task {task!r} gives no token states; feature-extraction does")
    modalities = stated.get("modality_config")
    plain = {"method": "forward", "method_output_name": "last_hidden_state"}
    if modalities is not None and modalities.get("text") != plain:
        raise InputError(f"{path}: modality_config reads texts by {modalities.get('text')!r}; only {plain} is followed")
    if modalities is not None and "message" in modalities:
        raise InputError(f"{path}: modality_config reads texts as chat messages; only plain texts are followed")
    for key in ("query_length", "document_length", "query_expansion"):
        if stated.get(key) is not None:
            raise InputError(f"{path}: {key} {stated[key]!r} is not followed; take it out, or give another model")
    processing = {key: value for key, value in (stated.get("processing_kwargs") or {}).items() if value}
    if processing:
        raise InputError(f"{path}: processing_kwargs {processing!r} are not followed; take them out")
    unknown = sorted(set(_options(path, stated, "model_kwargs", "model_args")) - HARMLESS)
    if unknown:
        raise InputError(f"{path}: model_kwargs {unknown[0]!r} is not followed; take it out, or give another model")


def _options(path: Path, stated: Mapping[str, Any], new: str, old: str) -> dict[str, Any]:
    options = stated.get(new) or stated.get(old) or {}
    if not isinstance(options, dict):
        raise InputError(f"{path}: {new} {options!r} is no object")
    return options


def _pooling(path: Path, stated: Mapping[str, Any]) -> tuple[PoolingKind, bool]:
    """The modes that the config names, and whether the prompt's tokens are pooled.

    Raises:
        InputError: a mode is not known, or the old and the new way of naming them say different things.
    """
    named = stated.get("pooling_mode")
    modes = [named] if isinstance(named, str) else list(named or ())
    unknown = [mode for mode in modes if mode not in MODES]
    unknown += [key for key in stated if key.startswith("pooling_mode_") and key not in LEGACY_MODES]
    if unknown:
        raise InputError(f"{path}: pooling {unknown[0]!r} is not known; {', '.join(MODES)} are, and several of them")
    legacy = [mode for key, mode in LEGACY_MODES.items() if stated.get(key)]
    if modes and any(key in stated for key in LEGACY_MODES) and set(legacy) != set(modes):
        raise InputError(
            f"{path} contradicts itself: pooling_mode says {'+'.join(modes)}, its true and false values "
            f"{'+'.join(legacy) or 'none'}; make the two agree"
        )
    if len(set(modes)) < len(modes):
        raise InputError(f"{path}: pooling_mode names one pooling twice; name each once")
    return "+".join(modes or legacy or ["mean"]), bool(stated.get("include_prompt", True))


def _bare_pooling(folder: Path) -> PoolingKind:
    path = folder / CONFIG
    config = read_object(path) if path.is_file() else {}
    named = config.get("architectures")
    causal = isinstance(named, list) and bool(named) and str(named[0]).endswith("ForCausalLM")
    return "lasttoken" if causal and config.get("is_causal", True) else "mean"


def _unknown(kind: str) -> str:
    if kind in NOT_DENSE:
        return f"module {kind}: {NOT_DENSE[kind]}; Decant takes {KNOWN}"
    return f"module {kind or 'without a type'} is not known; Decant takes {KNOWN}"
