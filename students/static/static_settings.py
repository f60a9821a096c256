"""What a static student's table holds before it is trained, as it stands in a recipe; nothing of torch is loaded."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from students.distill.distill_settings import PairSettings
from students.losses.loss_weights import LossWeights
from students.nesting.nesting import Nesting


class StaticSettings(PairSettings, frozen=True, extra="forbid"):
    """A table of token vectors and nothing else: a text's vector is the sum of its tokens' rows, at unit length."""

    kind: Literal["static"]
    dim: int | None = Field(
        None, ge=8, le=8192, description="numbers of a vector, at most the teachers'; default: as many as theirs"
    )
    words: int = Field(
        0, ge=0, le=2_000_000,
        description="whole words of the texts, the most frequent ones, that get rows beside the teacher's own tokens",
    )  # fmt: skip
    min_count: int = Field(3, ge=1, description="how often such a word must stand in the texts")
    smoothing: float = Field(
        1.0e-3, gt=0, le=1,
        description="a of a / (a + p), which weighs a token of frequency p in the table before it is trained",
    )  # fmt: skip
    max_length: int | None = Field(512, ge=4, le=8192, description="tokens of a text, beyond which it is cut")
    alpha: float = Field(0.0, ge=0, le=1, description="weight of the teacher against the labels")
    epochs: int = Field(4, ge=0, le=1000, description="passes over the training pairs; 0 trains nothing")
    learning_rate: float = Field(2.0e-3, gt=0, lt=1, description="peak of Adam's learning rate")
    batch_size: int = Field(64, ge=2, le=4096, description="pairs a batch")
    loss: LossWeights = Field(
        {"cosent": 1.0}, description="losses of the cosines: one name, or several as name: weight"
    )
    cosent_scale: float = Field(3.0, gt=0, le=1000, description="what the loss cosent multiplies cosines with")
    nesting: Nesting | None = Field(
        None, discriminator="kind", description="how shorter vectors are trained: matryoshka, or grid; default: grid "
        "with one of dims drawn a step, where there are dims",
    )  # fmt: skip
    keep: float = Field(
        0.5, ge=0, description="weight of the losses to the embedding teacher's vectors while pairs are learned"
    )

    form: ClassVar[Literal["cosine"]] = "cosine"
    trained: ClassVar[Literal[False]] = False
    layers: ClassVar[tuple[int, ...]] = ()
    exit_layers: ClassVar[tuple[int, ...]] = ()
    pooling: ClassVar[None] = None
    ffn_width: ClassVar[None] = None
    vocabulary: ClassVar[None] = None
    sharing: ClassVar[None] = None
