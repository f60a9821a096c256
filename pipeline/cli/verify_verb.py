"""`decant verify`: whether an artifact is what was exported."""

from __future__ import annotations

import typer

from pipeline.cli.options import ArtifactFolder, AsJson, print_json

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant verify runs/stsb/artifacts/L6xD384-fp32")
def verify(artifact: ArtifactFolder, as_json: AsJson = False) -> None:
    """Check an artifact: every file's sha256, and that its graph still gives torch's vectors."""
    from pipeline.measure.verify_parity import verify_parity

    facts = verify_parity(artifact)
    if as_json:
        print_json(facts)
        return
    held = "its graph scores pairs; it holds no weights for torch to compare with"
    if "min_cosine" in facts:
        held = (
            f"min cosine to torch {facts['min_cosine']:.6f}, alone against in a batch {facts['batch_invariance']:.6f}"
        )
    typer.echo(f"{artifact} holds: {facts['files']} files as exported, {held}")
