"""`decant certify`: an artifact loaded in the runtimes themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import ArtifactFolder, AsJson, Quiet, print_json

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n    decant certify runs/stsb/artifacts/L6xD384-fp32\n\n"
    "    decant certify runs/stsb/artifacts/L6xD384-fp32 --runtimes onnxruntime,fastembed,transformers.js --strict"
)
def certify(
    artifact: ArtifactFolder,
    runtimes: Annotated[
        str | None,
        typer.Option(
            help="onnxruntime, sentence-transformers, sentence-transformers-onnx, model2vec, fastembed, "
            "transformers.js, openvino, text-embeddings-inference, triton; several with commas.",
            show_default="all of them",
        ),
    ] = None,
    min_cosine: Annotated[float, typer.Option(help="Least cosine to our own vectors.", min=-1, max=1)] = 0.999,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 3 also where a runtime that could run it was not.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Where environments are kept.", show_default="the user's cache folder")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Load an artifact in the runtimes themselves, on 500 texts, and write into it what came of that.

    Each runtime is installed once, in an environment of its own; the torch of sentence-transformers takes minutes.
    Of text-embeddings-inference and Triton the rules of their folders are checked. Exit code 3 where one disagrees.
    """
    from pipeline.screen.console import Screen

    screen = Screen(quiet=quiet)
    with screen.watch("loading", 1):
        from pipeline.measure.certification import certify_artifact, hold_certificate

    names = runtimes.split(",") if runtimes is not None else None
    records = certify_artifact(artifact, names, cache, min_cosine, screen)
    if as_json:
        print_json({name: record.model_dump(mode="json") for name, record in records.items()})
    else:
        said = "one runtime" if len(records) == 1 else f"{len(records)} runtimes"
        typer.echo(f"wrote what came of {said} into {artifact / 'decant.json'} and its README.md")
    hold_certificate(records, strict=strict)
