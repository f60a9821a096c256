"""The `decant` command: one function a verb.

Exit codes: 0 done, 2 bad input, 3 a gate failed or no artifact fits the budget, 75 what may pass by itself (network,
memory, a full disk, another run at work in the folder), 1 a defect, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from decant.errors import DecantError, GateError, InputError, shown
from decant.secrets import redacted
from pipeline.cli.artifact_cli import app as artifact_app
from pipeline.cli.exit_codes import BAD_INPUT, DEFECT, DONE, GATE_FAILED, INTERRUPTED, TEMPORARY, code_of
from pipeline.cli.options import AsJson, Overrides, Quoting, RecipeFile, print_json, print_table
from pipeline.cli.registry_cli import app as registry_app
from pipeline.cli.schedule_cli import app as schedule_app
from pipeline.screen.log_lines import VARIABLE, asked_format, log_format, log_line
from pipeline.screen.text_console import text_console

INTERRUPT_AGAIN_SECONDS = 10.0
NO_ROOM = {
    errno.ENOSPC: "free space or choose another folder with --out",
    errno.EDQUOT: "free space or choose another folder with --out",
    errno.EFBIG: "raise the limit (ulimit -f), or choose a file system with --out that takes larger files",
}
OUT_OF_MEMORY = "out of memory; lower batch_size or max_length"
CUT_SHORT = re.compile(r"\d+ requested and \d+ written")  # numpy's words; it does not tell which of the two it was

app = typer.Typer(
    help="Distil a slow text-pair model into a small, fast one, and prove what was lost and gained.",
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
Out = Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/NAME")]


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM; not a KeyboardInterrupt, which Lightning swallows."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read as torch is loaded; its hints are for developers
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        code = app(standalone_mode=False) or DONE  # what `raise typer.Exit(code)` comes out as
    except Interrupted:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        code = _fail("interrupted; the same command goes on from here", INTERRUPTED)
    except GateError as error:
        code = _fail(f"gate failed: {error}", code_of(error))
    except DecantError as error:
        code = _fail(str(error), code_of(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    except OSError as error:
        code = _fail(_system_error(error), _system_code(error))
    except MemoryError:
        code = _fail(OUT_OF_MEMORY, TEMPORARY)
    except Exception as error:
        code = _usage_or_defect(error)
    sys.exit(code)


@app.command(epilog="Example:\n\n    decant init my.yaml --train pairs.tsv --test held_out.tsv")
def init(
    recipe: RecipeFile = Path("recipe.yaml"),
    train: Annotated[str, typer.Option(help="File of training pairs, beside the recipe.")] = "train.tsv",
    test: Annotated[str, typer.Option(help="File of test pairs.")] = "test.tsv",
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented recipe to start from."""
    from pipeline.recipe.starter import starter_recipe

    if recipe.exists() and not force:
        raise InputError(f"{recipe} is there already; give another name, or --force to replace it")
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(starter_recipe(recipe.stem, train, test), encoding="utf-8")
    typer.echo(f"wrote {recipe}: set its files and columns, then `decant validate {recipe}`")


