"""README.md and Dockerfile of a runtime's folder: how to start or load it there."""

from __future__ import annotations

import json
from collections.abc import Callable

from export.deploy.target import Model, Target
from export.graphs.parity import BATCH_INVARIANT
from export.serve import snippets

TITLES: dict[Target, str] = {
    "ort": "ONNX Runtime", "st": "sentence-transformers", "tei": "text-embeddings-inference", "fastembed": "fastembed",
    "transformers.js": "transformers.js", "triton": "Triton Inference Server", "openvino": "OpenVINO",
}  # fmt: skip
TEI_DOCKERFILE = """# IMAGE: text-embeddings-inference's image for CPUs, which runs onnx/model.onnx
ARG IMAGE
FROM ${IMAGE}
COPY . /model
CMD ["--model-id", "/model", "--port", "80"]
"""
TRITON_DOCKERFILE = """# IMAGE: an image of Triton Inference Server with its ONNX Runtime backend
ARG IMAGE
FROM ${IMAGE}
COPY models /models
CMD ["tritonserver", "--model-repository=/models"]
"""
# without the hint, a processor that multiplies bfloat16 is given bfloat16
OPENVINO_DOCKERFILE = """ARG IMAGE=openvino/model_server:latest
FROM ${IMAGE}
COPY encoder /models/encoder
CMD ["--model_name", "encoder", "--model_path", "/models/encoder", "--port", "9000", "--rest_port", "8000", \\
     "--plugin_config", "{\\"INFERENCE_PRECISION_HINT\\": \\"f32\\"}"]
"""
DOCKERFILES: dict[Target, str] = {"tei": TEI_DOCKERFILE, "triton": TRITON_DOCKERFILE, "openvino": OPENVINO_DOCKERFILE}


def readme(model: Model, target: Target) -> str:
    """The README, Markdown: what it is, how to use it, and what to know of its vectors."""
    facts = model.manifest
    parts = [f"# {facts.name} for {TITLES[target]}", HOW_TO[target](model).strip(), _vectors(model)]
    return "\n\n".join(parts) + "\n"


def _vectors(model: Model) -> str:
    facts = model.manifest
    said = (
        f"Vectors: float32, {facts.dim} dimensions, unit length, so that a dot product is the cosine. "
        f"Texts are cut at {facts.max_length} tokens. Weights of the graph: {facts.precision}."
    )
    if facts.prompts:
        named = ", ".join(f"{name} {json.dumps(text, ensure_ascii=False)}" for name, text in facts.prompts.items())
        default = f"{facts.default_prompt} by default" if facts.default_prompt else "none by default"
        said += f" Put a prompt before each text; it counts toward the limit of tokens: {named}; {default}."
    if facts.precision not in BATCH_INVARIANT:
        said += " A text's vector depends a little on the others of its batch: send one at a time where it matters."
    return said


def _block(said: str, language: str, code: str) -> str:
    return f"{said}\n\n```{language}\n{code.strip()}\n```"


def _onnxruntime(model: Model) -> str:
    said = "`pip install onnxruntime tokenizers numpy`, then in this folder:"
    threshold = None if model.comparator else snippets.Threshold.stated(model.manifest.metrics)
    code = snippets.onnxruntime(_tokens(model), threshold=threshold)
    return _block(said, "python", code) + _compared(model, "`onnx/comparator.onnx`")


def _sentence_transformers(model: Model) -> str:
    package, other = "sentence-transformers", '`backend="onnx"` runs the graph instead of torch'
    onnx = model.manifest.precision != "fp32" or model.shared
    if onnx:
        package, other = "sentence-transformers[onnx]", "torch cannot read a quantized graph"
        if model.shared:
            other = "in torch it knows no layers that share attention maps"
    if model.manifest.static:
        package, onnx = "sentence-transformers", False
        other = 'model2vec reads it too: `StaticModel.from_pretrained(".")`'
    prompt = next(iter(model.manifest.prompts), None) if model.manifest.default_prompt is None else None
    code = snippets.sentence_transformers(prompt=prompt, onnx=onnx)
    return _block(f"`pip install '{package}'`, then in this folder ({other}):", "python", code)


def _tei(model: Model) -> str:
    said = "Set IMAGE to its image for CPUs, cpu-1.9 or later; it runs `onnx/model.onnx`:"
    return _block(said, "sh", snippets.tei(_tag(model)))


def _fastembed(model: Model) -> str:
    pooling = model.manifest.pooling.upper() if model.pools_here else "DISABLED"
    code = snippets.fastembed(_tag(model), pooling, model.manifest.dim, _tokens(model))
    return _block("`pip install fastembed`, then in this folder:", "python", code)


def _transformers_js(model: Model) -> str:
    said = "`npm install @huggingface/transformers`; `config.json` names the dtype:"
    pooling = model.manifest.pooling if model.pools_here else None
    return _block(said, "js", snippets.transformers_js(_tag(model), pooling, _tokens(model)))


def _triton(model: Model) -> str:
    said = (
        "Set IMAGE to an image of tritonserver. Clients make ids by `tokenizer.json`, pad a batch with "
        f"{model.pad_id} to its longest text, and send `input_ids` and `attention_mask`, INT64 [texts, tokens]:"
    )
    return _block(said, "sh", snippets.triton(_tag(model))) + _compared(model, "The model `comparator`")


def _openvino(model: Model) -> str:
    said = (
        f"A server: `docker build -t {_tag(model)} . && docker run -p 8000:8000 {_tag(model)}`. Or `pip install "
        "openvino`, then in this folder, with ids by `tokenizer.json`, int64 [texts, tokens], padded with "
        f"{model.pad_id}; without the hint some processors multiply in bfloat16:"
    )
    return _block(said, "python", snippets.openvino()) + _compared(model, "`comparator/1/model.xml`")


def _tokens(model: Model) -> snippets.Tokens:
    stated = model.manifest
    return snippets.Tokens(model.pad_token, model.pad_id, stated.prompts, stated.default_prompt)


def _compared(model: Model, what: str) -> str:
    return f"\n\n{what} scores two texts: `u` and `v`, their vectors, to `logits`." if model.comparator else ""


def _tag(model: Model) -> str:
    """A name that docker, npm and Python all take."""
    kept = (char if char.isascii() and char.isalnum() else "-" for char in model.manifest.name.lower())
    return "".join(kept).strip("-") or "model"


HOW_TO: dict[Target, Callable[[Model], str]] = {
    "ort": _onnxruntime, "st": _sentence_transformers, "tei": _tei, "fastembed": _fastembed,
    "transformers.js": _transformers_js, "triton": _triton, "openvino": _openvino,
}  # fmt: skip
