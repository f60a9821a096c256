import pytest

from export.serve.session import OnnxEncoder
from pipeline.measure.latency_parts import latency_parts
from pipeline.measure.speed import SpeedSettings
from tests.tiny_runs import SmokeRun

SETTINGS = SpeedSettings(part_rounds=5, warmup=1, pause_ms=0, threads=1)
TEXTS = [f"sky {word} of a green tree" for word in ("red", "blue", "low")]


@pytest.mark.parametrize("whole", [2000.0, 1001.0])
def test_the_parts_of_a_real_graph_add_up_to_what_it_takes(whole: float, smoke_run: SmokeRun) -> None:
    served = OnnxEncoder(smoke_run.artifact, 1)
    seconds = iter(range(1000))
    (parts,) = latency_parts({"a": served}, {"a": whole}, TEXTS, SETTINGS, lambda: float(next(seconds))).values()
    assert parts.tokenizer_ms == 1000
    assert parts.pooling_ms is not None
    assert 0 < parts.pooling_ms < parts.encoder_ms
    assert parts.tokenizer_ms + parts.encoder_ms + parts.pooling_ms == pytest.approx(whole)


def test_without_texts_there_is_nothing_to_time() -> None:
    with pytest.raises(ValueError, match="at least one text"):
        latency_parts({}, {}, [], SETTINGS)