@app.command(epilog="Example:\n\n    decant validate configs/stsb.yaml --set student.epochs=5")
def validate(recipe: RecipeFile, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Check a recipe, its files and its models; tell all errors at once."""
    from pipeline.preflight.preflight import preflight_errors
    from pipeline.recipe.recipe import RecipeError, load_recipe

    try:
        loaded = load_recipe(recipe, set_ or ())
        errors = preflight_errors(loaded, recipe.parent)
    except RecipeError as error:
        errors = error.errors
    if as_json:
        print_json({"recipe": str(recipe), "errors": errors})
        raise typer.Exit(BAD_INPUT if errors else DONE)
    if errors:
        raise RecipeError(errors)
    typer.echo(f"{recipe} is valid")


@app.command(epilog="Example:\n\n    decant plan configs/stsb.yaml")
def plan(recipe: RecipeFile, set_: Overrides = None, out: Out = None, as_json: AsJson = False) -> None:
    """Show the stages of a run: what is done already, and about how long the rest takes."""
    from pipeline.plan import plan_table, planned_stages
    from pipeline.recipe.recipe import load_recipe

    loaded = load_recipe(recipe, set_ or ())
    stages = planned_stages(loaded, recipe.parent, _run_dir(loaded.name, out))
    if as_json:
        print_json([stage.as_dict() for stage in stages])
    else:
        print_table(plan_table(stages))


@app.command(epilog="Example:\n\n    decant cost runs/stsb --pairs 1e9 --workers 64 --price 0.04")
def cost(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run whose cross-encoder labelled pairs.")],
    pairs: Annotated[float, typer.Option(help="Distinct pairs to label, such as 1e9.")],
    workers: Annotated[int, typer.Option(help="Workers, each as fast as one of that run.")] = 1,
    price: Annotated[float | None, typer.Option(help="Price of one worker for an hour.", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Reckon what it takes to label many pairs, from what a run measured: time, shards, disk, memory, price."""
    from pipeline.label_cost import cost_lines, label_cost, read_labelling

    measured = read_labelling(run)
    found = label_cost(measured, pairs, workers, price)
    if as_json:
        print_json(found.as_dict())
    else:
        typer.echo("\n".join(cost_lines(measured, found)))


@app.command(
    epilog="Examples:\n\n    decant run configs/quickstart.yaml\n\n"
    "    decant run my.yaml --set student.epochs=5 --out runs/try-5\n\n    decant run my.yaml --from student"
)
def run(
    recipe: RecipeFile,
    set_: Overrides = None,
    out: Out = None,
    from_: Annotated[str | None, typer.Option("--from", help="Make this stage and all after it again.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")] = False,
    log_format_: Annotated[
        str,
        typer.Option("--log-format", envvar=VARIABLE, help="What is said on stderr: text, or json, one object a line."),
    ] = "text",
) -> None:
    """Run a recipe end to end; finished stages are used again, a killed run goes on where it was."""
    from pipeline.recipe.recipe import load_recipe
    from pipeline.report.terminal import show_report
    from pipeline.run import run as run_recipe
    from pipeline.run import stages_of
    from pipeline.screen.console import Screen
    from pipeline.tracking.last_run import recorded

    loaded = load_recipe(recipe, set_ or ())
    stages = [stage.name for stage in stages_of(loaded)]
    if from_ is not None and from_ not in stages:
        raise InputError(f"--from {from_}: this recipe has no such stage; its stages are {', '.join(stages)}")
    run_dir = _run_dir(loaded.name, out)
    screen = Screen(quiet=quiet, form=log_format(log_format_), run=loaded.name)
    with recorded(loaded, recipe.parent, run_dir, screen):
        report = run_recipe(loaded, recipe.parent, run_dir, screen, from_)
        if as_json:
            typer.echo(report.model_dump_json(indent=2))
        else:
            show_report(report, text_console())
            typer.echo(f"\nReport: {run_dir.folder('report') / 'report.html'}")
            if report.selected:
                typer.echo(f"To ship: {run_dir.folder('artifacts') / report.selected}")
        if report.left_out:
            raise GateError(f"{'; '.join(report.left_out)}; all else is finished")
        if loaded.budget is not None and report.selected is None:
            raise GateError(f"budget {report.selected_because}")


@app.command(epilog="Example:\n\n    decant report runs/stsb")
def report(
    run_folder: Annotated[Path, typer.Argument(help="A finished run's folder.", metavar="RUN")], as_json: AsJson = False
) -> None:
    """Show the result of a finished run again."""
    from pipeline.report.rows import read_report_json
    from pipeline.report.terminal import show_report

    found = read_report_json(run_folder / "report" / "report.json")
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    show_report(found, text_console())
    typer.echo(f"\nReport: {run_folder / 'report' / 'report.html'}")


@app.command(
    epilog="Examples:\n\n    decant compare runs/nested runs/general\n\n"
    "    decant compare runs/try-1 runs/try-2 runs/try-3 --out tries.html"
)
def compare(
    run_folders: Annotated[list[Path], typer.Argument(help="Finished runs' folders.", metavar="RUN…")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
) -> None:
    """Write one page of several finished runs: their rows in one plot and one table, labelled by run."""
    from pipeline.report.compare import compare_runs

    typer.echo(f"{compare_runs(run_folders, out)}\n\nComparison: {out}")


@app.command(
    epilog="Examples:\n\n    decant pick runs/stsb --min-accuracy 84 --max-size-mib 60\n\n"
    "    decant pick runs/stsb --max-loss 1.5\n\n    decant pick runs/stsb --max-latency-ms 2 --json"
)
def pick(
    run_folder: Annotated[Path, typer.Argument(help="A finished run's folder.", metavar="RUN")],
    min_accuracy: Annotated[float | None, typer.Option(help="Least accuracy ×100, as reports print it: 84.")] = None,
    min_of_teacher: Annotated[float | None, typer.Option(help="Least share of the teacher's accuracy: 0.98.")] = None,
    max_loss: Annotated[float | None, typer.Option(help="Most points below the teacher: 1.5.")] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="Most milliseconds for one text, median.")] = None,
    min_texts_per_second: Annotated[float | None, typer.Option(help="Least throughput.")] = None,
    max_size_mib: Annotated[float | None, typer.Option(help="Most MiB on disk.")] = None,
    max_dim: Annotated[int | None, typer.Option(help="Most dimensions of a vector.")] = None,
    metric: Annotated[str | None, typer.Option(help="What accuracy is, where test sets differ: spearman.")] = None,
    as_json: AsJson = False,
) -> None:
    """Choose the artifact of a finished run to ship under a budget; exit code 3 where none fits.

    With an accuracy asked for: the fastest for one text whose 95 % interval stays above it. Without: the most accurate.
    """
    from pipeline.pick.pick import budget_of, choice_json, choice_text, pick_artifact

    budget = budget_of(
        min=min_accuracy, min_of_teacher=min_of_teacher, max_loss=max_loss, latency_ms=max_latency_ms,
        texts_per_second=min_texts_per_second, size_mib=max_size_mib, dim=max_dim, metric=metric,
    )  # fmt: skip
    choice = pick_artifact(run_folder, budget)
    code = DONE if choice.selected is not None else GATE_FAILED
    if as_json:
        print_json(choice_json(choice, run_folder, budget))
    elif choice.selected is not None:
        typer.echo(choice_text(choice, run_folder))
    else:
        _fail("\n".join(filter(None, (choice.because, choice.note))), code)
    raise typer.Exit(code)


