"""`decant bundle`: an artifact as one runtime mounts or loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import ArtifactFolder

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n    decant bundle runs/stsb/artifacts/L6xD384-fp32 --for tei --out served\n\n"
    "    decant bundle runs/stsb/artifacts/L6xD384-fp32 --for transformers.js --out web/model --force"
)
def bundle(
    artifact: ArtifactFolder,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    for_: Annotated[
        str,
        typer.Option("--for", help="ort, st, tei, fastembed, transformers.js, triton or openvino.", metavar="RUNTIME"),
    ],
    force: Annotated[bool, typer.Option(help="Replace what --out holds.")] = False,
) -> None:
    """Write a folder that one runtime mounts or loads as it is, with a README and, for servers, a Dockerfile.

    ort: ONNX Runtime. st: sentence-transformers. tei: text-embeddings-inference.
    """
    from export.deploy.folder import bundle_artifact
    from export.deploy.target import target_of

    bundle_artifact(artifact, target_of(for_), out, force=force)
    typer.echo(f"wrote {out}; {out / 'README.md'} tells how to start it")
