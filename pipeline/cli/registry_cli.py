"""The verbs of a registry: promote, rollback, releases."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.options import REGISTRY_VARIABLE, AsJson, Overrides, Quiet, Quoting, print_json, print_table

app = typer.Typer()
Location = Annotated[
    str, typer.Argument(help="The registry: a folder, or a URL such as s3://bucket/models.", metavar="REGISTRY")
]


@app.command(
    epilog="Examples:\n\n    decant promote runs/stsb --to registry --pairs today.tsv\n\n"
    "    decant promote runs/stsb/artifacts/L6xD384-fp32 --to s3://bucket/models --recipe configs/stsb.yaml\n\n"
    "    decant promote ARTIFACT --to registry --pairs today.tsv --margin 0.5 --max-latency-ms 3 --webhook env:HOOK"
)
def promote(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact's folder, or a finished run's, whose pick is taken.", metavar="ARTIFACT")
    ],
    to: Annotated[
        str,
        typer.Option(help="The registry: a folder, or a URL such as s3://bucket/models.", envvar=REGISTRY_VARIABLE),
    ],
    pairs: Annotated[
        Path | None, typer.Option(help="Labelled pairs, or a folder as BEIR has it: today's data.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="regression, binary, multiclass or retrieval.", show_default="the recipe's, or regression"),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Class names with commas, in the artifact's order.", show_default="the recipe's")
    ] = None,
    dev: Annotated[
        Path | None,
        typer.Option(help="Pairs that a binary threshold is chosen on.", show_default="what decant.json states"),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose promotion block holds the gates.", show_default="the defaults")
    ] = None,
    set_: Overrides = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Most points ×100 that the interval of the difference may reach below 0.", show_default="1"),
    ] = None,
    level: Annotated[float | None, typer.Option(help="Share inside that interval.", show_default="0.95")] = None,
    resamples: Annotated[int | None, typer.Option(help="Of the bootstrap.", show_default="1000")] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="spearman, pearson, f1, accuracy, average_precision, macro_f1, ndcg.", show_default="by task"
        ),
    ] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Least accuracy ×100, as reports print it: 84.")] = None,
    min_cosine: Annotated[
        float | None, typer.Option(help="Least cosine to torch.", show_default="what it was exported under")
    ] = None,
    min_invariance: Annotated[
        float | None, typer.Option(help="Least cosine of a text alone to itself in a batch.", show_default="0.9999")
    ] = None,
    certificate: Annotated[
        str | None, typer.Option(help="Runtimes that `decant certify` must have found to agree, with commas.")
    ] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="Most milliseconds for one text, median.")] = None,
    max_latency_ratio: Annotated[float | None, typer.Option(help="Most times the deployed one's latency.")] = None,
    max_size_mib: Annotated[float | None, typer.Option(help="Most MiB of the graphs.")] = None,
    max_size_ratio: Annotated[float | None, typer.Option(help="Most times the deployed one's size.")] = None,
    first: Annotated[str | None, typer.Option(help="Column of the first text.", show_default="sentence1")] = None,
    second: Annotated[str | None, typer.Option(help="Column of the second text.", show_default="sentence2")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the label.", show_default="label")] = None,
    quoting: Quoting = None,
    rounds: Annotated[int | None, typer.Option(help="Timed rounds of one text.", show_default="100")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    webhook: Annotated[
        str | None, typer.Option(help="http(s) URL that gets JSON afterwards, or env:NAME of a variable.")
    ] = None,
    command: Annotated[
        list[str] | None, typer.Option(help="Command to run afterwards; give it once for each argument.")
    ] = None,
    announce_timeout_s: Annotated[
        float | None, typer.Option(help="Seconds for webhook and command, each.", show_default="10")
    ] = None,
    sign: Annotated[Path | None, typer.Option(help="Private ed25519 key (PEM) to sign the manifest with.")] = None,
    replace_damaged: Annotated[
        bool,
        typer.Option("--replace-damaged", help="Compare with nothing where the deployed version's files are damaged."),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Deploy an artifact, if it is proven not worse than what is deployed; exit code 3 where a gate is missed.

    Gates: its files' sha256; parity, invariance and certificate as it states them; accuracy not worse by a paired
    bootstrap, latency and size, measured now on the same pairs, in turns with what is deployed.
    """
    from pipeline.cli.promote_command import candidate_of
    from pipeline.cli.promote_command import promote as let_in
    from pipeline.registry.judge import measure_today
    from pipeline.registry.settings import promotion_settings
    from pipeline.registry.signature import signer
    from pipeline.screen.console import Screen

    candidate = candidate_of(artifact)
    options: dict[str, Any] = {
        "pairs": str(pairs) if pairs is not None else None, "margin": margin, "level": level, "resamples": resamples,
        "task": task, "classes": classes.split(",") if classes else None, "dev": str(dev) if dev is not None else None,
        "metric": metric, "min_accuracy": min_accuracy, "min_cosine": min_cosine, "min_invariance": min_invariance,
        "certificate": certificate.split(",") if certificate else None, "max_latency_ms": max_latency_ms,
        "max_latency_ratio": max_latency_ratio, "max_size_mib": max_size_mib, "max_size_ratio": max_size_ratio,
        "columns": {"first": first, "second": second, "label": label}, "webhook": webhook, "command": command or None,
        "quoting": quoting,
        "speed": {"rounds": rounds, "threads": threads}, "announce_timeout_s": announce_timeout_s,
    }  # fmt: skip
    settings = promotion_settings(recipe, options, set_ or ())
    say = Screen(quiet=quiet or as_json).say
    done = let_in(candidate, to, settings, measure_today, say, signer(sign), replace_damaged)
    for failure in done.failed:
        sys.stderr.write(f"decant: promoted, but {failure}\n")
    if as_json:
        release = done.release.model_dump(mode="json") if done.release is not None else None
        said = {"event": done.event, "version": done.version, "release": release, "failed": list(done.failed)}
        print_json(said)
    elif done.release is None:
        typer.echo(f"{candidate.name} is deployed already, as {done.version}; nothing was changed")
    else:
        for gate in done.release.gates:
            typer.echo(f"  {gate.gate}: {gate.said}")
        typer.echo(f"promoted {candidate.name} as {done.version}")


