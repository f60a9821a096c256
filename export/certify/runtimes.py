"""The runtimes that an artifact can be certified in, with the versions they are installed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from decant.errors import InputError
from export.deploy.target import Target

MODEL2VEC = "model2vec"  # which reads static students' tables, and nothing else


@dataclass(frozen=True)
class Runtime:
    """One runtime.

    Args:
        name: by which users and the certificate call it.
        target: what `decant bundle --for` writes for it.
        kind: a Python environment, a Node one, or only rules that a server's folder must keep.
        packages: what is installed, with versions.
        script: the file in `export/certify/scripts` that runs it.
        here: the module that must be importable for this interpreter to be taken; None: never.
        strips: it takes spaces off a text's ends, which some tokenizers heed.
    """

    name: str
    target: Target
    kind: Literal["python", "node", "rules"] = "python"
    packages: tuple[str, ...] = ()
    script: str = ""
    here: str | None = None
    strips: bool = False


RUNTIMES = (
    Runtime(
        "onnxruntime", "ort", packages=("onnxruntime==1.31.1", "tokenizers==0.23.3", "numpy==2.4.6"),
        script="onnxruntime_python.py",
    ),
    Runtime(
        "sentence-transformers", "st",
        packages=("sentence-transformers==6.2.0", "transformers==5.23.0", "torch==2.13.0"),
        script="sentence_transformers_torch.py", here="sentence_transformers",
    ),
    Runtime(  # optimum-onnx asks for transformers below 4.58
        "sentence-transformers-onnx", "st",
        packages=(
            "sentence-transformers==5.2.3", "optimum-onnx[onnxruntime]==0.1.0", "transformers==4.57.6", "torch==2.13.0",
        ),
        script="sentence_transformers_onnx.py", strips=True,
    ),
    Runtime(MODEL2VEC, "st", packages=("model2vec==0.10.0",), script="model2vec_python.py", here="model2vec"),
    Runtime("fastembed", "fastembed", packages=("fastembed==0.9.1",), script="fastembed_custom.py"),
    Runtime(
        "transformers.js", "transformers.js", "node", packages=("@huggingface/transformers@4.3.1",),
        script="transformers_js.mjs",
    ),
    Runtime(
        "openvino", "openvino", packages=("openvino==2026.4.1", "tokenizers==0.23.3"), script="openvino_python.py"
    ),
    Runtime("text-embeddings-inference", "tei", "rules"),
    Runtime("triton", "triton", "rules"),
)  # fmt: skip


def runtimes_of(names: Sequence[str] | None) -> list[Runtime]:
    """The runtimes of these names, in the order of `RUNTIMES`; all of them for None.

    Raises:
        InputError: a name is unknown, or there is none.
    """
    known = [runtime.name for runtime in RUNTIMES]
    wanted = known if names is None else [name.strip() for name in names if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        given = unknown[0] if unknown else "nothing"
        raise InputError(f"--runtimes {given}: choose from {', '.join(known)}, separated by commas")
    return [runtime for runtime in RUNTIMES if runtime.name in wanted]
