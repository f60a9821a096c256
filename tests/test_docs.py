"""What the pages say is there: links, paths, modules, commands and recipes; and the README stays short."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.cli.app import app
from pipeline.recipe.recipe import load_recipe
from pipeline.recipe.recipe_page import anchor

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("configs/**/README.md")),
]  # fmt: skip
LIMIT = 10_240
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FOLDERS = "decant|teachers|students|export|pipeline|tests|benchmarks|configs|docs"
NAMED_PATH = re.compile(
    rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]+\.(?:py|yaml|mjs|md|png)\b|(?:{FOLDERS})(?:/[\w-]+)*/(?=`))"
)
MODULE = re.compile(r"(?<![\w./])((?:decant|teachers|students|export|pipeline)(?:\.[a-z_0-9]+){2,})(?![\w/])")
INLINE = re.compile(r"`(decant [a-z][^`]+)`")


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, *languages: str) -> list[str]:
    return [code for language, code in FENCED.findall(page.read_text(encoding="utf-8")) if language in languages]


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= LIMIT


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page_id(page)}: {link}"
        if heading:
            there = {anchor(one) for one in HEADING.findall(prose(target))}
            assert heading in there, f"{page_id(page)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_and_modules_that_are_named_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in NAMED_PATH.findall(text):
        assert re.search("[A-Z]{4}", path) or (ROOT / path).exists(), path  # NAME, TASK and the like stand for any
    for name in MODULE.findall(prose(page)):
        module, _, attribute = name.rpartition(".")
        if name.split(".")[1] in {path.stem for path in (ROOT / name.split(".")[0]).iterdir()}:  # else a recipe's key
            found = (ROOT / f"{name.replace('.', '/')}.py").is_file() or (ROOT / name.replace(".", "/")).is_dir()
            assert found or hasattr(importlib.import_module(module), attribute), name


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_and_options_that_are_shown_are_there(page: Path) -> None:
    shown = [line.lstrip("$ ") for code in blocks(page, "sh", "console") for line in code.splitlines()]
    shown += INLINE.findall(prose(page).replace("\n", " "))
    for line in shown:
        words = line.split(" #")[0].split()
        command: Any = typer.main.get_command(app)
        if words[:1] != ["decant"] or words[1].startswith("-"):
            continue
        for word in words[1:]:
            if hasattr(command, "commands"):
                assert word in command.commands, line
                command = command.commands[word]
            elif word.startswith("--") and word != "--help":
                assert word.split("=")[0] in {one for option in command.params for one in option.opts}, line


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_whole_recipes_that_are_shown_load(page: Path, tmp_path: Path) -> None:
    for code in blocks(page, "yaml"):
        if code.startswith("name:"):
            (tmp_path / "shown.yaml").write_text(code, encoding="utf-8")
            load_recipe(tmp_path / "shown.yaml")
