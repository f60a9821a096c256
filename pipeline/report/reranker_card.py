"""The model card of a re-ranker: README.md of its folder."""

from pydantic import BaseModel, Field

from decant.table import escape
from export.serve import snippets
from pipeline.report.card import (
    accuracy_lines,
    card,
    latency_lines,
    measured,
    provenance,
    shared_maps,
    sizes,
    with_onnxruntime,
)
from pipeline.report.rows import Report, Row


class RerankerFacts(BaseModel, frozen=True, extra="forbid"):
    """What the card says beyond the measurements."""

    max_length: int = Field(ge=1, description="tokens a pair is cut at, specials included")
    outputs: int = Field(ge=1, description="raw scores a pair")
    classes: tuple[str, ...] = Field(default=(), description="what several scores stand for, in their order")
    prompt: str = Field(default="", description="put before the first text of each pair")
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
    front |= {"tags": ["cross-encoder", "reranker", "onnx", "distillation"], "base_model": facts.base_model}
    compared = [one.name for one in report.rows if one.pairs_per_second is not None or "re-ranker" in one.name]
    speed = latency_lines(row, "pair")
    peer = f"With sentence-transformers' ONNX backend:\n\n```python\n{snippets.sentence_transformers_reranker()}```"
    return card(
        front,
        f"{report.recipe.get('name', 'recipe')}: re-ranker",
        [
            _what_it_is(row, facts),
            *with_onnxruntime(rerank_example(facts)),
            peer if facts.outputs == 1 else "",
            *measured(report, row, compared, "\n".join(["This re-ranker:", "", *speed]) if speed else ""),
            *_limitations(row, facts),
        ],
        provenance(report, facts.decant_version),
    )


def rerank_example(facts: RerankerFacts) -> str:
    """Python that scores a query against two texts with onnxruntime and tokenizers, run in the folder."""
    tokens = snippets.Tokens(facts.pad_token, facts.pad_id)
    return snippets.onnxruntime_reranker(tokens, facts.prompt, facts.outputs, facts.classes)


def _what_it_is(row: Row, facts: RerankerFacts) -> str:
    shape = row.model_copy(update={"dim": None, "precision": None})
    said = f"A cross-encoder, taught by one without shared maps: {sizes(shape)}."
    said += f" It reads two texts of up to {facts.max_length} tokens together and scores them."
    said += f" Its scores stand for {escape(', '.join(facts.classes))}, in this order." if facts.classes else ""
    said += f" {shared_maps(row)}, which its other layers reuse."
    return f"{said} The graph holds standard operators; weights for torch are not in this folder."


def _limitations(row: Row, facts: RerankerFacts) -> list[str]:
    lines = [f"- A pair is cut at {facts.max_length} tokens, the longer text first.", *accuracy_lines(row)]
    lines.append("- A raw score is not a probability; choose any threshold on your own data.")
    return ["## Limitations", "\n".join(lines + ([f"- {escape(row.note)}"] if row.note else []))]
