"""Reports and registries: what pick, compare, report, releases and rollback read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pipeline.cli.releases_verb import history_lines, releases_json, releases_table
from pipeline.pick.pick import budget_of, choice_json, choice_text, pick_artifact
from pipeline.pick.run_pick import candidate_of
from pipeline.registry.registry import Registry
from pipeline.report.compare import compare_runs
from pipeline.report.rows import Report, read_report_json
from pipeline.report.terminal import show_report
from pipeline.screen.terminal_table import command_table
from pipeline.screen.text_console import text_console
from pipeline.snapshot import read_snapshot
from tests.fuzz.bounds import works_or_refuses
from tests.fuzz.mutate import changed, scalars, spoiled
from tests.fuzz.target import Target
from tests.pipeline.report.conftest import stand_artifacts
from tests.tiny_artifacts import tiny_artifact

BUDGETS: list[dict[str, Any]] = [{"min": 84.0}, {"max_loss": 1.0, "latency_ms": 2.0}, {}]
LIMITS = ["min", "min_of_teacher", "max_loss", "latency_ms", "texts_per_second", "size_mib", "dim", "metric"]
JSON_BITS = (b"\0", b"\xff", b"[" * 5000, b"9" * 5000, b"NaN", b"\\ud800", b"1e999", b"Infinity", b"{", b'"', b"-")
EVENT = {"time": "2026-01-02T03:04:05.000000+00:00", "event": "promoted", "candidate": "x", "why": "w"}


def report_targets(place: Path, report: Report) -> list[Target]:
    """Targets that write into `place`."""
    good: dict[str, Any] = json.loads(report.model_dump_json())
    runs = [place / "one", place / "other"]
    for run in runs:
        (run / "report").mkdir(parents=True)
        (run / "report" / "report.json").write_text(json.dumps(good), encoding="utf-8")
        stand_artifacts(report, run)
    path = runs[0] / "report" / "report.json"

    def pick(content: Any) -> None:
        path.write_text(json.dumps(content), encoding="utf-8")
        works_or_refuses(candidate_of, runs[0])
        read = works_or_refuses(read_report_json, path)
        if read is None:
            return
        for limits in BUDGETS:
            budget = budget_of(**limits)
            choice = works_or_refuses(pick_artifact, runs[0], budget)
            if choice is not None:
                json.dumps(choice_json(choice, runs[0], budget))
                assert choice.selected is None or choice_text(choice, runs[0])
        for terminal in (True, False):
            show_report(read, text_console(file=io.StringIO(), width=100, force_terminal=terminal))

    def compare(content: Any) -> None:
        path.write_text(json.dumps(content), encoding="utf-8")
        works_or_refuses(compare_runs, runs, place / "page.html")

    def content(spoilt: bytes) -> None:
        path.write_bytes(spoilt)
        works_or_refuses(read_report_json, path)
        works_or_refuses(candidate_of, runs[0])
        works_or_refuses(read_snapshot, path)

    def budget(limits: dict[str, Any]) -> None:
        path.write_text(json.dumps(good), encoding="utf-8")
        found = works_or_refuses(lambda: budget_of(**limits), lines=20)
        if found is not None:
            works_or_refuses(pick_artifact, runs[0], found)

    limits = st.dictionaries(st.sampled_from(LIMITS), scalars, max_size=3)
    return [
        Target("report", changed(good), pick, (), 60, 100),
        Target("report, bytes", spoiled([json.dumps(good).encode()], JSON_BITS), content, [b"[" * 10**5], 100, 400),
        Target("report, compared", changed(good), compare, (), 12, 15),
        Target("budget", limits, budget, [{"dim": 10**400}], 50, 200),
        registry_target(place / "registry", tiny_artifact(place / "artifact")),
    ]


def registry_target(place: Path, artifact: Path) -> Target:
    """A registry with one release, any of whose records is changed."""
    registry = Registry.at(place)
    release = registry.add(artifact)
    paths = [place / "current", place / "releases" / f"{release.version}.json", place / "history" / "1.json"]
    paths[2].parent.mkdir()
    goods = [json.loads(path.read_text(encoding="utf-8")) for path in paths[:2]] + [
        EVENT | {"version": release.version}
    ]

    def show() -> None:
        releases_json(str(place))
        text_console(file=io.StringIO(), width=160).print(command_table(releases_table(str(place)), 160).table)
        history_lines(str(place), 10)

    def use(contents: list[Any]) -> None:
        for path, content in zip(paths, contents, strict=True):
            path.write_text(json.dumps(content), encoding="utf-8")
        works_or_refuses(show)
        works_or_refuses(registry.fetch, release.version, place / "scratch")
        works_or_refuses(registry.rollback, release.version)

    one = st.integers(0, 2).flatmap(lambda at: changed(goods[at]).map(lambda bad: [*goods[:at], bad, *goods[at + 1 :]]))
    return Target("registry", one, use, (), 60, 150)
