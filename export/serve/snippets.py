"""Code to copy that serves an artifact, a runtime a function: for model cards, the page, bundles and the documentation.

Code with a `folder` takes it as a Python expression; all other is run in the artifact's folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TEXT = "A man is playing a guitar."
TEXTS = f'["{TEXT}", "Someone is making music."]'
QUERY, ANSWERS = "How do I reset my password?", '["Click on forgotten password.", "The train was late."]'
ON_CPU = '["CPUExecutionProvider"]'
GPU_MODULES = "import importlib.util\nimport shutil\n\n"
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
COMPARE = """
comparator = ort.InferenceSession("onnx/comparator.onnx", providers=["CPUExecutionProvider"])
(logits,) = comparator.run(["logits"], {"u": vectors[:-1], "v": vectors[1:]})  # each text with the next
print(logits)
"""
ENCODE = """ids, mask = (np.array([getattr(text, part) for text in encoded]) for part in ("ids", "attention_mask"))
(vectors,) = session.run(["sentence_embedding"], {"input_ids": ids, "attention_mask": mask})
print(vectors @ vectors.T)  # unit vectors: the dot product is the cosine
"""


@dataclass(frozen=True)
class Tokens:
    """What code must know of an artifact's tokens.

    Args:
        pad_token: what shorter texts of a batch are padded with.
        pad_id: its number.
        prompts: what stands before a text, by the name of its kind.
        default_prompt: the prompt of a text that names none.
    """

    pad_token: str = "[PAD]"
    pad_id: int = 0
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None

    @property
    def prompt(self) -> str | None:
        """Name of the examples' prompt."""
        return self.default_prompt or next(iter(self.prompts), None)

    @property
    def prompted(self) -> str:
        """The examples' first text behind its prompt, quoted."""
        return json.dumps((self.prompts[self.prompt] if self.prompt else "") + TEXT, ensure_ascii=False)


@dataclass(frozen=True)
class Threshold:
    """From which score on two texts are taken for the same.

    Args:
        score: a cosine, or the comparator's logit.
        f1: what was found there, a fraction; None: not known.
        on: the test set's name.
    """

    score: float
    f1: float | None
    on: str

    @classmethod
    def stated(cls, metrics: Mapping[str, object]) -> Threshold | None:
        """The first one among figures by test set, as decant.json has them; None where there is none."""
        for name, one in metrics.items():
            score, f1 = (one.get("threshold"), one.get("f1")) if isinstance(one, dict) else (None, None)
            if isinstance(score, int | float):
                return cls(float(score), float(f1) if isinstance(f1, int | float) else None, name)
        return None

    def line(self, scores: str) -> str:
        """Python that applies it to an expression."""
        found = f"  # F1 {self.f1:.2f} on {self.on}" if self.f1 is not None else ""
        return f"same = {scores} >= {self.score:.4f}{found}\nprint(same)\n"


def onnxruntime(
    tokens: Tokens | None = None, *, gpu_length: int | None = None, comparator: bool = False,
    threshold: Threshold | None = None,
) -> str:  # fmt: skip
    """Python that encodes two texts with onnxruntime and tokenizers alone.

    Args:
        tokens: of the artifact; None: padded by [PAD], number 0, and no prompts.
        gpu_length: most tokens of a text, of a graph that a GPU may run; None: it runs on the CPU.
        comparator: the folder holds onnx/comparator.onnx.
        threshold: of the artifact's score: the comparator's where there is one, else the cosine.
    """
    tokens = tokens or Tokens()
    modules, functions, providers = "", "", ON_CPU
    if gpu_length is not None:
        modules, functions = GPU_MODULES, GPU_PROVIDERS.replace("LENGTH", str(gpu_length))
        providers = "providers()"
    prompt, texts = "", TEXTS
    if tokens.prompt:
        stated = json.dumps(tokens.prompts[tokens.prompt], ensure_ascii=False)
        prompt = f"prompt = {stated}  # {tokens.prompt}\ntexts = {TEXTS}\n"
        texts = "[prompt + text for text in texts]"
    return f"""{modules}{_open(tokens, functions, providers)}{prompt}encoded = tokenizer.encode_batch({texts})
{ENCODE}{COMPARE if comparator else ""}{_same(threshold, comparator)}"""


def onnxruntime_elsewhere(folder: str) -> str:
    """The same for an artifact of which the folder alone is known."""
    return f"""import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

folder = Path({folder})
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))  # truncates at the model's length by itself
pad = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["pad_token"]
tokenizer.enable_padding(pad_token=pad, pad_id=tokenizer.token_to_id(pad))
session = ort.InferenceSession(folder / "onnx" / "model.onnx", providers={ON_CPU})

# where decant.json names prompts, put one before each text
encoded = tokenizer.encode_batch({TEXTS})
{ENCODE}"""


def onnxruntime_reranker(tokens: Tokens, prompt: str, outputs: int, classes: Sequence[str] = ()) -> str:
    """Python that scores a query against two texts with onnxruntime and tokenizers alone.

    Args:
        tokens: of the re-ranker.
        prompt: put before the first text of each pair.
        outputs: raw scores a pair.
        classes: what several scores stand for.
    """
    shown = "for row in np.argsort(-logits[:, 0]):\n    print(texts[row], logits[row, 0])\n"
    if outputs > 1:
        named = f": {json.dumps(classes, ensure_ascii=False)}" if classes else ""
        shown = f"print(logits)  # a column a class{named}\n"
    return f"""{_open(tokens)}
query, texts = "{QUERY}", {ANSWERS}
encoded = tokenizer.encode_batch([({f"{prompt!r} + " if prompt else ""}query, text) for text in texts])
parts = {{"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}}
taken = [edge.name for edge in session.get_inputs()]
inputs = {{name: np.array([getattr(pair, parts[name]) for pair in encoded]) for name in taken}}
(logits,) = session.run(["logits"], inputs)  # float32 [pairs, {outputs}], raw
{shown}"""


