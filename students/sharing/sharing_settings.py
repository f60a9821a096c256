"""How a student's layers share attention maps, as it stands in a recipe under `student.sharing`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

Measure = Literal["parameters", "flops"]
THRESHOLD = 0.9
AUTOMATIC = ("threshold", "longest", "free_first", "free_last", "save", "of")

Group = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=2)]


class SharingSettings(BaseModel, frozen=True, extra="forbid"):
    """Groups that are written, or chosen by how alike the layers' attention maps are."""

    groups: tuple[Group, ...] | None = Field(
        None,
        min_length=1,
        description="consecutive layer numbers from 0, such as [[1, 2], [3, 4]]; the first of a group computes the "
        "map; default: chosen",
    )
    threshold: float | None = Field(
        None, ge=-1, le=1, description=f"least cosine of any two layers of a group; default: {THRESHOLD}"
    )
    longest: int = Field(4, ge=2, description="most layers of a group")
    free_first: int = Field(1, ge=0, description="layers at the start that keep their own map")
    free_last: int = Field(1, ge=0, description="layers at the end that keep their own map")
    save: float | None = Field(
        None, gt=0, lt=1, description="instead of a threshold: least share of the model that is saved, 0..1"
    )
    of: Measure = Field("parameters", description="what save is a share of: parameters or flops")
    match_heads: bool = Field(
        True,
        description="put the heads of each layer in the order of those whose map they take; an extension of the method",
    )
    head_scale: bool = Field(
        False, description="a trained factor, 1 at first, on every head of a taken map; an extension of the method"
    )

    @model_validator(mode="after")
    def _one_way(self) -> SharingSettings:
        given = [name for name in AUTOMATIC if getattr(self, name) != type(self).model_fields[name].default]
        if self.groups is not None and given:
            raise ValueError(f"groups are written, so {', '.join(given)} would choose nothing; give one or the other")
        if self.save is not None and self.threshold is not None:
            raise ValueError("give threshold or save, not both: save takes the highest threshold that reaches it")
        if self.save is None and "of" in given:
            raise ValueError("of says what save is a share of, but save is not given")
        return self
