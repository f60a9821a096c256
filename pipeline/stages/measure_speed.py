"""The timings of stage `measure`: every model in turns, then what its milliseconds are made of."""

from __future__ import annotations

from decant.progress import Watch
from pipeline.measure.latency_by_tokens import latency_by_tokens, texts_of_tokens
from pipeline.measure.latency_parts import latency_parts
from pipeline.measure.one_against_many import BiEncoder, one_against_many
from pipeline.measure.speed import SpeedSettings, measure_speed
from pipeline.stages.measured_models import Candidate
from pipeline.texts.load import Texts


def measured_speed(
    settings: SpeedSettings, texts: Texts, candidates: list[Candidate], watch: Watch
) -> dict[str, dict[str, object]]:
    """Fields of `Row` by row name, of every candidate that encodes or scores."""
    distinct = list(dict.fromkeys(text for pair in texts.test.pairs for text in pair))
    encoders = {one.name: one.encode for one in candidates if one.encode is not None}
    scorers = {one.name: one.score for one in candidates if one.score is not None}
    with watch("speed", 4) as advance:
        speeds = measure_speed(encoders, distinct, scorers, texts.test.pairs, settings)
        advance(1)
        bi_encoders = {one.name: BiEncoder(one.encode, one.match) for one in candidates if one.encode is not None}
        costs = one_against_many(distinct[0], distinct[1:], settings, bi_encoders=bi_encoders, cross_encoders=scorers)
        advance(1)
        found: dict[str, dict[str, object]] = {
            name: speed.model_dump(exclude_none=True) | {"one_against_many": costs[name]}
            for name, speed in speeds.items()
        }
        for name, by_tokens in _by_tokens(settings, distinct, candidates).items():
            found[name]["latency_by_tokens"] = by_tokens
        advance(1)
        whole = {name: speed.latency_ms["1"].p50 for name, speed in speeds.items() if "1" in speed.latency_ms}
        served = {one.name: one.served for one in candidates if one.served is not None and one.name in whole}
        for name, parts in latency_parts(served, whole, distinct, settings).items():
            found[name]["latency_parts"] = parts
        advance(1)
    return found


def _by_tokens(settings: SpeedSettings, texts: list[str], candidates: list[Candidate]) -> dict[str, dict[str, float]]:
    """Of all but the teachers, which may read texts otherwise; lengths are counted by the artifacts' tokenizer."""
    served = next((one.served for one in candidates if one.served is not None), None)
    if served is None:
        return {}
    made = {
        tokens: texts_of_tokens(texts, tokens, served.tokenize)
        for tokens in settings.lengths if tokens <= served.max_length
    }  # fmt: skip
    encoders = {one.name: one.encode for one in candidates if one.encode is not None and one.kind != "teacher"}
    return latency_by_tokens(encoders, {tokens: found for tokens, found in made.items() if found}, settings)
