"""The model card: README.md of an artifact folder, as a model hub renders it."""

import json
from collections.abc import Sequence

import yaml
from pydantic import BaseModel, Field

from decant.table import bullets, escape
from export.graphs.vector_kinds import OUTPUTS, SmallVector
from export.serve import snippets
from pipeline.report.figures import METRIC_NAMES, cosine, counted, duration, parameters, points, significant
from pipeline.report.figures import threshold as said_threshold
from pipeline.report.main_table import main_table, references
from pipeline.report.markdown import machine, markdown_table
from pipeline.report.rows import Report, Row
from pipeline.report.steady import INVARIANT
from pipeline.report.unsteady import marked

TAGS = ["sentence-transformers", "sentence-similarity", "feature-extraction", "onnx", "distillation"]
NO_SUCH_POOLING = "sentence-transformers has no pooling like this model's and cannot load it."
OPENVINO = (
    "`openvino/` holds OpenVINO's IR of it, with the inputs and outputs of the ONNX graph: float32 in "
    "`openvino_model.xml`, int8 in `openvino_model_qint8_quantized.xml`, each where the table below has a row of it. "
    "Compile it with `INFERENCE_PRECISION_HINT` `f32`: OpenVINO's default on a processor with bfloat16 is less exact."
)
SMALL_VECTORS = {
    "int8": "int8 codes, a byte a dimension: rank by their dot product, taken in a wider type",
    "binary": "signs, a bit a dimension, packed as `numpy.packbits` does: rank by Hamming distance, and re-score "
    "the first by the query's float32 vector",
}


class CardFacts(BaseModel, frozen=True, extra="forbid"):
    """What a card says beyond the measurements."""

    max_length: int = Field(ge=1, description="tokens a text is cut at, specials included")
    pad_token: str = "[PAD]"
    pad_id: int = Field(default=0, ge=0)
    base_model: str | None = Field(default=None, description="hub id of what the student started from, if known")
    teacher: str | None = Field(default=None, description="model reference of the teacher, if known")
    license: str | None = Field(default=None, description="hub licence id, only where it is known")
    languages: tuple[str, ...] = Field(default=(), description="ISO 639 codes, only where they are known")
    decant_version: str | None = None
    sentence_transformers: bool = Field(default=True, description="that library can load the folder")
    prompts: dict[str, str] = Field(default={}, description="what stands before a text, by name")
    default_prompt: str | None = Field(default=None, description="the prompt of a text that names none")
    comparator: bool = Field(default=False, description="the folder holds onnx/comparator.onnx")
    vectors: tuple[SmallVector, ...] = Field(default=(), description="outputs of the graph beside the float32 vector")
    openvino: bool = Field(default=False, description="the folder holds openvino/")
    static: bool = Field(default=False, description="it is a table of token vectors, without layers")
    gpu: bool = Field(default=True, description="the graph is fit for a GPU too: it is not quantized for CPUs")


def model_card(report: Report, row_name: str, facts: CardFacts) -> str:
    """Write the card of one artifact.

    Args:
        report: where the artifact and what it is compared with were measured.
        row_name: name of the artifact's row.
        facts: what the measurements do not tell.

    Returns:
        Markdown with YAML front matter.

    Raises:
        KeyError: no such row.
    """
    row = report.row(row_name)
    of_this_folder = [other.name for other in report.rows if row.path is not None and other.path == row.path]
    compared = [other.name for other in report.rows if other.kind != "artifact"] + [row.name, *of_this_folder]
    library = "sentence-transformers" if facts.sentence_transformers or not facts.static else "onnx"
    front: dict[str, object] = {"library_name": library, "pipeline_tag": "sentence-similarity"}
    front |= {"tags": TAGS, "language": list(facts.languages), "base_model": facts.base_model, "license": facts.license}
    return card(
        front,
        row.name,
        [
            _what_it_is(report, row, facts),
            *(_with_numpy() if facts.static else []),
            *with_onnxruntime(onnx_example(facts, row), first=not facts.static),
            _prompts(facts),
            _small_vectors(facts),
            *(_with_readers_of_tables(facts) if facts.static else _with_sentence_transformers(row, facts)),
            OPENVINO if facts.openvino else "",
            *measured(report, row, compared, _speed(row)),
            _parity(row),
            *_limitations(report, row, facts),
        ],
        provenance(report, facts.decant_version),
    )


def card(front: dict[str, object], title: str, parts: Sequence[str], made: str) -> str:
    """A card: what a hub reads, the heading, and the parts that are not empty.

    Args:
        front: what is not known, and so empty, is left out rather than guessed.
        title: the heading.
        parts: Markdown.
        made: what stands under "Provenance".
    """
    known = yaml.safe_dump({key: value for key, value in front.items() if value}, sort_keys=False)
    every = [f"---\n{known}---", f"# {escape(title)}", *parts, "## Provenance", made]
    return "\n\n".join(part for part in every if part) + "\n"


