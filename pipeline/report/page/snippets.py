"""How an artifact is served: commands and Python, its folder to be filled in by the page's script."""

from pipeline.report.rows import Report, Row

IN_PYTHON, IN_SHELL = "@PYTHON_FOLDER@", "@SHELL_FOLDER@"  # where the script writes the folder, quoted for each
TITLES = {
    "onnxruntime": "ONNX Runtime (Python)",
    "sentence-transformers": "sentence-transformers (Python)",
    "openvino": "OpenVINO (shell)",
    "shell": "Decant (shell)",
}
SNIPPETS = {
    "onnxruntime": f"""import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

folder = Path({IN_PYTHON})
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))  # truncates at the model's length by itself
pad = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["pad_token"]
tokenizer.enable_padding(pad_token=pad, pad_id=tokenizer.token_to_id(pad))
session = ort.InferenceSession(folder / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])

# where decant.json names prompts, put one before each text
encoded = tokenizer.encode_batch(["A man is playing a guitar.", "Someone is making music."])
ids, mask = (np.array([getattr(text, part) for text in encoded]) for part in ("ids", "attention_mask"))
(vectors,) = session.run(["sentence_embedding"], {{"input_ids": ids, "attention_mask": mask}})
print(vectors @ vectors.T)  # unit vectors: the dot product is the cosine
""",
    "sentence-transformers": f"""from sentence_transformers import SentenceTransformer

model = SentenceTransformer({IN_PYTHON})
vectors = model.encode(["A man is playing a guitar.", "Someone is making music."])  # prompt_name= where it has prompts
print(model.similarity(vectors, vectors))
""",
    "openvino": f"""decant bundle {IN_SHELL} --for openvino --out served
""",
    "shell": f"""decant verify {IN_SHELL}
decant encode {IN_SHELL} < texts.txt > vectors.npy
decant bundle {IN_SHELL} --for ort --out served
""",
}


def snippets_of(row: Row, report: Report) -> list[str]:
    """Names of the snippets that serve what this row measured.

    sentence-transformers reads the float32 weights, so it serves none of the quantized rows, and it has no pooling
    like concat_top_mean.
    """
    if row.runtime == "openvino":
        return ["openvino"]
    student = report.recipe.get("student")
    pooling = student.get("pooling") if isinstance(student, dict) else None
    whole = row.precision == "fp32" and pooling != "concat_top_mean"
    return ["onnxruntime", *(["sentence-transformers"] if whole else []), "shell"]
