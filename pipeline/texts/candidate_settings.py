"""Which passages stand in the list of a query, as a recipe says it; nothing of torch is loaded."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

Rank = Annotated[int, Field(ge=1, le=100_000)]


class CandidateSettings(BaseModel, frozen=True, extra="forbid"):
    """The lists that a student of rankings learns from: what answers a query, and what is easily taken for it."""

    per_query: int = Field(16, ge=2, le=1024, description="passages of a list; half of them at most are relevant ones")
    bm25: bool = Field(True, description="take passages that BM25 finds")
    dense: bool = Field(
        True, description="take passages that the embedding teacher finds, or the start model where there is none"
    )
    window: tuple[Rank, Rank] = Field(
        (1, 100), description="ranks of each search, first and last, that passages are drawn from"
    )
    false_negatives: float = Field(
        0.95, gt=0, le=1,
        description="info_nce: a passage that the teacher scores above this share of the relevant one that it scores "
        "lowest is no negative; a cross-encoder's logits go through the logistic function",
    )  # fmt: skip
    near_duplicates: float = Field(
        0.9, gt=0, le=1, description="share of words in common from which a passage repeats a relevant one: left out"
    )

    @model_validator(mode="after")
    def _consistent(self) -> CandidateSettings:
        if not self.bm25 and not self.dense:
            raise ValueError("bm25 and dense are both off, so that there is nothing to find passages by; leave one on")
        if self.window[0] > self.window[1]:
            raise ValueError(f"window: {self.window[0]} comes after {self.window[1]}; give the first rank first")
        return self
