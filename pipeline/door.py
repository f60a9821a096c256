"""What `decant` offers to Python beside artifacts: reading a recipe, and running one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.errors import InputError
from decant.extras import missing_extra
from decant.files import expand_user
from pipeline.recipe import recipe as recipes
from pipeline.recipe.recipe import Recipe
from pipeline.report.rows import Report


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the YAML file.
        overrides: `key.of.a.setting=value` each, as given to `--set`; the value is YAML.

    Raises:
        InputError: all that is wrong with the file's form and values, a line each.
    """
    return recipes.load_recipe(expand_user(path), overrides)


def run(
    recipe: str | Path | Recipe, out: str | Path | None = None, *, overrides: Sequence[str] = (),
    base: str | Path | None = None, quiet: bool = False,
) -> Report:  # fmt: skip
    """Run a recipe end to end, as `decant run` does; finished stages are used again.

    A budget that no artifact keeps raises nothing: then `selected` of the report is None.

    Args:
        recipe: its file, or what `load_recipe` gave.
        out: the run's folder; runs/NAME, unless given.
        overrides: as of `load_recipe`; of a file alone.
        base: the folder that the recipe's relative paths start from; the file's own folder or, of a recipe that is
            loaded already, the working directory, unless given.
        quiet: no progress on stderr, only warnings.

    Raises:
        InputError: the recipe, its data or its models cannot be used, or `decant[train]` is not installed.
        GateError: an exported graph misses a gate.
    """
    if isinstance(recipe, Recipe):
        if overrides:
            raise InputError("overrides go over a recipe's file; give them to load_recipe")
        loaded, folder = recipe, Path()
    else:
        loaded, folder = load_recipe(recipe, overrides), expand_user(recipe).parent
    try:
        from pipeline.run import run as run_recipe
    except ModuleNotFoundError as error:
        raise InputError(missing_extra(error) or str(error)) from error
    from pipeline.run_dir import RunDir
    from pipeline.screen.console import Screen
    from pipeline.tracking.last_run import recorded

    start = expand_user(base) if base is not None else folder
    run_dir = RunDir(expand_user(out) if out is not None else Path("runs") / loaded.name)
    screen = Screen(quiet=quiet, run=loaded.name)
    with recorded(loaded, start, run_dir, screen):
        run_recipe(loaded, start, run_dir, screen)
    return Report.read(run_dir.root)
