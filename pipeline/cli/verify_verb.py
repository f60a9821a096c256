"""`decant verify`: whether an artifact is what was exported."""

from __future__ import annotations

import typer

from pipeline.cli.options import ArtifactFolder, AsJson, print_json

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant verify runs/stsb/artifacts/L6xD384-fp32")
def verify(artifact: ArtifactFolder, as_json: AsJson = False) -> None:
    """Check an artifact: every file's sha256, and that its graph still gives torch's vectors."""
    from pipeline.screen.console import Screen

    watch = Screen(quiet=as_json).watch
    with watch("loading", 1):
        from pipeline.measure.verify_parity import verify_parity
    facts = verify_parity(artifact, watch)
    if as_json:
        print_json(facts)
        return
    held = "its graph scores pairs; it holds no weights for torch to compare with"
    if "batch_invariance" in facts:
        held = f"alone against in a batch {facts['batch_invariance']:.6f}"
        held = f"min cosine to torch {facts['min_cosine']:.6f}, {held}" if "min_cosine" in facts else held
    typer.echo(f"{artifact} holds: {facts['files']} files as exported, {held}")
    if "not_compared" in facts:
        typer.echo(f"It was not compared with PyTorch: {facts['not_compared']}")
