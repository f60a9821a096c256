import pytest

from export.artifact.manifest import Manifest, read_manifest
from export.certify.record import RuntimeRecord
from pipeline.registry.gates import measured_gates, missed, stated_gates
from pipeline.registry.settings import PromotionSettings
from tests.pipeline.registry.conftest import timed, today
from tests.tiny_artifacts import PARITY, tiny_artifact


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    return read_manifest(tiny_artifact(tmp_path / "a"))


def stated(manifest: Manifest, parity: dict[str, float] | None, **settings: object) -> str:
    changed = manifest.model_copy(update={"parity": parity})
    return missed(stated_gates(changed, PromotionSettings.model_validate(settings)))


def test_what_it_was_exported_under_is_the_gate_of_parity(manifest: Manifest) -> None:
    assert stated(manifest, PARITY) == ""
    lower = PARITY | {"min_cosine": 0.99}
    assert stated(manifest, lower) == "parity: cosine to torch 0.990000, at least 0.99999, 0.009990 too low"
    assert stated(manifest, lower, min_cosine=0.95) == ""
    assert stated(manifest, lower | {"required_min_cosine": 0.98}) == ""


def test_a_text_must_have_one_vector_in_every_batch(manifest: Manifest) -> None:
    lower = PARITY | {"batch_invariance": 0.9897}
    want = "invariance: cosine of a text alone to itself in a batch 0.989700, at least 0.9999, 0.010200 too low"
    assert stated(manifest, lower) == want
    assert stated(manifest, lower, min_invariance=None) == ""
    assert stated(manifest, PARITY | {"padding_invariance": 0.5}).startswith("invariance: ")


def test_what_is_not_stated_does_not_pass(manifest: Manifest) -> None:
    assert stated(manifest, None) == (
        "parity: cosine to torch is not stated in decant.json; "
        "invariance: cosine of a text alone to itself in a batch is not stated in decant.json"
    )
    assert "at least 1," in stated(manifest, {"min_cosine": 0.999999, "batch_invariance": 1.0})


def test_a_nan_passes_nowhere(manifest: Manifest) -> None:
    assert stated(manifest, PARITY | {"min_cosine": float("nan")}).startswith("parity: cosine to torch nan")
    found = today(timed(latency_ms=float("nan")), timed(), float("nan"), float("nan"))
    gates = measured_gates(found, PromotionSettings(max_latency_ms=5))
    assert [gate.gate for gate in gates if not gate.passed] == ["accuracy against the deployed", "latency"]


def test_a_latency_of_a_busy_machine_is_said_to_be_one() -> None:
    settings = PromotionSettings(max_latency_ms=5, max_latency_ratio=2)
    busy = timed(latency_ms=9).model_copy(update={"unsteady": True})
    doubt = "the machine was busy or the rounds differed: promote again when it is quiet"
    said = {gate.gate: gate.said for gate in measured_gates(today(timed(latency_ms=1), busy, 0.0, 0.0), settings)}
    assert doubt not in said["latency"]
    assert doubt in said["latency ratio"]
    assert doubt in missed(measured_gates(today(busy, timed(latency_ms=1), 0.0, 0.0), settings))
    assert "unsteady" not in timed().model_dump(mode="json")


def test_a_certificate_is_asked_for_by_runtime(manifest: Manifest) -> None:
    date = "2026-01-02T03:04:05+00:00"
    records = {
        "fastembed": RuntimeRecord(status="differs", date=date),
        "triton": RuntimeRecord(status="rules hold", date=date),
    }
    changed = manifest.model_copy(update={"certificate": records})
    gates = stated_gates(changed, PromotionSettings(certificate=("triton", "fastembed", "openvino")))
    assert missed(gates) == (
        "certificate of fastembed: differs; certificate of openvino: not certified; run `decant certify`"
    )


@pytest.mark.parametrize(
    ("low", "margin", "passed"), [(-0.0099, 1, True), (-0.0101, 1, False), (0.0, 0, True), (-1e-6, 0, False)]
)
def test_not_worse_is_the_lower_end_above_minus_the_margin(low: float, margin: float, *, passed: bool) -> None:
    gates = measured_gates(today(timed(), timed(), low, 0.02), PromotionSettings(margin=margin))
    assert [gate.passed for gate in gates] == [passed]


def test_a_refusal_says_by_how_much() -> None:
    gates = measured_gates(today(timed(0.75), timed(0.8), -0.0589, -0.0347), PromotionSettings())
    assert missed(gates) == (
        "accuracy against the deployed: Spearman 75.00 against the deployed 80.00 on 1,000 pairs, difference -5.00 "
        "(95% interval -5.89 to -3.47), margin 1, 4.89 points too low"
    )


def test_budgets_are_absolute_and_relative_to_the_deployed() -> None:
    found = today(timed(latency_ms=3.0, size_mib=60.0), timed(latency_ms=2.0, size_mib=50.0), 0.0, 0.01)
    limits = {"max_latency_ms": 2.5, "max_size_mib": 64, "max_latency_ratio": 1.5, "max_size_ratio": 1.1}
    gates = measured_gates(found, PromotionSettings.model_validate(limits))
    assert missed(gates) == (
        "latency: 3.00 ms for one text, at most 2.5, 0.50 too much; "
        "size ratio: 1.20 times the deployed one's size, at most 1.1, 0.10 too much"
    )


def test_the_first_candidate_has_nothing_to_be_compared_with() -> None:
    limits = PromotionSettings(max_latency_ratio=0.1, min_accuracy=81)
    gates = measured_gates(today(timed(0.8)), limits)
    assert missed(gates) == "accuracy: Spearman 80.00, at least 81, 1.00 points too low"
