"""`decant promote`: an artifact through the gates, and into a registry."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.options import AsJson, Overrides, Quiet, Quoting, grouped, print_json
from pipeline.registry import REGISTRY_VARIABLE

app = typer.Typer()


@dataclass(frozen=True)
class Stated:
    """What is stated of a promotion: fields of `PromotionSettings`, and the recipe that they go over."""

    pairs: Annotated[
        Path | None, typer.Option(help="Labelled pairs, a folder as BEIR has it, or with --on a suite: today's data.")
    ] = None
    on: Annotated[str | None, typer.Option(help="Name of the set of the suite to measure on: scifact.")] = None
    task: Annotated[
        str | None,
        typer.Option(help="regression, binary, multiclass or retrieval.", show_default="the recipe's, or regression"),
    ] = None
    classes: Annotated[
        str | None, typer.Option(help="Class names with commas, in the artifact's order.", show_default="the recipe's")
    ] = None
    dev: Annotated[
        Path | None,
        typer.Option(help="Pairs that a binary threshold is chosen on.", show_default="what decant.json states"),
    ] = None
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose promotion block holds the gates.", show_default="the defaults")
    ] = None
    set_: Overrides = None
    margin: Annotated[
        float | None,
        typer.Option(help="Most points ×100 that the interval of the difference may reach below 0.", show_default="1"),
    ] = None
    level: Annotated[float | None, typer.Option(help="Share inside that interval.", show_default="0.95")] = None
    resamples: Annotated[int | None, typer.Option(help="Of the bootstrap.", show_default="1000")] = None
    metric: Annotated[
        str | None,
        typer.Option(
            help="spearman, pearson, f1, accuracy, average_precision, macro_f1, ndcg.", show_default="by task"
        ),
    ] = None
    min_accuracy: Annotated[float | None, typer.Option(help="Least accuracy ×100, as reports print it: 84.")] = None
    min_cosine: Annotated[
        float | None, typer.Option(help="Least cosine to torch.", show_default="what it was exported under")
    ] = None
    min_invariance: Annotated[
        float | None, typer.Option(help="Least cosine of a text alone to itself in a batch.", show_default="0.9999")
    ] = None
    certificate: Annotated[
        str | None, typer.Option(help="Runtimes that `decant certify` must have found to agree, with commas.")
    ] = None
    max_latency_ms: Annotated[float | None, typer.Option(help="Most milliseconds for one text, median.")] = None
    max_latency_ratio: Annotated[float | None, typer.Option(help="Most times the deployed one's latency.")] = None
    max_size_mib: Annotated[float | None, typer.Option(help="Most MiB of the graphs.")] = None
    max_size_ratio: Annotated[float | None, typer.Option(help="Most times the deployed one's size.")] = None
    first: Annotated[str | None, typer.Option(help="Column of the first text.", show_default="sentence1")] = None
    second: Annotated[str | None, typer.Option(help="Column of the second text.", show_default="sentence2")] = None
    label: Annotated[str | None, typer.Option(help="Column of the label.", show_default="label")] = None
    quoting: Quoting = None
    rounds: Annotated[int | None, typer.Option(help="Timed rounds of one text.", show_default="100")] = None
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None
    webhook: Annotated[
        str | None, typer.Option(help="http(s) URL that gets JSON afterwards, or env:NAME of a variable.")
    ] = None
    command: Annotated[
        list[str] | None, typer.Option(help="Command to run afterwards; give it once for each argument.")
    ] = None
    announce_timeout_s: Annotated[
        float | None, typer.Option(help="Seconds for webhook and command, each.", show_default="10")
    ] = None

    def options(self) -> dict[str, Any]:
        """The options by the field of `PromotionSettings`; None: not given."""
        given = {name: value for name, value in asdict(self).items() if name not in ("recipe", "set_")}
        under = {
            "columns": {name: given.pop(name) for name in ("first", "second", "label")},
            "speed": {name: given.pop(name) for name in ("rounds", "threads")},
        }
        texts = {name: str(given[name]) for name in ("pairs", "dev") if given[name] is not None}
        lists = {name: given[name].split(",") if given[name] else None for name in ("classes", "certificate")}
        given["set"] = given.pop("on")
        return given | under | texts | lists | {"command": self.command or None}


@app.command(
    epilog="Examples:\n\n    decant promote runs/stsb --to registry --pairs today.tsv\n\n"
    "    decant promote runs/stsb/artifacts/L6xD384-fp32 --to s3://bucket/models --recipe configs/stsb.yaml\n\n"
    "    decant promote ARTIFACT --to registry --pairs today.tsv --margin 0.5 --max-latency-ms 3 --webhook env:HOOK"
)
@grouped
def promote(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact's folder, or a finished run's, whose pick is taken.", metavar="ARTIFACT")
    ],
    to: Annotated[
        str,
        typer.Option(help="The registry: a folder, or a URL such as s3://bucket/models.", envvar=REGISTRY_VARIABLE),
    ],
    stated: Stated,
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
    from pipeline.screen.console import Screen

    screen = Screen(quiet=quiet or as_json)
    with screen.watch("loading", 1):
        from pipeline.pick.run_pick import candidate_of
        from pipeline.registry.judge import measure_today
        from pipeline.registry.promote import promote as let_in
        from pipeline.registry.settings import promotion_settings
        from pipeline.registry.signature import signer

    candidate = candidate_of(artifact)
    settings = promotion_settings(stated.recipe, stated.options(), stated.set_ or ())
    done = let_in(candidate, to, settings, measure_today, screen.say, signer(sign), replace_damaged)
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
