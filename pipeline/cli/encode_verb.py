"""`decant encode`: lines of text to vectors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from decant.errors import InputError
from pipeline.cli.options import ArtifactFolder, Threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from export.graphs.vector_kinds import VectorKind

app = typer.Typer()
ENCODED_LINES = 4096


@app.command(
    epilog="Examples:\n\n    decant encode runs/stsb/artifacts/L6xD384-fp32 < texts.txt > vectors.npy\n\n"
    "    decant encode ARTIFACT --vectors binary < texts.txt > signs.npy\n\n"
    "    decant encode ARTIFACT --prompt query < questions.txt > vectors.npy"
)
def encode(
    artifact: ArtifactFolder,
    format_: Annotated[str, typer.Option("--format", help="npy (one matrix) or jsonl (one vector a line).")] = "npy",
    vectors: Annotated[
        str, typer.Option(help="float32, or int8 or binary (eight signs a byte) where the artifact gives them.")
    ] = "float32",
    prompt: Annotated[
        str | None,
        typer.Option(
            help="Name of the artifact's prompt that each text stands behind.", show_default="the artifact's default"
        ),
    ] = None,
    prompt_text: Annotated[str | None, typer.Option(help="A prompt itself, in place of one of the artifact's.")] = None,
    batch_size: Annotated[int, typer.Option(help="Texts a batch.", min=1)] = 32,
    threads: Threads = None,
) -> None:
    """Encode the lines of standard input to vectors on standard output."""
    from decant.models.prompts import PromptText

    if format_ not in ("npy", "jsonl"):
        raise InputError(f"--format {format_}: choose npy or jsonl")
    kinds: dict[str, VectorKind] = {"float32": "float32", "int8": "int8", "binary": "binary"}
    if vectors not in kinds:
        raise InputError(f"--vectors {vectors}: choose {', '.join(kinds)}")
    if format_ == "npy" and sys.stdout.isatty():
        raise InputError(
            "a .npy matrix does not belong on a terminal; redirect it: decant encode ARTIFACT < texts > vectors.npy"
        )
    if prompt is not None and prompt_text is not None:
        raise InputError("--prompt and --prompt-text: give one of them")
    before = PromptText(prompt_text) if prompt_text is not None else prompt
    encode_lines(artifact, sys.stdin.buffer, sys.stdout.buffer, format_, batch_size, threads, kinds[vectors], before)


def encode_lines(
    folder: Path, lines: BinaryIO, out: BinaryIO, format_: str, batch_size: int = 32, threads: int | None = None,
    vectors: VectorKind = "float32", prompt: str | None = None,
) -> None:  # fmt: skip
    """Encode each line; `npy` writes one matrix [lines, dim], `jsonl` one JSON list a line as it goes.

    Raises:
        InputError: the artifact is not as exported or does not give such vectors, or a line is not UTF-8.
    """
    from pipeline.screen.console import Screen

    with Screen().watch("loading the artifact", 1):
        import numpy as np

        from export.artifact.manifest import verify_artifact
        from export.serve.open_encoder import open_encoder

        encoder = open_encoder(folder, verify_artifact(folder), threads)

    def encode(texts: list[str]) -> NDArray[Any]:
        if vectors == "float32":
            return encoder.encode(texts, batch_size, prompt=prompt)
        return encoder.encode_small(texts, vectors, batch_size, prompt=prompt)

    whole: list[NDArray[Any]] = [encode([])]  # tells of vectors that are not there before the first line is read
    batch: list[str] = []

    def flush() -> None:
        if not batch:
            return
        found = encode(batch)
        batch.clear()
        if format_ == "npy":
            whole.append(found)
        else:
            out.writelines(json.dumps([round(x, 7) for x in row.tolist()]).encode() + b"\n" for row in found)

    for number, line in enumerate(lines, start=1):
        try:
            batch.append(line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise InputError(f"line {number} of the input is not UTF-8") from error
        if len(batch) == ENCODED_LINES:
            flush()
    flush()
    if format_ == "npy":
        matrix = np.concatenate(whole)
        np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(matrix))
        out.write(matrix.tobytes())  # np.save asks for a place in the file, which a pipe may not have
    out.flush()
