"""The gates of a promotion, as pure functions: figures in, what passed and by how much something missed out."""

from __future__ import annotations

from collections.abc import Sequence

from export.artifact.manifest import Manifest
from pipeline.registry.records import Gate, Today
from pipeline.registry.settings import PromotionSettings
from pipeline.report.figures import METRIC_NAMES, difference, points, signed_points

HELD = ("agrees", "rules hold")  # a certificate's statuses that let a runtime pass
UNSTEADY = ", but the machine was busy or the rounds differed: promote again when it is quiet"


def stated_gates(manifest: Manifest, settings: PromotionSettings) -> list[Gate]:
    """Parity, invariance and certificate, from what the artifact states of itself."""
    parity = manifest.parity or {}
    least = settings.min_cosine
    if least is None:
        least = parity.get("required_min_cosine")
    gates = [_cosine("parity", "cosine to torch", parity.get("min_cosine"), least if least is not None else 1.0)]
    if settings.min_invariance is not None:
        figures = [parity[key] for key in ("batch_invariance", "padding_invariance") if key in parity]
        found = min(figures) if figures else None
        gates.append(
            _cosine("invariance", "cosine of a text alone to itself in a batch", found, settings.min_invariance)
        )
    return gates + [_certificate(manifest, runtime) for runtime in settings.certificate]


def measured_gates(today: Today, settings: PromotionSettings) -> list[Gate]:
    """Accuracy, latency and size, on the day's data."""
    own, deployed, gates = today.candidate, today.deployed, []
    if settings.min_accuracy is not None:
        said = f"{METRIC_NAMES[today.metric]} {points(own.accuracy)}, at least {settings.min_accuracy:g}"
        gates.append(_least("accuracy", said, 100 * own.accuracy, settings.min_accuracy))
    if deployed is not None:
        gates.append(_not_worse(today, settings))
    budgets = [
        ("latency", "ms for one text", own.latency_ms, settings.max_latency_ms),
        ("size", "MiB", own.size_mib, settings.max_size_mib),
    ]
    if deployed is not None:
        ratios = (own.latency_ms / deployed.latency_ms, own.size_mib / deployed.size_mib)
        budgets += [
            ("latency ratio", "times the deployed one's latency", ratios[0], settings.max_latency_ratio),
            ("size ratio", "times the deployed one's size", ratios[1], settings.max_size_ratio),
        ]
    compared = deployed is not None and deployed.unsteady
    unsteady = {"latency": own.unsteady, "latency ratio": own.unsteady or compared}
    return gates + [
        _most(gate, unit, value, limit, UNSTEADY if unsteady.get(gate) else "")
        for gate, unit, value, limit in budgets if limit is not None
    ]  # fmt: skip


def missed(gates: Sequence[Gate]) -> str:
    """The gates that were missed, one clause each; empty where all were passed."""
    return "; ".join(f"{gate.gate}: {gate.said}" for gate in gates if not gate.passed)


def _not_worse(today: Today, settings: PromotionSettings) -> Gate:
    """Non-inferiority: the whole interval of the paired difference lies above minus the margin."""
    low, high, deployed = today.difference_low, today.difference_high, today.deployed
    if low is None or high is None or deployed is None:
        raise ValueError("nothing deployed was measured beside the candidate")
    gain = difference(today.candidate.accuracy, deployed.accuracy)
    said = (
        f"{METRIC_NAMES[today.metric]} {points(today.candidate.accuracy)} against the deployed "
        f"{points(deployed.accuracy)} on {today.pairs:,} {_examples(today)}, "
        f"difference {gain} ({settings.level:.0%} interval {signed_points(low)} to {signed_points(high)}), "
        f"margin {settings.margin:g}"
    )
    return _least("accuracy against the deployed", said, 100 * low, -settings.margin)


def _examples(today: Today) -> str:
    return today.counted or ("queries" if today.metric == "ndcg" else "pairs")


def _cosine(gate: str, what: str, value: float | None, limit: float) -> Gate:
    if value is None:
        return Gate(gate=gate, passed=False, said=f"{what} is not stated in decant.json", limit=limit)
    passed = bool(value >= limit)
    by = "" if passed else f", {limit - value:.6f} too low"
    return Gate(gate=gate, passed=passed, said=f"{what} {value:.6f}, at least {limit:g}{by}", value=value, limit=limit)


def _certificate(manifest: Manifest, runtime: str) -> Gate:
    record = manifest.certificate.get(runtime)
    status = record.status if record is not None else "not certified; run `decant certify`"
    return Gate(gate=f"certificate of {runtime}", passed=status in HELD, said=status)


def _least(gate: str, said: str, value: float, limit: float) -> Gate:
    passed = bool(value >= limit)  # a NaN does not pass
    by = "" if passed else f", {limit - value:.2f} points too low"
    return Gate(gate=gate, passed=passed, said=said + by, value=value, limit=limit)


def _most(gate: str, unit: str, value: float, limit: float, doubt: str = "") -> Gate:
    passed = bool(value <= limit)
    by = "" if passed else f", {value - limit:.2f} too much"
    said = f"{value:.2f} {unit}, at most {limit:g}{by}{doubt}"
    return Gate(gate=gate, passed=passed, said=said, value=value, limit=limit)
