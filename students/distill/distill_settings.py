"""How students are trained, as it stands in a recipe; nothing of torch is loaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from decant.models.pooling_kind import PoolingKind
from decant.training.lora import AdapterSettings
from decant.training.optimizer import FitSettings
from students.cuts.vocabulary_settings import VocabularySettings
from students.losses.loss_weights import ListTemperatures, LossWeights, PseudoWeights, VectorWeights
from students.nesting.nesting import Nesting
from students.sharing.sharing_settings import SharingSettings

PSEUDO, VECTORS, LISTS = PseudoWeights(), VectorWeights(), ListTemperatures()
Weight = Annotated[float, Field(gt=0, le=1000, description="of this loss beside those to the teacher's vectors")]


class HiddenStates(BaseModel, frozen=True, extra="forbid"):
    """TinyBERT's: every exit's states follow those of the teacher's layer at the same share of the depth.

    Jiao et al. 2020, equation 8, with a linear map an exit where the widths differ, which is dropped after training;
    theirs has one map for all layers.
    """

    kind: Literal["hidden"]
    weight: Weight = 1.0


class RelationStates(BaseModel, frozen=True, extra="forbid"):
    """MiniLMv2's, for widths that may differ: every exit's relations follow those of the teacher's last states.

    Wang et al. 2021, section 3.1; theirs are relations of one layer's queries, keys and values.
    """

    kind: Literal["relations"]
    weight: Weight = 1.0
    heads: int = Field(12, ge=1, le=1024, description="relation heads; a divisor of both widths")


class BlockStates(BaseModel, frozen=True, extra="forbid"):
    """EchoAtt's: the states after the last layer of each group that shares a map follow the teacher's there.

    Only groups that the step runs through to their end are followed. The teacher's layer is that of `hidden`, the same
    one where teacher and student are of one depth; a linear map a layer joins widths that differ.
    """

    kind: Literal["blocks"]
    weight: Weight = 1.0


States = Annotated[HiddenStates | RelationStates | BlockStates, Field(discriminator="kind")]


class PairSettings(FitSettings, frozen=True, extra="forbid"):
    """How a student of any kind learns from pairs."""

    alpha: float = Field(0.5, ge=0, le=1, description="weight of the teacher against the labels")
    loss: LossWeights = Field(
        {"cosent": 1.0},
        description="losses of the cosine form: one name, or several as name: weight; the comparator takes DSE's; of "
        "lists kl (their default), margin_mse and info_nce",
    )
    cosent_scale: float = Field(20.0, gt=0, le=1000, description="what the loss cosent multiplies cosines with")
    max_length: int | None = Field(
        None, ge=4, le=8192, description="tokens a text, specials included; default: as the model's folder says"
    )
    list_temperature: float = Field(
        LISTS.student, gt=0, le=10, exclude_if=lambda value: value == LISTS.student,
        description="task kind ranking: divides cosines before the softmax over a list",
    )  # fmt: skip
    teacher_temperature: float = Field(
        LISTS.teacher, gt=0, le=100, exclude_if=lambda value: value == LISTS.teacher,
        description="task kind ranking: divides the teacher's scores, standardised a list, before its softmax",
    )  # fmt: skip
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="one student a seed; the best on dev is shipped")
    compare_alphas: tuple[float, ...] = Field((), description="other alphas to train beside, for the report")
    nesting: Nesting | None = Field(
        None, discriminator="kind", description="train every depth and vector length, and how; default: only the whole"
    )
    dims: tuple[int, ...] = Field((), description="nested: vector lengths that are trained beside the full one")
    soup: bool = Field(
        False, description="several seeds: average their students' weights too, and ship the average if best on dev"
    )
    keep: float = Field(
        0.0,
        ge=0,
        description="nested: weight of the losses to the embedding teacher's vectors, which hold what it has learned",
    )


class DistillSettings(PairSettings, frozen=True, extra="forbid"):
    """How a student with layers is made and trained."""

    form: Literal["cosine", "comparator"] = Field(
        "cosine", description="cosine: serve the cosine of two vectors; comparator: DSE's head on [u; v; u*v; |u-v|]"
    )
    pooling: PoolingKind | None = Field(
        None,
        description="token states to vector: mean, cls, max, lasttoken and the like, several joined by +, or "
        "concat_top_mean, which is DSE's own; default: as the model's folder says",
    )
    hidden: int = Field(512, ge=1, le=65536, description="width of the comparator's hidden layer")
    layers: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="layers of the model that the student keeps, 0-based and rising; default: all"
    )
    ffn_width: int | None = Field(
        None, ge=1, description="neurons that each FFN keeps, the most important ones; default: all"
    )
    vocabulary: VocabularySettings | None = Field(
        None, description="keep only the tokens that the texts need; default: the model's own vocabulary"
    )
    sharing: SharingSettings | None = Field(
        None, description="which of its layers share an attention map; default: each computes its own"
    )
    exit_layers: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="nested: depths whose exit gets a last layer of its own, which no deeper layer reads"
    )


class DistillVectorsSettings(FitSettings, frozen=True, extra="forbid"):
    """How a student learns a teacher's vectors; the losses are summed at every exit of a step."""

    epochs: int = Field(2, ge=0, le=1000, description="passes over the texts; 0 skips this training")
    learning_rate: float = Field(2.0e-4, gt=0, lt=1, description="peak of AdamW's learning rate")
    batch_size: int = Field(64, ge=4, le=4096, description="texts a batch; their similarities are what is learned")
    neighbours: int = Field(
        1,
        ge=1,
        le=4096,
        description="texts of a group that the teacher finds alike, 1 to batch_size; a batch holds whole groups",
    )
    similarity_kl: float = Field(
        VECTORS.similarity_kl, ge=0, description="weight of the KL of the in-batch similarity matrix"
    )
    temperature: float = Field(VECTORS.temperature, gt=0, description="temperature of the softmax in that KL")
    similarity_mse: float = Field(
        VECTORS.similarity_mse, ge=0, description="weight of the squared error of the similarity matrix"
    )
    cosine: float = Field(
        VECTORS.cosine, ge=0, description="weight of 1 - cosine to the teacher's vector, at full width"
    )
    states: States | None = Field(
        None, discriminator="kind", description="follow the teacher's token states too; default: its vectors alone"
    )

    @model_validator(mode="after")
    def _groups_fit(self) -> DistillVectorsSettings:
        if self.neighbours > self.batch_size:
            raise ValueError(
                f"neighbours: groups of {self.neighbours} do not fit into a batch of {self.batch_size}; "
                "lower neighbours, or raise batch_size"
            )
        return self

    @property
    def weights(self) -> VectorWeights:
        """Of the losses on the vectors."""
        return VectorWeights(self.similarity_kl, self.similarity_mse, self.cosine, self.temperature)


