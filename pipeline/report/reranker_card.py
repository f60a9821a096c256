"""The model card of a re-ranker: README.md of its folder."""

import json

import yaml
from pydantic import BaseModel, Field

from pipeline.report.card import latency_lines, measured
from pipeline.report.figures import METRIC_NAMES, parameters, points, significant
from pipeline.report.markdown import escape
from pipeline.report.rows import Report, Row

QUERY, TEXTS = "How do I reset my password?", '["Click on forgotten password.", "The train was late."]'


class RerankerFacts(BaseModel, frozen=True, extra="forbid"):
    """What the card says beyond the measurements."""

    max_length: int = Field(ge=1, description="tokens a pair is cut at, specials included")
    outputs: int = Field(ge=1, description="raw scores a pair")
    classes: tuple[str, ...] = Field(default=(), description="what several scores stand for, in their order")
    prompt: str = Field(default="", description="put before the first text of each pair")
    truncation_side: str = Field(default="right", description="where a pair is cut: right or left")
    pad_token: str = "[PAD]"
    pad_id: int = Field(default=0, ge=0)
    base_model: str | None = Field(default=None, description="hub id of what the teacher started from, if known")
    decant_version: str | None = None


def reranker_card(report: Report, row_name: str, facts: RerankerFacts) -> str:
    """Write the card.

    Args:
        report: where the re-ranker and what it is compared with were measured.
        row_name: name of its row.
        facts: what the measurements do not tell.

    Returns:
        Markdown with YAML front matter.

    Raises:
        KeyError: no such row.
    """
    row = report.row(row_name)
    front: dict[str, object] = {"library_name": "sentence-transformers", "pipeline_tag": "text-ranking"}
    front |= {"tags": ["cross-encoder", "reranker", "onnx", "distillation"]}
    front |= {"base_model": facts.base_model} if facts.base_model else {}
    compared = [one.name for one in report.rows if one.pairs_per_second is not None or "re-ranker" in one.name]
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {escape(str(report.recipe.get('name', 'recipe')))}: re-ranker",
        _what_it_is(row, facts),
        "## Use it\n\nWith ONNX Runtime and tokenizers alone, in this folder:",
        f"```python\n{rerank_example(facts)}```",
        _with_sentence_transformers(facts),
        *measured(report, row, compared, _speed(row)),
        "## Limitations",
        _limitations(row, facts),
        f"Made by Decant {facts.decant_version or ''}".rstrip() + ". `decant.json` holds the recipe's hash, versions "
        "and the SHA-256 of every other file.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def rerank_example(facts: RerankerFacts) -> str:
    """Python that scores a query against two texts with onnxruntime and tokenizers, run in the folder."""
    shown = "for row in np.argsort(-logits[:, 0]):\n    print(texts[row], logits[row, 0])\n"
    if facts.outputs > 1:
        classes = f": {json.dumps(facts.classes, ensure_ascii=False)}" if facts.classes else ""
        shown = f"print(logits)  # a column a class{classes}\n"
    side = "" if facts.truncation_side == "right" else f", direction={json.dumps(facts.truncation_side)}"
    before = f"{facts.prompt!r} + " if facts.prompt else ""
    return f"""import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({facts.max_length}{side})
tokenizer.enable_padding(pad_id={facts.pad_id}, pad_token={json.dumps(facts.pad_token)})
session = ort.InferenceSession("onnx/model.onnx", providers=["CPUExecutionProvider"])

query, texts = "{QUERY}", {TEXTS}
encoded = tokenizer.encode_batch([({before}query, text) for text in texts])
inputs = {{
    "input_ids": np.array([pair.ids for pair in encoded], dtype=np.int64),
    "attention_mask": np.array([pair.attention_mask for pair in encoded], dtype=np.int64),
    "token_type_ids": np.array([pair.type_ids for pair in encoded], dtype=np.int64),
}}
taken = {{edge.name for edge in session.get_inputs()}}
inputs = {{name: value for name, value in inputs.items() if name in taken}}
(logits,) = session.run(["logits"], inputs)  # float32 [pairs, {facts.outputs}], raw
{shown}"""


def _what_it_is(row: Row, facts: RerankerFacts) -> str:
    size = [
        f"{row.layers} layers" if row.layers else "",
        f"{parameters(row.parameters)} parameters" if row.parameters else "",
        f"{significant(row.size_mib)} MiB" if row.size_mib is not None else "",
    ]
    said = f"A cross-encoder, taught by one without shared maps: {', '.join(part for part in size if part)}."
    said += f" It reads two texts of up to {facts.max_length} tokens together and scores them."
    said += f" Its scores stand for {escape(', '.join(facts.classes))}, in this order." if facts.classes else ""
    groups = (row.sharing or "").replace(" | ", " and ")
    said += f" Layers {groups}, counted from 0, compute one attention map each group, which its other layers reuse."
    return f"{said} The graph holds standard operators; weights for torch are not in this folder."


def _with_sentence_transformers(facts: RerankerFacts) -> str:
    if facts.outputs > 1:
        return ""
    return (
        "With sentence-transformers' ONNX backend:\n\n```python\nfrom sentence_transformers import CrossEncoder\n\n"
        f'model = CrossEncoder(".", backend="onnx")\nprint(model.rank("{QUERY}", {TEXTS}))\n```'
    )


def _speed(row: Row) -> str:
    lines = latency_lines(row, "pair")
    return "\n".join(["This re-ranker:", "", *lines]) if lines else ""


def _limitations(row: Row, facts: RerankerFacts) -> str:
    lines = [f"- A pair is cut at {facts.max_length} tokens, the longer text first."]
    for name, metrics in row.metrics.items():
        low, high = metrics.ci95
        lines.append(
            f"- {METRIC_NAMES[metrics.metric]} {points(metrics.value)} (95 % interval {points(low)} to "
            f"{points(high)}) holds for {escape(name)}, {metrics.examples:,} examples."
        )
    lines.append("- A raw score is not a probability; choose any threshold on your own data.")
    return "\n".join(lines + ([f"- {escape(row.note)}"] if row.note else []))
