"""What becomes deployed: a candidate that passes every gate, or an earlier version again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from decant.errors import GateError, InputError, TemporaryError
from decant.files import sha256_of
from decant.secrets import redacted
from export.artifact.manifest import MANIFEST, verify_artifact
from pipeline.registry.announce import announce
from pipeline.registry.gates import measured_gates, missed, stated_gates
from pipeline.registry.records import Event, EventKind, Gate, Pointer, Release, Today, now
from pipeline.registry.registry import Registry, Sign, same_model
from pipeline.registry.settings import PromotionSettings
from pipeline.registry.signature import voucher
from pipeline.registry.storage import LockedOutError

Measure = Callable[[Path, Path | None, Path, PromotionSettings], Today]


@dataclass(frozen=True)
class Promotion:
    """What came of a candidate that was not refused."""

    event: EventKind
    version: str
    release: Release | None
    """None: the deployed artifact is this one already."""
    failed: tuple[str, ...] = ()
    """What went wrong when others were told."""


def promote(
    artifact: Path,
    location: str,
    settings: PromotionSettings,
    measure: Measure,
    say: Callable[[str], None],
    sign: Sign | None = None,
    replace_damaged: bool = False,
) -> Promotion:
    """Let a candidate through the gates and into a registry.

    Args:
        artifact: its folder.
        location: the registry's folder or URL.
        settings: the gates, the pairs, and who is told.
        measure: `pipeline.registry.judge.measure_today`, or a stand-in.
        say: shows what is at work.
        sign: makes a signature of bytes.
        replace_damaged: compare with nothing where the deployed version's files are not those that were let in.

    Raises:
        GateError: which gates were missed, and by how much; the history holds it, too.
        InputError: the pairs or the registry cannot be used, what is deployed is damaged, or the artifact was changed
            on the way.
    """
    if settings.pairs is None:
        raise InputError("a promotion measures on today's data: give --pairs FILE, or promotion.pairs in the recipe")
    registry = Registry.at(location)
    with registry.storage.locked(), tempfile.TemporaryDirectory() as scratch:
        pointer = registry.current()
        deployed, damage = _deployed(registry, pointer, Path(scratch), replace_damaged)
        gates, today, measured = _gates(artifact, deployed, settings, measure, say, registry)
        if pointer is not None and deployed is not None and same_model(artifact, deployed):
            replaced = pointer.before[-1] if pointer.before else None
            done, untold = _again(registry, artifact, pointer.version, replaced, gates, today)
        else:
            gates += [Gate(gate="deployed", passed=True, said=damage)] if damage else []
            untold = registry.add(artifact, gates, today, sign, expected=measured)
            replaced = pointer.version if pointer is not None else None
            done = Promotion("promoted", untold.version, untold)
            registry.note(
                _event(
                    "promoted", artifact, version=done.version, replaced=replaced, why=damage, gates=gates, today=today
                )
            )  # fmt: skip
    if untold is None:
        return done
    return replace(done, failed=_announced(registry, artifact, untold, replaced, settings))


def roll_back(location: str, to: str | None, key: Path | None = None) -> tuple[Pointer, Pointer]:
    """Deploy an earlier version again, and write that into the history.

    Args:
        location: the registry's folder or URL.
        to: the version; None: the one that was deployed before.
        key: PEM file of the public key that must have signed it; None: none is asked for.

    Returns:
        The pointer that was, and the pointer that is.

    Raises:
        InputError: there is nothing to go back to, or that version is not whole.
        GateError: the key did not sign that version.
    """
    registry = Registry.at(location)
    vouch = voucher(key) if key is not None else None
    with registry.storage.locked():
        was, become = registry.rollback(to, vouch)
        name = registry.release(become.version).name
        registry.note(
            Event(time=now(), event="rolled back", candidate=name, version=become.version, replaced=was.version)
        )
    return was, become


def _deployed(
    registry: Registry, pointer: Pointer | None, scratch: Path, replace_damaged: bool
) -> tuple[Path | None, str]:
    """What is deployed, to compare with; or None, and why it is left out where something is there.

    Raises:
        InputError: it is damaged, and may not be left out.
    """
    if pointer is None:
        return None, ""
    try:
        return registry.fetch(pointer.version, scratch), ""
    except (TemporaryError, LockedOutError):  # which tell nothing of the files
        raise
    except InputError as error:
        if not replace_damaged:
            raise InputError(
                f"{error}; {pointer.version} is deployed, so nothing can be compared with it: restore its files, roll "
                "back, or promote with --replace-damaged, by the absolute gates alone"
            ) from error
        return None, f"left out, because it is damaged: {error}"


def _again(
    registry: Registry, artifact: Path, version: str, replaced: str | None, gates: list[Gate], today: Today
) -> tuple[Promotion, Release | None]:
    """The deployed artifact once more: nothing to do but what a promotion that was killed left undone.

    Returns:
        What came of it, and the release that is still to be announced, if it is.
    """
    release = registry.release(version)
    written = {event.event for event in registry.history() if event.version == version}
    untold = None if written & {"announced", "announcement failed"} else release
    if "promoted" in written:
        why = "the deployed artifact has the same files"
        registry.note(_event("unchanged", artifact, version=version, why=why, gates=gates, today=today))
        return Promotion("unchanged", version, None), untold
    registry.note(
        _event(
            "promoted", artifact, version=version, replaced=replaced, why="deployed by a promotion cut short",
            gates=[*release.gates], today=release.today,
        )
    )  # fmt: skip
    return Promotion("promoted", version, release), untold


def _gates(
    artifact: Path,
    deployed: Path | None,
    settings: PromotionSettings,
    measure: Measure,
    say: Callable[[str], None],
    registry: Registry,
) -> tuple[list[Gate], Today, str]:
    """All gates, passed; what costs nothing is asked first.

    Returns:
        The gates, what was measured, and the sha256 of the decant.json that it was measured with.

    Raises:
        GateError: one was missed.
    """
    try:
        manifest, measured = verify_artifact(artifact), sha256_of(artifact / MANIFEST)
    except InputError as error:
        gates = [Gate(gate="manifest", passed=False, said=str(error))]
        raise _refused(registry, artifact, gates, None) from error
    gates = [Gate(gate="manifest", passed=True, said=f"{len(manifest.sha256)} files as exported")]
    gates += stated_gates(manifest, settings)
    if missed(gates):
        raise _refused(registry, artifact, gates, None)
    say(f"measuring {artifact.name}{' and what is deployed, in turns' if deployed is not None else ''}")
    try:
        today = measure(artifact, deployed, Path(str(settings.pairs)), settings)
    except GateError as error:
        raise _refused(
            registry, artifact, [*gates, Gate(gate="accuracy", passed=False, said=str(error))], None
        ) from error
    gates += measured_gates(today, settings)
    if missed(gates):
        raise _refused(registry, artifact, gates, today)
    return gates, today, measured


def _refused(registry: Registry, artifact: Path, gates: list[Gate], today: Today | None) -> GateError:
    why = missed(gates)
    registry.note(_event("refused", artifact, why=why, gates=gates, today=today))
    return GateError(f"{artifact.name} is not promoted; {why}")


def _announced(
    registry: Registry, artifact: Path, release: Release, replaced: str | None, settings: PromotionSettings
) -> tuple[str, ...]:
    facts = {
        "event": "promoted", "registry": redacted(registry.location), "version": release.version, "replaced": replaced,
        "name": release.name, "released": release.released, "manifest_sha256": release.manifest_sha256,
        "today": release.today.model_dump(mode="json") if release.today is not None else None,
    }  # fmt: skip
    told, failed = announce(facts, settings.webhook, settings.command, settings.announce_timeout_s)
    outcomes: tuple[tuple[EventKind, list[str]], ...] = (("announced", told), ("announcement failed", failed))
    for event, said in outcomes:
        if said:
            registry.note(_event(event, artifact, version=release.version, why="; ".join(said)))
    return tuple(failed)


def _event(
    event: EventKind,
    artifact: Path,
    *,
    version: str | None = None,
    replaced: str | None = None,
    why: str = "",
    gates: list[Gate] | None = None,
    today: Today | None = None,
) -> Event:
    return Event(
        time=now(), event=event, candidate=artifact.resolve().name, version=version, replaced=replaced, why=why,
        gates=tuple(gates or ()), today=today,
    )  # fmt: skip