@app.command(
    epilog="Examples:\n\n    decant analyse sentence-transformers/all-mpnet-base-v2 --texts texts.txt --out maps\n\n"
    "    decant analyse MODEL --texts pairs.tsv --column sentence1 --column sentence2 --threshold 0.85\n\n"
    "    decant analyse MODEL --texts texts.txt --save 0.05 --of flops --json"
)
def analyse(
    model: Annotated[
        str, typer.Argument(help="A hub id, a folder, or package:NAME/FOLDER; encoder or decoder.", metavar="MODEL")
    ],
    texts: Annotated[Path, typer.Option(help="File of texts: .txt with one a line, or .tsv .csv .jsonl .parquet.")],
    column: Annotated[
        list[str] | None, typer.Option(help="Column of texts; several by giving it again.", show_default="text")
    ] = None,
    quoting: Quoting = None,
    length: Annotated[int, typer.Option(help="Tokens of an input; texts are joined to fill it.", min=3)] = 128,
    limit: Annotated[int, typer.Option(help="Most inputs of that length.", min=1)] = 512,
    out: Annotated[Path | None, typer.Option(help="Folder for attention.json and attention.png.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Least cosine inside a group.", min=-1, max=1, show_default="0.9")
    ] = None,
    save: Annotated[
        float | None, typer.Option(help="Instead: least share of the model to save, such as 0.05.", min=0, max=1)
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="What --save is of: parameters or flops.", show_default="parameters")
    ] = None,
    longest: Annotated[int, typer.Option(help="Most layers of a group.", min=2)] = 4,
    as_json: AsJson = False,
) -> None:
    """Compare the attention maps of a model's layers, and choose those that could share one.

    A group of consecutive layers shares the map of its first; the first and the last layer of the model stay free.
    Also tells which layers change the token states least. Layers are counted from 0.
    """
    from pipeline.cli import analyse_command as command
    from pipeline.screen.console import Screen
    from pipeline.texts.quoting import quoting_option

    told, watch = quoting_option(quoting), Screen(quiet=as_json).watch
    settings = command.sharing_settings(threshold=threshold, save=save, of=of, longest=longest)
    command.check_out(out)
    found = command.analyse(model, texts, column or ["text"], length, limit, settings, watch, told)
    if out is not None:
        command.write_analysis(found, out)
    if as_json:
        print_json(command.analysis_json(found))
        return
    print_table(command.analysis_table(found))
    typer.echo("\n" + "\n".join(command.analysis_lines(found)))
    if out is not None:
        typer.echo(f"wrote {out / 'attention.json'} and {out / 'attention.png'}")


