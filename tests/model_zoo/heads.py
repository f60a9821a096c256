"""What may stand behind (and, once, before) the pooling: Dense, Normalize, LayerNorm and others; and other inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.base.modules.router import Router
from sentence_transformers.sentence_transformer.modules import (
    Dropout,
    LayerNorm,
    Pooling,
    StaticEmbedding,
    WeightedLayerPooling,
)
from torch import nn

from tests.model_zoo.backbones import HIDDEN, LAYERS
from tests.model_zoo.bases import bert
from tests.model_zoo.folder import save, set_keys, without_modules
from tests.model_zoo.kind import Kind
from tests.model_zoo.word_pieces import bert_tokenizer


def seeded(make: Any, seed: int = 1) -> Any:
    """What `make()` gives, with random weights of this seed and no bias or norm left at 0 or 1."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        module = make()
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        return module


def dense(inputs: int = HIDDEN, outputs: int = HIDDEN, seed: int = 1, **settings: Any) -> Dense:
    return seeded(lambda: Dense(inputs, outputs, **settings), seed)


def after_mean(folder: Path, *modules: nn.Module) -> None:
    """BERT and mean pooling, then the modules."""
    save(folder, bert(), Pooling(HIDDEN), *modules)


def static(folder: Path, *modules: nn.Module) -> None:
    """A table of one vector a token, averaged; then the modules."""
    tokenizer = bert_tokenizer()
    table = torch.randn(len(tokenizer), HIDDEN, generator=torch.Generator().manual_seed(0))
    save(folder, StaticEmbedding(tokenizer.backend_tokenizer, embedding_weights=table), *modules)


def weighted_layers(folder: Path) -> None:
    weights = nn.Parameter(torch.tensor([0.5, 2.0, -1.0])[: LAYERS + 1])
    layers = WeightedLayerPooling(HIDDEN, num_hidden_layers=LAYERS, layer_start=0, layer_weights=weights)
    first = bert(config_kwargs={"output_hidden_states": True})
    save(folder, first, layers, Pooling(HIDDEN))


def routes(folder: Path) -> None:
    """Queries through a static table, documents (and what is neither) through BERT."""
    tokenizer = bert_tokenizer()
    table = torch.randn(len(tokenizer), HIDDEN, generator=torch.Generator().manual_seed(0))
    queries = [StaticEmbedding(tokenizer.backend_tokenizer, embedding_weights=table)]
    documents = [bert(), Pooling(HIDDEN)]
    router = Router.for_query_document(queries, documents, default_route="document")
    save(folder, router, Normalize(), prompts={"query": "query: "})


CUT = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
ACTIVATIONS = (nn.Tanh, nn.Identity, nn.ReLU, nn.GELU, nn.Sigmoid, nn.SiLU)

KINDS = (
    *(
        Kind(
            f"dense-{activation.__name__.lower()}",
            f"BERT, mean, Dense with {activation.__name__} and bias",
            lambda f, activation=activation: after_mean(f, dense(activation_function=activation())),
            without_modules(2),
        )
        for activation in ACTIVATIONS
    ),
    Kind(
        "dense-without-bias",
        "BERT, mean, Dense to 24 numbers without bias or activation",
        lambda f: after_mean(f, dense(outputs=24, bias=False, activation_function=None)),
        without_modules(2),
    ),
    Kind(
        "dense-twice-normalize",
        "BERT, mean, Dense 32 to 48 with Tanh, Dense 48 to 16 without, Normalize",
        lambda f: after_mean(
            f,
            dense(outputs=48),
            dense(48, 16, seed=2, bias=False, activation_function=None),
            Normalize(),
        ),
        without_modules(4),
    ),
    Kind(
        "normalize-dense",
        "BERT, mean, Normalize, then Dense: not of unit length",
        lambda f: after_mean(f, Normalize(), dense()),
        without_modules(2),
    ),
    Kind(
        "dense-residual",
        "BERT, mean, Dense with a residual",
        lambda f: after_mean(f, dense(use_residual=True)),
        set_keys("2_Dense/config.json", use_residual=None),
    ),
    Kind(
        "dense-residual-projected",
        "BERT, mean, Dense to 16 numbers with a residual that is projected too",
        lambda f: after_mean(f, dense(outputs=16, use_residual=True)),
        without_modules(2),
    ),
    Kind(
        "dense-on-tokens",
        "BERT, Dense with Tanh on each token's vector, then mean",
        lambda f: save(f, bert(), dense(module_input_name="token_embeddings"), Pooling(HIDDEN)),
        without_modules(1),
    ),
    Kind("normalize", "BERT, mean, Normalize", lambda f: after_mean(f, Normalize()), without_modules(2)),
    Kind(
        "normalize-tokens",
        "BERT, Normalize on each token's vector, then mean",
        lambda f: save(f, bert(), Normalize(module_input_name="token_embeddings"), Pooling(HIDDEN)),
        without_modules(1),
    ),
    Kind(
        "layer-norm",
        "BERT, mean, LayerNorm",
        lambda f: after_mean(f, seeded(lambda: LayerNorm(HIDDEN))),
        without_modules(2),
    ),
    Kind(
        "dropout",
        "BERT, mean, Dropout (which encoding leaves out), Dense",
        lambda f: after_mean(f, Dropout(0.9), dense()),
        without_modules(3),
    ),
    Kind(
        "weighted-layers",
        "BERT, all layers' token vectors averaged by weights, then mean",
        weighted_layers,
        set_keys("config.json", output_hidden_states=False),
    ),
    Kind("static", "a static table, WordPiece, no special tokens, no limit of length", static),
    Kind("static-normalize", "a static table, then Normalize", lambda f: static(f, Normalize()), without_modules(1)),
    Kind(
        "static-truncation",
        "a static table, 5 tokens a text by tokenizer.json's own cut, which counts here",
        lambda f: (static(f), set_keys("tokenizer.json", truncation=CUT)(f))[-1],
        set_keys("tokenizer.json", truncation=None),
    ),
    Kind("static-dense", "a static table, then Dense", lambda f: static(f, dense()), without_modules(1)),
    Kind(
        "router",
        "a Router: queries by a static table, documents (the default) by BERT, then Normalize",
        routes,
        set_keys("router_config.json", parameters={"default_route": "query", "allow_empty_key": True}),
        tasks=(None, "query", "document"),
    ),
)