def sentence_transformers(folder: str = '"."', *, prompt: str | None = None, onnx: bool = False) -> str:
    """Python that encodes and compares two texts.

    Args:
        folder: of the artifact.
        prompt: name of a prompt that is not the default one.
        onnx: run the graph instead of torch.
    """
    named = f", prompt_name={json.dumps(prompt, ensure_ascii=False)}" if prompt else ""
    return f"""from sentence_transformers import SentenceTransformer

model = SentenceTransformer({folder}{', backend="onnx"' if onnx else ""})
vectors = model.encode({TEXTS}{named})
print(model.similarity(vectors, vectors))
"""


def model2vec(folder: str = '"."') -> str:
    """Of a static student."""
    return f"""\
from model2vec import StaticModel

model = StaticModel.from_pretrained({folder})
vectors = model.encode({TEXTS})
print(vectors @ vectors.T)
"""


def decant_encoder(folder: str = '"."') -> str:
    """In Python, by Decant."""
    return f"""\
from decant import Encoder

vectors = Encoder({folder}).encode({TEXTS})
print(vectors @ vectors.T)  # unit vectors: the dot product is the cosine
"""


def sentence_transformers_reranker() -> str:
    """Python that ranks two texts with the ONNX backend."""
    return f"""from sentence_transformers import CrossEncoder

model = CrossEncoder(".", backend="onnx")
print(model.rank("{QUERY}", {ANSWERS}))
"""


def decant(folder: str) -> str:
    """Commands of ours."""
    return f"""decant verify {folder}
decant encode {folder} < texts.txt > vectors.npy
decant bundle {folder} --for ort --out served
"""


def tei(tag: str) -> str:
    """Commands that start text-embeddings-inference, and ask it."""
    return f"""docker build --build-arg IMAGE="$IMAGE" -t {tag} .
docker run -p 8080:80 {tag}    # or without building: docker run -v "$PWD":/model "$IMAGE" --model-id /model
curl localhost:8080/embed -H 'Content-Type: application/json' -d '{{"inputs": ["{TEXT}"]}}'
"""


def fastembed(name: str, pooling: str, dim: int, tokens: Tokens) -> str:
    """Python; pooling is a name of fastembed's."""
    return f"""from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
TextEmbedding.add_custom_model(model="{name}", pooling=PoolingType.{pooling}, normalization=True,
    sources=ModelSource(hf="{name}"), dim={dim}, model_file="onnx/model.onnx")
model = TextEmbedding("{name}", specific_model_path=".")
vectors = list(model.embed([{tokens.prompted}]))
"""


def transformers_js(name: str, pooling: str | None, tokens: Tokens) -> str:
    """JavaScript; without a pooling that it knows, the graph's vector is taken."""
    models = f"env.localModelPath = 'models';  // a folder that holds this one as {name}"
    if pooling is None:
        return f"""import {{ env, AutoModel, AutoTokenizer }} from '@huggingface/transformers';
{models}
const tokenizer = await AutoTokenizer.from_pretrained('{name}');
const model = await AutoModel.from_pretrained('{name}');
const inputs = tokenizer([{tokens.prompted}], {{ padding: true, truncation: true }});
const vectors = (await model(inputs)).sentence_embedding;
"""
    return f"""import {{ env, pipeline }} from '@huggingface/transformers';
{models}
const extract = await pipeline('feature-extraction', '{name}');
const vectors = await extract([{tokens.prompted}], {{ pooling: '{pooling}', normalize: true }});
"""


def triton(tag: str) -> str:
    """Commands that start Triton, and ask for its configuration."""
    return f"""docker build --build-arg IMAGE="$IMAGE" -t {tag} .
docker run -p 8000:8000 -p 8001:8001 {tag}    # or mount models/ and start tritonserver --model-repository
curl localhost:8000/v2/models/encoder/config
"""


def openvino() -> str:
    """Python that runs the IR; without the hint some processors multiply in bfloat16."""
    return """import openvino
model = openvino.Core().compile_model("encoder/1/model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
vectors = model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
"""


def _same(threshold: Threshold | None, comparator: bool) -> str:
    if threshold is None:
        return ""
    if comparator:
        return threshold.line("logits[:, 0]")
    return "cosine = vectors[0] @ vectors[1]\n" + threshold.line("cosine")


def _open(tokens: Tokens, functions: str = "", providers: str = ON_CPU) -> str:
    """Imports, the tokenizer and the session."""
    usual = (tokens.pad_id, tokens.pad_token) == (0, "[PAD]")  # what tokenizers pads with, unless told otherwise
    padding = "" if usual else f"pad_id={tokens.pad_id}, pad_token={json.dumps(tokens.pad_token)}"
    return f"""import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

{functions}tokenizer = Tokenizer.from_file("tokenizer.json")  # truncates at the model's length by itself
tokenizer.enable_padding({padding})
session = ort.InferenceSession("onnx/model.onnx", providers={providers})
"""
