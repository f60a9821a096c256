"""The model card: README.md of an artifact folder, as a model hub renders it."""

import json
from collections.abc import Sequence

import yaml
from pydantic import BaseModel, Field

from export.graphs.vector_kinds import OUTPUTS, SmallVector
from pipeline.report.figures import METRIC_NAMES, duration, parameters, points, significant
from pipeline.report.markdown import escape, machine, markdown_table
from pipeline.report.rows import Report, Row
from pipeline.report.table import legend, references

TAGS = ["sentence-transformers", "sentence-similarity", "feature-extraction", "onnx", "distillation"]
EXAMPLE_TEXTS = '["A man is playing a guitar.", "Someone is making music.", "The train was late."]'
INVARIANT = 0.9999  # below this a text alone and in a batch differ by more than rounding


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
    parts = [
        front_matter(facts),
        f"# {escape(row.name)}",
        _what_it_is(report, row, facts),
        "## Use it\n\nWith ONNX Runtime and tokenizers alone, in this folder:",
        f"```python\n{onnx_example(facts)}```",
        _prompts(facts),
        _small_vectors(facts),
        *_with_sentence_transformers(row, facts),
        OPENVINO if facts.openvino else "",
        *measured(report, row, compared, _speed(row)),
        _parity(row),
        "## Limitations",
        _limitations(report, row, facts),
        "## Provenance",
        _provenance(report, facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def measured(report: Report, row: Row, compared: Sequence[str], speed: str) -> list[str]:
    """The part of a card that holds its row beside those it is compared with, and on what all were measured."""
    return [
        "## Measured",
        markdown_table(report, only=compared, bold=row.name),
        "\n".join(f"- {escape(sentence)}" for sentence in legend(report)),
        speed,
        f"Measured on: {escape(machine(report.environment))} Expect other speeds elsewhere; compare ratios.",
    ]


def latency_lines(row: Row, unit: str) -> list[str]:
    """A line a batch size; the unit is a text or a pair."""
    return [
        f"- {f'one {unit}' if size == '1' else f'{size} {unit}s'}: {duration(latency.p50)} median, "
        f"{duration(latency.p95)} for 95 of 100 calls"
        for size, latency in row.latency_ms.items()
    ]


def front_matter(facts: CardFacts) -> str:
    """YAML that a hub reads; what is not known is left out rather than guessed."""
    content: dict[str, object] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": TAGS,
    }
    if facts.languages:
        content["language"] = list(facts.languages)
    if facts.base_model:
        content["base_model"] = facts.base_model
    if facts.license:
        content["license"] = facts.license
    return f"---\n{yaml.safe_dump(content, sort_keys=False)}---"


def onnx_example(facts: CardFacts) -> str:
    """Python that encodes three texts with onnxruntime and tokenizers, run in the artifact's folder."""
    providers = "providers()" if facts.gpu else '["CPUExecutionProvider"]'
    chosen = GPU_PROVIDERS.replace("LENGTH", str(facts.max_length)) if facts.gpu else ""
    modules = "import importlib.util\nimport shutil\n\n" if facts.gpu else ""
    example = f"""{modules}import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

{chosen}tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({facts.max_length})
tokenizer.enable_padding(pad_id={facts.pad_id}, pad_token={json.dumps(facts.pad_token)})
session = ort.InferenceSession("onnx/model.onnx", providers={providers})

{_prompt_line(facts)}texts = {EXAMPLE_TEXTS}
encoded = tokenizer.encode_batch({"[prompt + text for text in texts]" if facts.prompts else "texts"})
inputs = {{
    "input_ids": np.array([text.ids for text in encoded], dtype=np.int64),
    "attention_mask": np.array([text.attention_mask for text in encoded], dtype=np.int64),
}}
(vectors,) = session.run(["sentence_embedding"], inputs)  # float32 [texts, dim], unit length
print(vectors @ vectors.T)  # cosines
"""
    return example + (COMPARATOR_EXAMPLE if facts.comparator else "")


GPU_PROVIDERS = """
def providers():
    # onnxruntime names providers that it was built with, on machines without a GPU too
    chosen = ["CPUExecutionProvider"]
    if shutil.which("nvidia-smi"):
        ort.preload_dlls()
        chosen.insert(0, "CUDAExecutionProvider")
        if importlib.util.find_spec("tensorrt"):
            import tensorrt  # loads its libraries

            sizes = {"min": "1x2", "opt": "32x32", "max": "128xLENGTH"}
            shapes = {
                f"trt_profile_{which}_shapes": f"input_ids:{size},attention_mask:{size}"
                for which, size in sizes.items()
            }
            chosen.insert(0, ("TensorrtExecutionProvider", shapes))
    there = ort.get_available_providers()
    return [one for one in chosen if (one if isinstance(one, str) else one[0]) in there]


"""
COMPARATOR_EXAMPLE = """
comparator = ort.InferenceSession("onnx/comparator.onnx", providers=["CPUExecutionProvider"])
(logits,) = comparator.run(["logits"], {"u": vectors[:-1], "v": vectors[1:]})  # each text with the next
print(logits)
"""
NO_SUCH_POOLING = "sentence-transformers has no pooling like this model's and cannot load it."
OPENVINO = (
    "OpenVINO's IR of it stands in `openvino/`, with the inputs and outputs of the ONNX graph: float32 in "
    "`openvino_model.xml`, int8 in `openvino_model_qint8_quantized.xml`, each where the table below has a row of it. "
    "Compile it with `INFERENCE_PRECISION_HINT` `f32`: OpenVINO's default on a processor with bfloat16 is less exact."
)
SENTENCE_TRANSFORMERS_EXAMPLE = f"""from sentence_transformers import SentenceTransformer

model = SentenceTransformer(".")
vectors = model.encode({EXAMPLE_TEXTS})
print(model.similarity(vectors, vectors))
"""


def _what_it_is(report: Report, row: Row, facts: CardFacts) -> str:
    size = [
        f"{row.layers} layers" if row.layers else "",
        f"vectors of {row.dim} dimensions" if row.dim else "",
        f"{parameters(row.parameters)} parameters" if row.parameters else "",
        f"{significant(row.size_mib)} MiB" if row.size_mib is not None else "",
        f"weights in {row.precision}" if row.precision else "",
    ]
    teacher = references(report).teacher
    named = facts.teacher or (teacher.name if teacher else None)
    origin = f", distilled from {escape(named)}" if named else ""
    said = f"A sentence encoder{origin}: {', '.join(part for part in size if part)}."
    said += f" It maps a text of up to {facts.max_length} tokens to a unit vector; cosine compares two."
    if row.form == "comparator":
        said += " The figures below are those of its comparator head, which reads two vectors, not of the cosine."
    return said


def _prompt_line(facts: CardFacts) -> str:
    """The line of the example that sets the prompt; nothing where the model has none."""
    if not facts.prompts:
        return ""
    name = facts.default_prompt or next(iter(facts.prompts))
    return f"prompt = {json.dumps(facts.prompts[name], ensure_ascii=False)}  # {name}\n"


def _prompts(facts: CardFacts) -> str:
    """What stands before which texts."""
    if not facts.prompts:
        return ""
    lines = [f"- `{name}`: {json.dumps(text, ensure_ascii=False)}" for name, text in facts.prompts.items()]
    default = (
        f"A text that names none stands behind `{facts.default_prompt}`."
        if facts.default_prompt
        else ("A text that names none stands behind none.")
    )
    said = "It was trained with a prompt before each text, by the kind of the text:"
    return "\n".join([said, "", *lines, "", f"{default} The limit of tokens counts the prompt."])


def _small_vectors(facts: CardFacts) -> str:
    """What the further outputs hold, and how they are compared."""
    said = {
        "int8": "int8 codes, a byte a dimension: rank by their dot product, taken in a wider type",
        "binary": "signs, a bit a dimension, packed as `numpy.packbits` does: rank by Hamming distance, and re-score "
        "the first by the query's float32 vector",
    }
    lines = [f"- `{OUTPUTS[kind]}`: {said[kind]}." for kind in facts.vectors]
    return (
        "\n".join(["The graph gives smaller vectors too, under further names of outputs:", "", *lines]) if lines else ""
    )


def _with_sentence_transformers(row: Row, facts: CardFacts) -> list[str]:
    if not facts.sentence_transformers:
        return [_shared_maps(row.sharing) if row.sharing else NO_SUCH_POOLING]
    example = SENTENCE_TRANSFORMERS_EXAMPLE
    if facts.prompts and facts.default_prompt is None:
        name = next(iter(facts.prompts))
        example = example.replace("model.encode(", f"model.encode(prompt_name={name!r}, sentences=")
    parts = ["With sentence-transformers:", f"```python\n{example}```"]
    if row.precision in (None, "fp32"):
        return parts
    weights = (
        "sentence-transformers reads `model.safetensors`, whose weights are not quantized: the "
        f"{row.precision} figures below are those of `onnx/model.onnx`."
    )
    return [*parts, weights]


def _shared_maps(layers: str) -> str:
    """What a model whose layers share attention maps is to loaders of its weights."""
    return (
        f"Layers {layers.replace(' | ', ' and ')}, counted from 0, compute one attention map each group: the others of "
        "a group reuse that of its first and have no queries and keys. `model.safetensors` is therefore of a model "
        "type that transformers and sentence-transformers do not know and refuse; Decant reads it. The graph holds "
        "standard operators: every runtime of ONNX runs it, and `decant bundle --for st` writes a folder for the ONNX "
        "backend of sentence-transformers."
    )


def _speed(row: Row) -> str:
    lines = ["This artifact:", "", *latency_lines(row, "text")]
    if row.one_against_many is not None:
        cost = row.one_against_many
        lines.append(f"- one query against {cost.candidates:,} indexed texts: {duration(cost.query_ms.p50)}")
    if row.peak_memory_mib is not None:
        lines.append(f"- peak memory of a process that runs it: {significant(row.peak_memory_mib)} MiB")
    return "\n".join(lines) if len(lines) > 2 else ""


def _parity(row: Row) -> str:
    if row.parity is None:
        return ""
    said = (
        "Of the vectors of all parity texts, the worst has cosine "
        f"{row.parity.min_cosine:.5f} to that of the model it was exported from. Of texts encoded alone and "
        f"again in a mixed batch, the worst has cosine {row.parity.batch_invariance:.5f} to itself."
    )
    if row.parity.batch_invariance < INVARIANT:
        said += " **A text's vector depends a little on the batch it is encoded in**"
        if row.precision == "int8-dynamic":
            said += ", since dynamic int8 gives a whole batch one scale for its activations"
        said += ". Encode one text at a time where that matters."
    return said


def _limitations(report: Report, row: Row, facts: CardFacts) -> str:
    lines = [f"- Texts are cut at {facts.max_length} tokens."]
    for name, metrics in row.metrics.items():
        low, high = metrics.ci95
        lines.append(
            f"- {METRIC_NAMES[metrics.metric]} {points(metrics.value)} (95 % interval {points(low)} to "
            f"{points(high)}) holds for {escape(name)}, {metrics.examples:,} examples; other domains and "
            "languages were not measured."
        )
    if row.trained_on_labels:
        lines.append("- It was trained on this task's own training labels: expect less on tasks it has not seen.")
    lines.append("- A cosine is not a probability; choose any threshold on your own data.")
    lines += [f"- {escape(note)}" for note in (row.note, *report.notes) if note]
    return "\n".join(lines)


def _provenance(report: Report, facts: CardFacts) -> str:
    version = f" {facts.decant_version}" if facts.decant_version else ""
    recipe = f", recipe `{str(report.recipe['name']).replace('`', '')}`" if "name" in report.recipe else ""
    return (
        f"Made by Decant{version}{recipe}. `decant.json` holds the recipe's hash, versions and the SHA-256 "
        "of every other file."
    )
