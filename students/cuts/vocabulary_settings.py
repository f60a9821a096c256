"""How a student's vocabulary is cut, as a recipe says it under `student.vocabulary`; nothing of torch is loaded."""

from __future__ import annotations

from pydantic import BaseModel, Field


class VocabularySettings(BaseModel, frozen=True, extra="forbid"):
    """Which tokens stay beside those that any text is spelled with."""

    keep_from: str | None = Field(
        None, description="file of texts or words, one a line, beside the recipe or absolute; all their tokens are kept"
    )
    min_count: int = Field(1, ge=1, description="times that the recipe's texts must hold a token")
    size: int | None = Field(
        None, ge=1, description="tokens at most, the most frequent ones first; default: all that are needed"
    )