@app.command(epilog="Example:\n\n    decant doctor --json")
def doctor(as_json: AsJson = False) -> None:
    """Show what this machine can run: CPU features, threads, memory, GPU, runtimes, data."""
    from pipeline.cli.machine_table import examine

    found = examine()
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        typer.echo(f"{name:<22} {value}")


app.add_typer(artifact_app)
app.add_typer(registry_app)
app.add_typer(schedule_app, name="schedule")


def _run_dir(name: str, out: Path | None) -> Any:
    from pipeline.run_dir import RunDir

    return RunDir(out if out is not None else Path("runs") / name)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Python drops an exception that is raised inside a finalizer or a weak reference's callback, so it is sent again
    again = threading.Timer(INTERRUPT_AGAIN_SECONDS, signal.raise_signal, (number,))
    again.daemon = True
    again.start()
    raise Interrupted


def _fail(message: str, code: int, trace: str = "") -> int:
    """Tell of an error, each of its lines, in the format that the command line asks for; the trace of a defect too."""
    lines, trace = [shown(line) for line in message.split("\n")], redacted(trace)
    if asked_format(sys.argv[1:], os.environ) == "json":
        facts = {"trace": trace} if trace else {}
        sys.stderr.write(log_line("error", "failed", exit_code=code, message="; ".join(lines), **facts))
    else:
        sys.stderr.write(trace + "".join(f"decant: {line}\n" for line in lines))
    return code


def _system_code(error: OSError) -> int:
    return TEMPORARY if CUT_SHORT.fullmatch(str(error)) else code_of(error)  # numpy's: a full disk, most often


def _system_error(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if CUT_SHORT.fullmatch(str(error)):
        return f"{os.strerror(errno.ENOSPC)}, or {os.strerror(errno.EFBIG)}; {NO_ROOM[errno.ENOSPC]}"
    remedy = NO_ROOM.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")


def _usage_or_defect(error: Exception) -> int:
    usage: Callable[[], str] | None = getattr(error, "format_message", None)  # click's usage errors
    if usage is not None and not usage():  # no command at all: the help is shown already
        return BAD_INPUT
    if usage is not None:
        return _fail(
            f"{usage().rstrip('.')}; `decant --help` and `decant COMMAND --help` tell what there is", BAD_INPUT
        )
    if type(error).__name__ == "OutOfMemoryError" or os.strerror(errno.ENOMEM) in str(error):  # torch's own
        return _fail(OUT_OF_MEMORY, TEMPORARY)
    for number in NO_ROOM:  # safetensors and torch have errors of their own for a full disk
        if os.strerror(number) in str(error):
            told = OSError(number, os.strerror(number))
            return _fail(_system_error(told), _system_code(told))
    return _fail(f"a defect in Decant: {type(error).__name__}: {error}", DEFECT, traceback.format_exc())


if __name__ == "__main__":
    main()
