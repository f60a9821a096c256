"""The verbs of `decant schedule`."""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Out, Overrides, RecipeFile, grouped, print_json, print_table

if TYPE_CHECKING:
    from pipeline.schedule.store import Store

app = typer.Typer(
    help="Repeat runs by themselves: cron or intervals, retries, a history, a promotion at the end.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="The schedule's name.", metavar="NAME")]
Textfiles = Annotated[
    Path | None,
    typer.Option("--prometheus", help="Folder of node_exporter's textfile collector, for how each run ended."),
]


@dataclass(frozen=True)
class State:
    """Where the schedules are kept."""

    home: Annotated[
        Path | None,
        typer.Option(
            help="Folder of logs, locks and the database.", show_default="$DECANT_HOME, or ~/.local/state/decant"
        ),
    ] = None
    store: Annotated[
        str | None,
        typer.Option(
            "--store", help="Database, such as postgresql+psycopg://host/name.", show_default="SQLite in --home"
        ),
    ] = None

    @property
    def folder(self) -> Path:
        """Of logs and locks."""
        from pipeline.schedule.home import home_of

        return home_of(self.home)

    @property
    def url(self) -> str:
        """Of the database."""
        from pipeline.schedule.home import url_of

        return url_of(self.store, self.folder)

    def opened(self) -> AbstractContextManager[Store]:
        """The store, let go of at the end."""
        from pipeline.schedule.store import opened

        return opened(self.url)


@dataclass(frozen=True)
class ScheduleOptions:
    """What a new schedule is to be."""

    cron: Annotated[str | None, typer.Option(help="Minute, hour, day of month, month, weekday, as in crontab.")] = None
    every: Annotated[str | None, typer.Option(help="Time from one run to the next: 90s, 15m, 2h, 1d.")] = None
    timezone: Annotated[str | None, typer.Option(help="IANA name.", show_default="this machine's")] = None
    name: Annotated[str | None, typer.Option(help="The schedule's name.", show_default="the recipe's")] = None
    set_: Overrides = None
    out: Out = None
    promote_to: Annotated[
        str | None, typer.Option(help="Registry that the run's pick is promoted to, by the recipe's gates.")
    ] = None
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Labelled pairs, or a folder as BEIR has it, for the promotion.", show_default="promotion.pairs"
        ),
    ] = None
    retries: Annotated[int, typer.Option(help="More tries after a defect, a kill or what may pass by itself.")] = 2
    backoff: Annotated[str, typer.Option(help="Time before the first retry; doubled each time.")] = "60s"


@app.command(
    epilog="Examples:\n\n    decant schedule add my.yaml --cron '0 3 * * *' --timezone Europe/Berlin\n\n"
    "    decant schedule add my.yaml --every 6h --promote-to registry --pairs today.tsv"
)
@grouped
def add(
    recipe: RecipeFile,
    options: ScheduleOptions,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the schedule of this name.")] = False,
    *,
    state: State,
) -> None:
    """Add a schedule; `decant schedule start` runs it."""
    from pipeline.cli.new_schedule import new_schedule

    schedule = new_schedule(recipe, options)
    with state.opened() as store:
        store.add(schedule, replace=replace)
    typer.echo(f"added {schedule.name}: {schedule.when}; `decant schedule start` runs it")


@app.command("list", epilog="Example:\n\n    decant schedule list --json")
@grouped
def list_(state: State, as_json: AsJson = False) -> None:
    """Show every schedule, when it is due next, and how its last run ended."""
    from pipeline.cli.schedule_tables import planned_json, schedules_table

    with state.opened() as store:
        planned = store.all_planned()
        last = [run for one in planned for run in store.runs(one.schedule.name, 1)]
    if as_json:
        print_json([planned_json(one) for one in planned])
    else:
        print_table(schedules_table(planned, last))


@app.command(epilog="Example:\n\n    decant schedule remove my")
@grouped
def remove(name: Name, state: State) -> None:
    """Forget a schedule; its history and logs stay."""
    with state.opened() as store:
        store.remove(name)
    typer.echo(f"removed {name}")


@app.command(epilog="Examples:\n\n    decant schedule pause my\n\n    decant schedule pause my --resume")
@grouped
def pause(
    name: Name,
    resume: Annotated[bool, typer.Option("--resume", help="Go on; what was missed is not made up for.")] = False,
    *,
    state: State,
) -> None:
    """Let a schedule rest; a run that is at work goes on."""
    import time

    with state.opened() as store:
        store.pause(name, paused=not resume, at=time.time())
    typer.echo(f"{name} {'goes on' if resume else 'rests'}")


@app.command("run-now", epilog="Example:\n\n    decant schedule run-now my")
@grouped
def run_now(
    name: Name,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Leave it where nothing changed in data, recipe and code.")
    ] = False,
    due: Annotated[bool, typer.Option("--due", hidden=True)] = False,  # the scheduler's own call
    *,
    state: State,
    prometheus: Textfiles = None,
) -> None:
    """Run a schedule once, here and now; exit code 3 where a gate is missed."""
    from pipeline.schedule.home import textfiles_folder
    from pipeline.schedule.work import work
    from pipeline.screen.console import Screen

    textfiles, cause, say = textfiles_folder(prometheus), "schedule" if due else "by hand", Screen().say
    with state.opened() as store:
        worked = work(store, state.folder, name, cause, if_changed=if_changed or due, say=say, prometheus=textfiles)
    typer.echo(f"{name}: {worked.state}{f': {worked.said}' if worked.said else ''}")
    raise typer.Exit(worked.code)


@app.command(epilog="Examples:\n\n    decant schedule history\n\n    decant schedule history my --last 50 --json")
@grouped
def history(
    name: Annotated[str | None, typer.Argument(help="Only of this schedule.", metavar="NAME")] = None,
    last: Annotated[int, typer.Option(help="How many runs.", min=1)] = 20,
    *,
    state: State,
    as_json: AsJson = False,
) -> None:
    """Show what came of the runs: done, promoted, refused, skipped, failed, interrupted or lost, and why."""
    from pipeline.cli.schedule_tables import history_table

    with state.opened() as store:
        runs = store.runs(name, last)
        zones = {one.schedule.name: one.schedule.timezone for one in store.all_planned()}
    if as_json:
        print_json([asdict(run) for run in runs])
    else:
        print_table(history_table(runs, zones))


@app.command(
    epilog="Examples:\n\n    decant schedule start\n\n    decant schedule start --parallel 2 --home /var/lib/decant"
)
@grouped
def start(
    parallel: Annotated[int, typer.Option(help="Runs at a time.", min=1)] = 1,
    *,
    state: State,
    prometheus: Textfiles = None,
) -> None:
    """Run the schedules when they are due, in the foreground, until SIGTERM or Ctrl-C."""
    from pipeline.schedule.home import textfiles_folder
    from pipeline.schedule.serve import serve
    from pipeline.screen.console import Screen

    textfiles = textfiles_folder(prometheus)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    screen = Screen()
    with state.opened() as store:
        screen.say(f"{len(store.all_planned())} schedules; logs in {state.folder / 'logs'}")
        serve(store, state.url, state.folder, parallel, screen.say, stopped, textfiles)
    screen.say("stopped; what is unfinished goes on at the next run")