@app.command(
    epilog="Examples:\n\n    decant rollback registry\n\n    decant rollback registry --to 000002-3fa94c21b07d\n\n"
    "    decant rollback registry --verify key.pub.pem"
)
def rollback(
    registry: Location,
    to: Annotated[str | None, typer.Option(help="The version to deploy again.", show_default="the one before")] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Public ed25519 key (PEM); the version must be signed by it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deploy an earlier version again, after checking its files."""
    from pipeline.cli.releases_command import roll_back

    was, become = roll_back(registry, to, verify)
    if as_json:
        print_json({"was": was.version, "current": become.version})
        return
    typer.echo(f"{become.version} is deployed again, instead of {was.version}")


@app.command(epilog="Examples:\n\n    decant releases registry\n\n    decant releases s3://bucket/models --json")
def releases(
    registry: Location,
    events: Annotated[int, typer.Option(help="How many of the last events to show.", min=0)] = 10,
    verify: Annotated[
        Path | None, typer.Option(help="Public ed25519 key (PEM); every release must be signed by it, and as signed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is deployed, what was, and what was refused and why."""
    from pipeline.cli.releases_command import history_lines, releases_json, releases_table
    from pipeline.registry.signature import check_signatures

    held = check_signatures(registry, verify) if verify is not None else None
    if as_json:
        print_json(releases_json(registry))
        return
    print_table(releases_table(registry))
    if events:
        typer.echo("")
        for line in history_lines(registry, events):
            typer.echo(line)
    if verify is not None:
        typer.echo(f"\n{held} release{'s' if held != 1 else ''} signed by {verify.name}, every file as signed")
