"""A recipe is values: no tag of YAML, no variable, no shell and no import path in it is ever followed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.test_bad_input import assert_refused
from tests.tiny_runs import decant

TAGS = ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"]


def tagged(tag: str, mark: Path) -> str:
    return f"{tag} ['{mark}']"


@pytest.mark.parametrize("tag", TAGS)
def test_the_tag_would_run(tag: str, mark: Path) -> None:
    yaml.unsafe_load(tagged(tag, mark))  # noqa: S506
    assert mark.exists()


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_of_python_is_refused(tag: str, project: Path, mark: Path) -> None:
    out = ["--out", project.with_name("run"), "--quiet"]
    assert_refused(decant("run", project, "--set", f"description={tagged(tag, mark)}", *out), "the value is not YAML")
    with project.open("a", encoding="utf-8") as file:
        file.write(f"description: {tagged(tag, mark)}\n")
    for command in (["run", project, *out], ["validate", project], ["plan", project]):
        assert_refused(decant(*command), "not YAML: could not determine a constructor for the tag")
    promote = ["promote", project.parent, "--to", project.with_name("registry"), "--recipe", project]
    assert decant(*promote).code == 2
    assert not mark.exists()


@pytest.mark.parametrize("value", ["$MARK", "${MARK}", "$(touch $MARK)", "`touch $MARK`", "{{ 7 * 7 }}", "%(MARK)s"])
def test_nothing_in_a_value_is_expanded(value: str, project: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARK", str(mark))
    said = decant("validate", project, "--set", f"texts.train='{value}.tsv'")
    assert_refused(said, f"{project.parent / value}.tsv: no such file or folder")
    assert not mark.exists()


@pytest.mark.parametrize("key", ["student.form", "student.pooling", "student.loss", "teacher.kind", "texts.task.kind"])
def test_no_import_path_is_taken(key: str, project: Path) -> None:
    assert_refused(decant("validate", project, "--set", f"{key}=os.system"), key.split(".")[0])


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/b", "..", ".hidden", "a\nb"])
def test_a_name_leads_to_no_other_folder(name: str, project: Path) -> None:
    assert_refused(
        decant("validate", project, "--set", f'name="{name}"'.replace("\n", "\\n")),
        "decant: --set name: must be 1 to 64 letters",
    )