class TuneSettings(AdapterSettings, frozen=True, extra="forbid"):
    """How an embedding teacher is fine-tuned on the labels."""

    loss: LossWeights = Field(
        {"cosent": 1.0}, description="losses of the cosines: one name, or several as name: weight"
    )
    max_length: int | None = Field(
        None, ge=4, le=8192, description="tokens a text, specials included; default: as the model's folder says"
    )


class PseudoSettings(FitSettings, frozen=True, extra="forbid"):
    """Stage 1: how the teacher's own scores are learned, of all pairs, labelled or not."""

    epochs: int = Field(1, ge=0, le=1000, description="passes over the pairs; 0 skips this stage")
    learning_rate: float = Field(1.0e-4, gt=0, lt=1, description="peak of AdamW's learning rate")
    states: float = Field(
        PSEUDO.states, ge=0, description="weight of the squared error of token states at the ends of groups"
    )
    soft: float = Field(PSEUDO.soft, ge=0, description="weight of the loss to the teacher's scores")
    hard: float = Field(PSEUDO.hard, ge=0, description="classes: weight of the cross-entropy to the teacher's class")
    temperature: float = Field(PSEUDO.temperature, gt=0, description="classes: of both softmaxes of the soft loss")

    @property
    def weights(self) -> PseudoWeights:
        """Of the losses."""
        return PseudoWeights(self.states, self.soft, self.hard, self.temperature)


class RerankerSettings(FitSettings, frozen=True, extra="forbid"):
    """The teacher again, with shared attention maps; the optimisation is that of stage 2, on the labels."""

    sharing: SharingSettings = Field(SharingSettings(), description="which of its layers share an attention map")
    pseudo: PseudoSettings = Field(PseudoSettings(), description="stage 1, on the teacher's scores")
    epochs: int = Field(2, ge=0, le=1000, description="passes over the labelled pairs; 0 skips stage 2")
    learning_rate: float = Field(3.0e-5, gt=0, lt=1, description="peak of AdamW's learning rate")


class QuantizeAwareSettings(BaseModel, frozen=True, extra="forbid"):
    """How long and how fast an encoder is fine-tuned for its rounding."""

    precisions: tuple[Literal["int8-row", "int8-weights", "int4"], ...] = Field(
        ("int8-row", "int4"), min_length=1, description="precisions that get weights of their own"
    )

    steps: int = Field(200, ge=1, le=100_000, description="batches; each text is taken again where there are too few")
    batch_size: int = Field(64, ge=4, le=4096, description="texts a batch")
    learning_rate: float = Field(5.0e-5, gt=0, lt=1, description="peak of AdamW's learning rate")
