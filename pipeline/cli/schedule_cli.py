"""The verbs of `decant schedule`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, Overrides, RecipeFile, print_json, print_table

app = typer.Typer(
    help="Repeat runs by themselves: cron or intervals, retries, a history, a promotion at the end.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="The schedule's name.", metavar="NAME")]
Home = Annotated[
    Path | None,
    typer.Option(help="Folder of logs, locks and the database.", show_default="$DECANT_HOME, or ~/.local/state/decant"),
]
StoreUrl = Annotated[
    str | None,
    typer.Option("--store", help="Database, such as postgresql+psycopg://host/name.", show_default="SQLite in --home"),
]
Textfiles = Annotated[
    Path | None,
    typer.Option("--prometheus", help="Folder of node_exporter's textfile collector, for how each run ended."),
]


@app.command(
    epilog="Examples:\n\n    decant schedule add my.yaml --cron '0 3 * * *' --timezone Europe/Berlin\n\n"
    "    decant schedule add my.yaml --every 6h --promote-to registry --pairs today.tsv"
)
def add(
    recipe: RecipeFile,
    cron: Annotated[str | None, typer.Option(help="Minute, hour, day of month, month, weekday, as in crontab.")] = None,
    every: Annotated[str | None, typer.Option(help="Time from one run to the next: 90s, 15m, 2h, 1d.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name.", show_default="this machine's")] = None,
    name: Annotated[str | None, typer.Option(help="The schedule's name.", show_default="the recipe's")] = None,
    set_: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/NAME")] = None,
    promote_to: Annotated[
        str | None, typer.Option(help="Registry that the run's pick is promoted to, by the recipe's gates.")
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Labelled pairs, or a folder as BEIR has it, for the promotion.", show_default="promotion.pairs"
        ),
    ] = None,
    retries: Annotated[int, typer.Option(help="More tries after a defect, a kill or what may pass by itself.")] = 2,
    backoff: Annotated[str, typer.Option(help="Time before the first retry; doubled each time.")] = "60s",
    replace: Annotated[bool, typer.Option("--replace", help="Replace the schedule of this name.")] = False,
    home: Home = None,
    store: StoreUrl = None,
) -> None:
    """Add a schedule; `decant schedule start` runs it."""
    from pipeline.cli.schedule_command import home_of, new_schedule, url_of
    from pipeline.schedule.store import opened

    schedule = new_schedule(
        recipe, name=name, out=out, cron=cron, every=every, timezone=timezone, overrides=set_ or (),
        promote_to=promote_to, pairs=pairs, retries=retries, backoff=backoff,
    )  # fmt: skip
    with opened(url_of(store, home_of(home))) as opened_store:
        opened_store.add(schedule, replace=replace)
    typer.echo(f"added {schedule.name}: {schedule.when}; `decant schedule start` runs it")


@app.command("list", epilog="Example:\n\n    decant schedule list --json")
def list_(home: Home = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Show every schedule, when it is due next, and how its last run ended."""
    from pipeline.cli.schedule_command import home_of, planned_json, schedules_table, url_of
    from pipeline.schedule.store import opened

    with opened(url_of(store, home_of(home))) as opened_store:
        planned = opened_store.all_planned()
        last = [run for one in planned for run in opened_store.runs(one.schedule.name, 1)]
    if as_json:
        print_json([planned_json(one) for one in planned])
    else:
        print_table(schedules_table(planned, last))


@app.command(epilog="Example:\n\n    decant schedule remove my")
def remove(name: Name, home: Home = None, store: StoreUrl = None) -> None:
    """Forget a schedule; its history and logs stay."""
    from pipeline.cli.schedule_command import home_of, url_of
    from pipeline.schedule.store import opened

    with opened(url_of(store, home_of(home))) as opened_store:
        opened_store.remove(name)
    typer.echo(f"removed {name}")


@app.command(epilog="Examples:\n\n    decant schedule pause my\n\n    decant schedule pause my --resume")
def pause(
    name: Name,
    resume: Annotated[bool, typer.Option("--resume", help="Go on; what was missed is not made up for.")] = False,
    home: Home = None,
    store: StoreUrl = None,
) -> None:
    """Let a schedule rest; a run that is at work goes on."""
    import time

    from pipeline.cli.schedule_command import home_of, url_of
    from pipeline.schedule.store import opened

    with opened(url_of(store, home_of(home))) as opened_store:
        opened_store.pause(name, paused=not resume, at=time.time())
    typer.echo(f"{name} {'goes on' if resume else 'rests'}")


@app.command("run-now", epilog="Example:\n\n    decant schedule run-now my")
def run_now(
    name: Name,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Leave it where nothing changed in data, recipe and code.")
    ] = False,
    due: Annotated[bool, typer.Option("--due", hidden=True)] = False,  # the scheduler's own call
    home: Home = None,
    store: StoreUrl = None,
    prometheus: Textfiles = None,
) -> None:
    """Run a schedule once, here and now; exit code 3 where a gate is missed."""
    from pipeline.cli.schedule_command import home_of, textfiles_folder, url_of
    from pipeline.schedule.store import opened
    from pipeline.schedule.work import work
    from pipeline.screen.console import Screen

    folder, cause = home_of(home), "schedule" if due else "by hand"
    textfiles = textfiles_folder(prometheus)
    with opened(url_of(store, folder)) as opened_store:
        worked = work(
            opened_store, folder, name, cause, if_changed=if_changed or due, say=Screen().say, prometheus=textfiles
        )
    typer.echo(f"{name}: {worked.state}{f': {worked.said}' if worked.said else ''}")
    raise typer.Exit(worked.code)


@app.command(epilog="Examples:\n\n    decant schedule history\n\n    decant schedule history my --last 50 --json")
def history(
    name: Annotated[str | None, typer.Argument(help="Only of this schedule.", metavar="NAME")] = None,
    last: Annotated[int, typer.Option(help="How many runs.", min=1)] = 20,
    home: Home = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what came of the runs: done, promoted, refused, skipped, failed, interrupted or lost, and why."""
    from pipeline.cli.schedule_command import history_table, home_of, run_json, url_of
    from pipeline.schedule.store import opened

    with opened(url_of(store, home_of(home))) as opened_store:
        runs = opened_store.runs(name, last)
        zones = {one.schedule.name: one.schedule.timezone for one in opened_store.all_planned()}
    if as_json:
        print_json([run_json(run) for run in runs])
    else:
        print_table(history_table(runs, zones))


@app.command(
    epilog="Examples:\n\n    decant schedule start\n\n    decant schedule start --parallel 2 --home /var/lib/decant"
)
def start(
    parallel: Annotated[int, typer.Option(help="Runs at a time.", min=1)] = 1,
    home: Home = None,
    store: StoreUrl = None,
    prometheus: Textfiles = None,
) -> None:
    """Run the schedules when they are due, in the foreground, until SIGTERM or Ctrl-C."""
    from pipeline.cli.schedule_command import home_of, textfiles_folder, url_of
    from pipeline.schedule.serve import serve
    from pipeline.schedule.store import opened
    from pipeline.screen.console import Screen

    textfiles = textfiles_folder(prometheus)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    folder, screen = home_of(home), Screen()
    url = url_of(store, folder)
    with opened(url) as opened_store:
        screen.say(f"{len(opened_store.all_planned())} schedules; logs in {folder / 'logs'}")
        serve(opened_store, url, folder, parallel, screen.say, stopped, textfiles)
    screen.say("stopped; what is unfinished goes on at the next run")
