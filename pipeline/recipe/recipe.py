"""A recipe: one YAML file that says everything about a run. All its errors are told at once, with file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from decant.errors import InputError
from decant.training.devices import ONE_PROCESS, TrainerSettings
from pipeline.pick.budget import Budget
from pipeline.recipe.overrides import override
from pipeline.recipe.plain_words import plain_words
from pipeline.recipe.ranking_recipe import check_ranking, with_ranking_defaults
from pipeline.recipe.sections import (
    AnyStudent,
    EmbeddingSettings,
    ExportSettings,
    FineTuneTeacher,
    LoadTeacher,
    MeasureSettings,
    StaticStudent,
)
from pipeline.recipe.static_recipe import check_static, with_static_defaults
from pipeline.recipe.yaml_places import (
    LARGE,
    OF_A_KEY,
    Keys,
    Place,
    misread_numbers,
    misread_text,
    overridden,
    places_of,
    written,
)
from pipeline.recipe.yaml_text import YamlError, read_yaml
from pipeline.registry.settings import PromotionSettings
from pipeline.suite.read_sets import set_sources
from pipeline.suite.settings import main_metric
from pipeline.suite.suite_file import inlined
from pipeline.texts.candidate_settings import CandidateSettings
from pipeline.texts.settings import TextsSettings
from pipeline.texts.source import Source
from pipeline.tracking.settings import TrackingSettings
from students.distill.distill_settings import (
    BlockStates,
    RerankerSettings,
)
from teachers.labels.ray_workers import LabelSettings

KINDS = {
    "load", "fine_tune", "last", "matryoshka", "two_d", "ese", "starbucks", "grid", "hidden", "relations",
    "blocks", "transformer", "static",
    "pairs", "ranking", "classes",
}  # fmt: skip
OF_THE_REPORT = ("description", "budget", "promotion", "tracking")  # what judges and tells
OF_THE_PLACE = ("labels", "trainer")  # where the same is computed
BESIDE_ARTIFACTS = {"engines", "engine_shapes", "torch"}  # settings of the export
# the sections that have a kind: `hidden` is a key of the student, too
WITH_KINDS = {"teacher", "nesting", "states", "student"}
SETS = ("measure", "sets")  # each of these has one, too


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """Everything about a run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="also the run's folder under runs/")
    description: str = Field("", description="one line for the report")
    seed: int = Field(
        0, ge=0, lt=2**31, description="seed of the teacher and of every sampling; students have seeds of their own"
    )
    texts: TextsSettings = Field(
        description="the pairs: their task, columns, files and splits; where embedding is given they may be left out"
    )
    prompts: dict[str, str] = Field(
        {}, description="prompts of the embedding teachers, name: text, beside those of their folders or in their place"
    )
    teacher: Annotated[LoadTeacher | FineTuneTeacher, Field(discriminator="kind")] | None = Field(
        None, description="a cross-encoder; default: none, where embedding names a teacher"
    )
    embedding: EmbeddingSettings | None = Field(None, description="embedding teachers; default: none")
    labels: LabelSettings = Field(LabelSettings(), description="where the teachers' labels are computed")
    candidates: CandidateSettings | None = Field(
        None,
        exclude_if=lambda value: value is None,  # so that no finished run depends on there being lists
        description="task kind ranking: the passages of each query's list; default there: all as below",
    )
    student: AnyStudent = Field(description="the student: its start model, shape and training")
    trainer: TrainerSettings = Field(
        ONE_PROCESS, description="processes of each training; batch_size is of all of them together"
    )
    reranker: RerankerSettings | None = Field(
        None, description="the teacher with shared attention maps, as a re-ranker beside the student; default: none"
    )
    export: ExportSettings = Field(ExportSettings(), description="artifacts to make, and the gates they must pass")
    measure: MeasureSettings = Field(MeasureSettings(), description="accuracy and speed: what is measured, how often")
    budget: Budget | None = Field(
        None, description="what the artifact to ship must keep; a run that finds none exits 3"
    )

    promotion: PromotionSettings | None = Field(
        None, description="gates of `decant promote`; it changes nothing of a run"
    )
    tracking: TrackingSettings | None = Field(None, description="TensorBoard, MLflow, Prometheus; default: none")

    @model_validator(mode="before")
    @classmethod
    def _sentences_alone(cls, content: object) -> object:
        if not isinstance(content, dict):
            return content
        alone = "embedding" in content and "texts" not in content
        return with_ranking_defaults(with_static_defaults({**content, "texts": {}} if alone else content))

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        check_ranking(self)
        check_static(self.student, self.embedding, self.export, self.trainer)
        if self.student.form == "cosine" and self.texts.task.kind == "multiclass":
            raise ValueError("student.form: cosine gives one score a pair, but texts.task has classes; use comparator")
        self._check_prompts()
        if self.student.form == "cosine" and self.student.pooling == "concat_top_mean":
            raise ValueError("student.pooling: concat_top_mean goes with form: comparator; runtimes cannot pool it")
        if self.student.nesting is not None and self.student.form == "comparator":
            raise ValueError("student.nesting: a comparator reads whole vectors only; use form: cosine")
        self._check_teachers()
        self._check_test()
        self._check_classes()
        self._check_trainer()
        self._check_reranker()
        self._check_suite()
        metrics = self.texts.task.metrics
        if self.measure.metric not in (None, *metrics):
            raise ValueError(
                f"measure.metric: {self.measure.metric} does not go with this task; {' or '.join(metrics)}"
            )
        if self.promotion is not None and self.promotion.task is None and self.promotion.metric not in (None, *metrics):
            raise ValueError(
                f"promotion.metric: {self.promotion.metric} does not go with this task; {' or '.join(metrics)}"
            )
        if self.export.openvino and "fp32" not in self.export.precisions:
            raise ValueError("export.openvino: its files stand in the fp32 artifact; add fp32 to export.precisions")
        self._check_budget(self.measure.metric or metrics[0])
        return self

    def models(self) -> dict[str, str]:
        """Every model that it names: key → reference."""
        found = {"teacher.model": self.teacher.model} if self.teacher is not None else {}
        found["student.model"] = self.student.model
        found |= {f"measure.compare.{i}": model for i, model in enumerate(self.measure.compare)}
        teachers = self.embedding.teachers if self.embedding is not None else ()
        return found | {f"embedding.teachers.{i}.model": teacher.model for i, teacher in enumerate(teachers)}

    def sources(self) -> dict[str, Source]:
        """Every source of texts and pairs that it names: key → file, folder or hub dataset."""
        texts, sentences = self.texts, self.embedding.sentences if self.embedding is not None else ()
        found = self._of_texts() if texts.task.kind != "ranking" else {}
        found |= {f"embedding.sentences.{i}": source for i, source in enumerate(sentences)}
        for name, one in self.measure.sets.items():
            found |= {f"measure.sets.{name}.{key}": source for key, (source, _) in set_sources(one).items()}
        return found

    def rankings(self) -> dict[str, Source]:
        """The folders in BEIR's layout that its texts come from: key → folder and split; none of a task of pairs."""
        return self._of_texts() if self.texts.task.kind == "ranking" else {}

    def _of_texts(self) -> dict[str, Source]:
        texts = self.texts
        splits = {"texts.train": texts.train, "texts.dev": texts.dev, "texts.test": texts.test}
        found = {key: source for key, source in splits.items() if source is not None}
        return found | {f"texts.unlabelled.{i}": source for i, source in enumerate(texts.unlabelled)}

    @property
    def set_name(self) -> str:
        """What the report calls the test set."""
        named = self.measure.name != MeasureSettings().name or not self.without_labels
        return f"{self.name}/{self.measure.name if named else 'agreement'}"

    @property
    def without_labels(self) -> bool:
        """Whether agreement with the embedding teachers is what everything is measured by."""
        return self.texts.test is None and self.texts.train is None

    def saw_labels(self, alpha: float | None = None) -> bool | None:
        """Whether a student's training uses this task's own labels, by itself or by way of a teacher.

        None for a model that came trained: it is not known.

        Args:
            alpha: the student's; default: the recipe's own.
        """
        if self.student.trained:
            return None
        tuned = [teacher.tune for teacher in self.embedding.teachers] if self.embedding is not None else []
        by_teacher = isinstance(self.teacher, FineTuneTeacher) or any(how is not None and how.epochs for how in tuned)
        own = self.student.epochs > 0 and (self.student.alpha if alpha is None else alpha) < 1
        return self.texts.train is not None and (own or by_teacher)

    @property
    def named_prompts(self) -> tuple[str, ...]:
        """The prompts that columns and sources name, each once."""
        columns, embedding = self.texts.columns, self.embedding
        named = [columns.first_prompt, columns.second_prompt]
        named += [source.prompt for source in embedding.sentences] if embedding is not None else []
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def _check_prompts(self) -> None:
        if self.student.prompts == "teacher" and self.embedding is None:
            raise ValueError("student.prompts: teacher takes those of an embedding teacher, but there is none")
        if self.prompts and self.embedding is None:
            raise ValueError("prompts are those of embedding.teachers, but there are none; give student.prompts")
        if self.named_prompts and self.embedding is not None:
            made = [key for key in ("mine", "augment") if getattr(self.embedding, key) is not None]
            if made:
                raise ValueError(
                    f"embedding.{made[0]} makes texts that no source names a prompt for; leave it out, or the names of "
                    "prompts"
                )

    def _check_trainer(self) -> None:
        tuned = [teacher.tune for teacher in self.embedding.teachers] if self.embedding is not None else []
        own = self.teacher.quantize if isinstance(self.teacher, FineTuneTeacher) else None
        if self.trainer.distributed and (own or any(how is not None and how.quantize for how in tuned)):
            raise ValueError(
                "trainer.devices: quantized weights train in one process only; leave quantize out, or take one"
            )

    def _check_trained(self) -> None:
        student = self.student
        if self.teacher is not None or self.embedding is not None:
            raise ValueError("student.trained takes the model as it is; leave teacher and embedding out, or trained")
        shape = ("layers", "ffn_width", "sharing", "exit_layers", "soup", "keep", "compare_alphas")
        asked = [key for key in shape if getattr(student, key)]
        if asked or len(student.seeds) > 1 or student.form == "comparator":
            what = asked[0] if asked else "seeds" if len(student.seeds) > 1 else "form: comparator"
            raise ValueError(f"student.{what} needs a training, but student.trained takes the model as it is")
        without_texts = self.texts.train is None and not self.texts.unlabelled
        if student.vocabulary is not None and without_texts:
            raise ValueError("student.vocabulary: give texts.train or texts.unlabelled, whose tokens are to be kept")
        if self.export.quantize_aware is not None and without_texts:
            raise ValueError("export.quantize_aware: give texts.train or texts.unlabelled, which it learns from")
        self._check_threshold()

    def _check_threshold(self) -> None:
        if self.texts.train is None and self.texts.task.kind == "binary" and self.texts.dev is None:
            raise ValueError("texts.dev is missing: without train, a binary task needs it to choose the threshold on")

    def _check_test(self) -> None:
        if not self.without_labels:
            return
        texts = self.texts
        labelled = texts.dev is not None or texts.task.kind != "regression"
        if self.embedding is None or labelled:
            raise ValueError(
                "texts.test is missing: give labelled pairs to measure on; only a recipe of embedding.teachers and "
                "sentences, without any labels, is measured by agreement with its teachers"
            )
        if self.named_prompts:
            raise ValueError(
                f"texts.test is missing: without it, agreement with the teachers is measured behind default prompts, "
                f"but {', '.join(self.named_prompts)} are named; give texts.test"
            )

    def _check_teachers(self) -> None:
        if self.student.trained:
            self._check_trained()
            return
        if self.teacher is None and self.embedding is None:
            raise ValueError(
                "no teacher: give teacher (a cross-encoder), embedding.teachers, or both; or student.trained: true"
            )
        if self.student.soup and len(self.student.seeds) < 2:
            raise ValueError("student.soup averages the students of several seeds; give two or more student.seeds")
        if self.student.soup and self.student.form == "comparator":
            raise ValueError(
                "student.soup: the comparators of several seeds start apart, so that their mean is none of them; "
                "use form: cosine, or leave soup out"
            )
        layered = not isinstance(self.student, StaticStudent)
        if (
            layered
            and self.student.nesting is None
            and (self.student.keep or self.student.dims or self.student.exit_layers)
        ):
            raise ValueError("student.keep, dims and exit_layers go with nesting; give student.nesting too")
        if self.embedding is None and self.student.keep and layered:
            raise ValueError("student.keep: there are no embedding.teachers whose vectors could be kept")
        if self.embedding is not None and self.embedding.states and len(self.embedding.teachers) > 1:
            raise ValueError(
                f"embedding.states follow one teacher, but embedding.teachers names {len(self.embedding.teachers)}"
                "; give one, or leave states out"
            )
        if self.embedding is not None and self.embedding.states and self.student.vocabulary:
            raise ValueError(
                "student.vocabulary: embedding.states need a student that reads its teacher's own tokens, all of them; "
                "leave one of the two out"
            )
        blocks = self.embedding is not None and isinstance(self.embedding.states, BlockStates)
        if blocks and self.student.sharing is None:
            raise ValueError(
                "embedding.states: kind blocks follows the ends of groups that share a map; give student.sharing, or "
                "take kind hidden"
            )
        if self.embedding is not None and self.student.form == "comparator":
            raise ValueError("embedding: its vectors are learned for serving by cosine; use student.form: cosine")
        if self.texts.train is None:
            self._check_without_pairs()

    def _check_classes(self) -> None:
        names = self.texts.task.names
        if not isinstance(self.teacher, LoadTeacher) or self.teacher.classes is None:
            return
        if not names:
            raise ValueError("teacher.classes: a regression has no classes; leave it out")
        if sorted(self.teacher.classes) != sorted(names):
            raise ValueError(
                f"teacher.classes: {', '.join(self.teacher.classes)} are not the task's {', '.join(names)}, each once, "
                "in the order of the model's outputs"
            )

    def _check_budget(self, main: str) -> None:
        """That it names what is measured; `main` is the metric of the run's own test set."""
        if self.budget is None:
            return
        sets = {self.set_name: main} | {name: main_metric(one) for name, one in self.measure.sets.items()}
        wanted = self.budget.set or self.set_name
        if wanted not in sets:
            raise ValueError(f"budget.set: {wanted} is no set of this run, which are {', '.join(sets)}")
        if self.budget.metric not in (None, sets[wanted]):
            judged = "this run" if self.budget.set is None else wanted
            raise ValueError(
                f"budget.metric: {self.budget.metric} is not what {judged} is judged by, which is {sets[wanted]}"
            )

    def _check_suite(self) -> None:
        if self.measure.sets and self.student.form == "comparator":
            raise ValueError("measure.sets: they judge vectors as they are, which a comparator reads; use form: cosine")

    def _check_reranker(self) -> None:
        if self.reranker is None:
            return
        if self.teacher is None:
            raise ValueError("reranker: it is made of the recipe's cross-encoder, but there is none; give teacher")
        if isinstance(self.teacher, LoadTeacher) and self.teacher.quantize is not None:
            raise ValueError("reranker: it cannot be made of quantized weights; leave teacher.quantize out")

    def _check_without_pairs(self) -> None:
        student = self.student
        kept = student.keep and not isinstance(student, StaticStudent)  # whose keep is a default
        if student.compare_alphas or kept or len(student.seeds) > 1:
            raise ValueError("texts.train is missing: student.compare_alphas, keep and several seeds need pairs")
        self._check_threshold()
        if self.teacher is not None:
            raise ValueError("texts.train is missing: a cross-encoder scores pairs; without any, use embedding alone")
        if self.embedding is not None and any(teacher.tune for teacher in self.embedding.teachers):
            raise ValueError("texts.train is missing: embedding.teachers.tune needs labelled pairs")
        if self.embedding is not None and self.embedding.mine is not None:
            raise ValueError("texts.train is missing: embedding.mine adds pairs to the labelled ones; give some")
        if self.embedding is not None and not self.embedding.sentences:
            raise ValueError("texts.train is missing, and embedding.sentences are too: there is no text to learn from")