def with_onnxruntime(example: str, *, first: bool = True) -> list[str]:
    """How it is used without any library of ours.

    Args:
        first: nothing stands before it, so that the heading does.
    """
    said = "With ONNX Runtime and tokenizers alone, in this folder:"
    return [f"## Use it\n\n{said}" if first else said, f"```python\n{example}```"]


def _with_numpy() -> list[str]:
    """How a static student is used as it was measured."""
    return ["## Use it\n\nWith Decant, which takes numpy alone for it:", f"```python\n{snippets.decant_encoder()}```"]


def _with_readers_of_tables(facts: CardFacts) -> list[str]:
    """Who else reads a static student's table, and what they do with a text that it knows nothing of."""
    unknown = "A text without any token that the table knows gets the direction of all its rows together"
    if not facts.sentence_transformers:
        return [f"model2vec and sentence-transformers do not read a table of 4 bits. {unknown}."]
    return [
        "With model2vec, which reads the same table:", f"```python\n{snippets.model2vec()}```",
        "With sentence-transformers 6 or newer, which does too:", f"```python\n{snippets.sentence_transformers()}```",
        f"{unknown}; these two give zeros for it.",
    ]  # fmt: skip


def measured(report: Report, row: Row, compared: Sequence[str], speed: str) -> list[str]:
    """The part of a card that holds its row beside those it is compared with, and on what all were measured."""
    return [
        "## Measured",
        markdown_table(report, only=compared, bold=row.name),
        bullets(main_table(report).legend),
        speed,
        f"Measured on: {escape(machine(report.environment))} Expect other speeds elsewhere; compare ratios.",
    ]


def latency_lines(row: Row, unit: str) -> list[str]:
    """A line a batch size; the unit is a text or a pair."""
    return [
        f"- {f'one {unit}' if size == '1' else f'{size} {unit}s'}: "
        f"{marked(duration(latency.p50), row.unsteady(f'latency_ms.{size}'))} median, "
        f"{duration(latency.p95)} for 95 of 100 calls"
        for size, latency in row.latency_ms.items()
    ]


def accuracy_lines(row: Row) -> list[str]:
    """A line a test set: what its figure holds for; and a threshold, with what it was found to give."""
    return [*_held_for(row), *_thresholds(row)]


def _held_for(row: Row) -> list[str]:
    return [
        f"- {METRIC_NAMES[one.metric]} {points(one.value)} (95 % interval {points(one.ci95[0])} to "
        f"{points(one.ci95[1])}) holds for {escape(name)}, {counted(one.examples, one.metric)}; other domains and "
        "languages were not measured."
        + (" It is agreement with the teacher on pairs of held-back texts: no labels." if one.texts is not None else "")
        for name, one in row.metrics.items()
    ]


def _thresholds(row: Row) -> list[str]:
    return [
        f"- A score of {said_threshold(one.threshold)} or more means class 1: chosen on the development pairs, it has "
        f"precision {points(one.precision)}, recall {points(one.recall)} and F1 {points(one.f1)} on {escape(name)}."
        for name, one in row.metrics.items()
        if one.threshold is not None and one.precision is not None and one.recall is not None and one.f1 is not None
    ]


def sizes(row: Row) -> str:
    """What it is made of, in words."""
    known = [
        "" if row.layers is None else f"{row.layers} layers" if row.layers else "a table of token vectors, no layers",
        f"vectors of {row.dim} dimensions" if row.dim else "",
        f"{parameters(row.parameters)} parameters" if row.parameters else "",
        f"{significant(row.size_mib)} MiB" if row.size_mib is not None else "",
        f"weights in {row.precision}" if row.precision else "",
    ]
    return ", ".join(part for part in known if part)


def shared_maps(row: Row) -> str:
    """Which layers share, as the subject of a sentence."""
    groups = (row.sharing or "").replace(" | ", " and ")
    return f"Layers {groups}, counted from 0, compute one attention map each group"


def provenance(report: Report, version: str | None) -> str:
    """Who made it from what."""
    recipe = f", recipe `{str(report.recipe['name']).replace('`', '')}`" if "name" in report.recipe else ""
    return (
        f"Made by Decant{f' {version}' if version else ''}{recipe}. `decant.json` holds the recipe's hash, versions "
        "and the SHA-256 of every other file."
    )


