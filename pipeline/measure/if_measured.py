"""A field of report.json that is left out, rather than null, where it was not measured."""

from typing import Annotated, TypeVar

from pydantic import Field

Value = TypeVar("Value")

IfMeasured = Annotated[Value | None, Field(exclude_if=lambda value: value is None)]
"""Use as `pearson: IfMeasured[float] = None`."""