class RecipeError(InputError):
    """One or more errors of a recipe, a line each."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = list(errors)
        super().__init__(*errors)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        overrides: `key.of.a.setting=value` as given to `--set`; the value is YAML.

    Raises:
        RecipeError: all that is wrong with the file's form and values.
    """
    content, places = _read_yaml(path)
    asked: list[Keys] = []
    try:
        for given in overrides:
            keys, node = override(content, given)
            places = overridden(places, keys, node)
            asked.append(keys)
        inlined(content, path.parent)
    except InputError as error:
        raise RecipeError(str(error).splitlines()) from error
    told = _Told(path, places, asked)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        found = [_line(told, detail) for detail in error.errors()]
        raise RecipeError(list(dict.fromkeys(found))) from error
    found = [told.line(keys, said) for keys, said in misread_numbers(recipe, places)]
    if found:
        raise RecipeError(found)
    return recipe


def recipe_yaml(recipe: Recipe) -> str:
    """The resolved recipe, every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def recipe_digest(recipe: Recipe) -> str:
    """Sha256 of what the resolved recipe says of its artifacts, which state it.

    What only judges, tells or says where the work is done is not among it, nor what is made beside the artifacts: they
    stay what they are whatever is asked of them.
    """
    return _digest(recipe, {name: True for name in (*OF_THE_REPORT, *OF_THE_PLACE)} | {"export": BESIDE_ARTIFACTS})


def tracked_digest(recipe: Recipe) -> str:
    """Sha256 of the resolved recipe, without where it trains, what promotes its artifact and who hears of it."""
    return _digest(recipe, {"promotion": True, "trainer": True, "tracking": True})


def _digest(recipe: Recipe, leave_out: dict[str, Any]) -> str:
    content = recipe.model_dump(mode="json", exclude=leave_out)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], Place]]:
    try:
        content, node = read_yaml(path)
    except FileNotFoundError as error:
        raise RecipeError([f"{path}: no such recipe; `decant init` writes one"]) from error
    except IsADirectoryError as error:
        raise RecipeError([f"{path} is a folder; give the recipe's YAML file"]) from error
    except YamlError as error:
        where = f"{path}:{error.line}" if error.line is not None else str(path)
        raise RecipeError([f"{where}: {error}"]) from error
    except OSError as error:
        raise RecipeError([f"{path}: cannot be read: {error.strerror}"]) from error
    if not isinstance(content, dict):
        raise RecipeError([f"{path}: a recipe is a mapping of keys, not {type(content).__name__}"])
    return content, places_of(node)


class _Told(NamedTuple):
    """Where the settings stand: in a file, some of them on the command line instead."""

    path: Path
    places: Mapping[Keys, Place]
    asked: Sequence[Keys]

    def line(self, keys: Keys, said: str) -> str:
        """What is wrong with the value under the keys, behind where it is written."""
        named = written(keys, self.places) or "recipe"
        made = keys and keys not in self.places  # a section that only --set names
        if any(keys[: len(one)] == one or (made and one[: len(keys)] == keys) for one in self.asked):
            return f"--set {named}: {said}"
        in_file = (keys[:end] for end in range(len(keys), 0, -1))
        known = next((self.places[one].line for one in in_file if one in self.places and one not in self.asked), None)
        return f"{self.path}{f':{known}' if known else ''}: {named}: {said}"


def _line(told: _Told, error: Mapping[str, Any]) -> str:
    """One of pydantic's errors, with its file, line and keys."""
    location, given = error["loc"], error.get("input")
    sections = (None, *location)
    of_a_set = 3 if location[:2] == SETS else None
    keys = tuple(
        str(part)
        for place, (section, part) in enumerate(zip(sections, location, strict=False))
        if not ((section in WITH_KINDS or place == of_a_set) and part in KINDS) and part != OF_A_KEY
    )
    misread = misread_text(error, told.places.get(keys))
    if misread is not None:
        return told.line(keys, misread)
    message = plain_words(error, Recipe)
    plain = isinstance(given, str | float | bool) or (isinstance(given, int) and abs(given) < LARGE)
    told_already = error["type"] in ("extra_forbidden", "union_tag_invalid") or keys[-1:] == ("webhook",)
    return told.line(keys, message + (f" (given: {given!r})" if plain and not told_already else ""))