def onnx_example(facts: CardFacts, row: Row | None = None) -> str:
    """Python that encodes two texts with onnxruntime and tokenizers, run in the artifact's folder.

    Args:
        row: whose threshold is applied, where it has one.
    """
    measured = {name: one.model_dump() for name, one in row.metrics.items()} if row is not None else {}
    tokens = snippets.Tokens(facts.pad_token, facts.pad_id, facts.prompts, facts.default_prompt)
    length = facts.max_length if facts.gpu else None
    threshold = snippets.Threshold.stated(measured)
    return snippets.onnxruntime(tokens, gpu_length=length, comparator=facts.comparator, threshold=threshold)


def _what_it_is(report: Report, row: Row, facts: CardFacts) -> str:
    teacher = references(report).teacher
    named = facts.teacher or (teacher.name if teacher else None)
    origin = f", distilled from {escape(named)}" if named else ""
    said = f"A sentence encoder{origin}: {sizes(row)}."
    said += f" It maps a text of up to {facts.max_length} tokens to a unit vector; cosine compares two."
    if row.form == "comparator":
        said += " The figures below are those of its comparator head, which reads two vectors, not of the cosine."
    return said


def _prompts(facts: CardFacts) -> str:
    """What stands before which texts."""
    if not facts.prompts:
        return ""
    lines = [f"- `{name}`: {json.dumps(text, ensure_ascii=False)}" for name, text in facts.prompts.items()]
    default = f"`{facts.default_prompt}`" if facts.default_prompt else "none"
    said = "It was trained with a prompt before each text, by the kind of the text:"
    end = f"A text for which none is named gets {default}. A prompt counts toward the limit of tokens."
    return "\n".join([said, "", *lines, "", end])


def _small_vectors(facts: CardFacts) -> str:
    """What the further outputs hold, and how they are compared."""
    lines = [f"- `{OUTPUTS[kind]}`: {SMALL_VECTORS[kind]}." for kind in facts.vectors]
    said = "The graph gives smaller vectors too, under further names of outputs:"
    return "\n".join([said, "", *lines]) if lines else ""


def _with_sentence_transformers(row: Row, facts: CardFacts) -> list[str]:
    if not facts.sentence_transformers:
        return [_unknown_layers(row) if row.sharing else NO_SUCH_POOLING]
    prompt = next(iter(facts.prompts), None) if facts.default_prompt is None else None
    parts = ["With sentence-transformers:", f"```python\n{snippets.sentence_transformers(prompt=prompt)}```"]
    if row.precision in (None, "fp32"):
        return parts
    weights = (
        "sentence-transformers reads `model.safetensors`, whose weights are not quantized: the "
        f"{row.precision} figures below are those of `onnx/model.onnx`."
    )
    return [*parts, weights]


def _unknown_layers(row: Row) -> str:
    """What a model whose layers share attention maps is to loaders of its weights."""
    return (
        f"{shared_maps(row)}: the others of "
        "a group reuse that of its first and have no queries and keys. `model.safetensors` is therefore of a model "
        "type that transformers and sentence-transformers do not know and refuse; Decant reads it. The graph holds "
        "standard operators: every runtime of ONNX runs it, and `decant bundle --for st` writes a folder for the ONNX "
        "backend of sentence-transformers."
    )


def _speed(row: Row) -> str:
    lines = latency_lines(row, "text")
    if row.one_against_many is not None:
        cost = row.one_against_many
        milliseconds = marked(duration(cost.query_ms.p50), cost.unsteady("query_ms"))
        lines.append(f"- one query against {cost.candidates:,} indexed texts: {milliseconds}")
    if row.peak_memory_mib is not None:
        lines.append(f"- peak memory of a process that runs it: {significant(row.peak_memory_mib)} MiB")
    return "\n".join(["This artifact:", "", *lines]) if lines else ""


def _parity(row: Row) -> str:
    if row.parity is None:
        return ""
    said = (
        "Over all parity texts, the lowest cosine to a vector of the model that it was exported from is "
        f"{cosine(row.parity.min_cosine)}. The lowest cosine of a text encoded alone to the same text in a mixed "
        f"batch is {cosine(row.parity.batch_invariance)}."
    )
    if row.parity.batch_invariance < INVARIANT:
        said += " **A text's vector depends a little on the batch it is encoded in**"
        if row.precision == "int8-dynamic":
            said += ", since dynamic int8 gives a whole batch one scale for its activations"
        said += ". Encode one text at a time where that matters."
    return said


def _limitations(report: Report, row: Row, facts: CardFacts) -> list[str]:
    lines = [f"- Texts are cut at {facts.max_length} tokens.", *accuracy_lines(row)]
    if row.trained_on_labels:
        lines.append("- It was trained on this task's own training labels: expect less on tasks it has not seen.")
    lines.append("- A cosine is not a probability; choose any threshold on your own data.")
    lines += [f"- {escape(note)}" for note in (row.note, *report.notes) if note]
    return ["## Limitations", "\n".join(lines)]
