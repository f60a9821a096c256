"""The timings of stage `measure`: every model in turns, then what its milliseconds are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from decant.progress import Advance, Watch
from export.serve.session import OnnxEncoder
from export.serve.static_session import StaticSession
from pipeline.measure.latency_by_tokens import latency_by_tokens, length_steps, texts_of_tokens
from pipeline.measure.latency_parts import latency_parts, parts_steps
from pipeline.measure.one_against_many import BiEncoder, one_against_many, search_steps
from pipeline.measure.speed import SpeedSettings, measure_speed, percentiles_ms, speed_steps
from pipeline.stages.measured_models import Candidate, Encode, Predict
from pipeline.texts.load import Texts

Fields = dict[str, dict[str, object]]
"""Fields of `Row` by row name."""


@dataclass(frozen=True)
class _Timed:
    """What is timed, and on what: distinct texts, pairs, and texts by their length in tokens."""

    candidates: Sequence[Candidate]
    texts: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    of_length: Mapping[int, Sequence[str]]

    @property
    def encoders(self) -> dict[str, BiEncoder]:
        """By row name."""
        return {one.name: BiEncoder(one.encode, one.match) for one in self.candidates if one.encode is not None}

    @property
    def scorers(self) -> dict[str, Predict]:
        """By row name."""
        return {one.name: one.score for one in self.candidates if one.score is not None}

    @property
    def by_length(self) -> dict[str, Encode]:
        """All but the teachers, which may read texts otherwise."""
        found = self.candidates if self.of_length else ()
        return {one.name: one.encode for one in found if one.encode is not None and one.kind != "teacher"}

    def served(self, settings: SpeedSettings) -> dict[str, OnnxEncoder | StaticSession]:
        """Artifacts, whose parts are timed where one text at a time is."""
        found = self.candidates if 1 in settings.batch_sizes else ()
        return {one.name: one.served for one in found if one.served is not None}

    def steps(self, settings: SpeedSettings) -> int:
        """Texts that all models read, which progress is counted in."""
        encoders, scorers = len(self.encoders), len(self.scorers)
        return (
            speed_steps(settings, len(self.texts), len(self.pairs), encoders + scorers)
            + search_steps(settings, len(self.texts) - 1, encoders, scorers)
            + length_steps(settings, self.of_length, len(self.by_length))
            + parts_steps(settings, len(self.served(settings)))
        )


def measured_speed(settings: SpeedSettings, texts: Texts, candidates: list[Candidate], watch: Watch) -> Fields:
    """Every candidate that encodes or scores; the bar names the model that is timed."""
    distinct = list(dict.fromkeys(text for pair in texts.test.pairs for text in pair))
    timed = _Timed(candidates, distinct, texts.test.pairs, _of_length(settings, distinct, candidates))
    with watch("speed", timed.steps(settings)) as advance:
        return _measured(settings, timed, advance)


def _measured(settings: SpeedSettings, timed: _Timed, advance: Advance) -> Fields:
    encoders, scorers, texts = timed.encoders, timed.scorers, timed.texts
    encode = {name: one.encode for name, one in encoders.items()}
    speeds = measure_speed(encode, texts, scorers, timed.pairs, settings, advance=advance)
    costs = one_against_many(
        texts[0], texts[1:], settings, bi_encoders=encoders, cross_encoders=scorers, advance=advance
    )
    steady = {name: dict(speed.steadiness) for name, speed in speeds.items()}
    found: Fields = {
        name: speed.model_dump(exclude_none=True) | {"one_against_many": costs[name], "steadiness": steady[name]}
        for name, speed in speeds.items()
    }
    for name, by_tokens in latency_by_tokens(timed.by_length, timed.of_length, settings, advance=advance).items():
        found[name]["latency_by_tokens"] = {
            tokens: percentiles_ms(one.seconds).p50 for tokens, one in by_tokens.items()
        }
        steady[name] |= {f"latency_by_tokens.{tokens}": one.steadiness for tokens, one in by_tokens.items()}
    whole = {name: speed.latency_ms["1"].p50 for name, speed in speeds.items() if "1" in speed.latency_ms}
    for name, parts in latency_parts(timed.served(settings), whole, texts, settings, advance=advance).items():
        found[name]["latency_parts"] = parts
    return found


def _of_length(settings: SpeedSettings, texts: list[str], candidates: list[Candidate]) -> dict[int, list[str]]:
    """Texts of each length that there are any of, as the artifacts' tokenizer counts."""
    served = next((one.served for one in candidates if one.served is not None), None)
    if served is None:
        return {}
    made = {
        tokens: texts_of_tokens(texts, tokens, served.tokenize)
        for tokens in settings.lengths if tokens <= served.max_length
    }  # fmt: skip
    return {tokens: found for tokens, found in made.items() if found}
