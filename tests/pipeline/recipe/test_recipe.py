"""All errors of a recipe at once, each with its line."""

from pathlib import Path

import pytest
import yaml

from decant.models.encoder import SentenceEncoder
from pipeline.preflight.preflight import preflight_errors
from pipeline.recipe.recipe import Recipe, RecipeError, load_recipe, recipe_digest, recipe_yaml
from pipeline.recipe.starter import starter_recipe
from students.sharing.share_maps import share_attention
from tests.tiny_models import tiny_backbone_folder
from tests.tiny_runs import Models, nested_recipe, tiny_recipe, write_project

GOOD = """\
name: good
texts:
  task: {kind: regression, low: 0, high: 5}
  train: train.tsv
  test: {path: test.tsv}
teacher:
  kind: fine_tune
  model: org/teacher
  learning_rate: 1e-4
student:
  model: org/student
"""


def write(folder: Path, text: str) -> Path:
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder / "recipe.yaml"


def errors_of(folder: Path, text: str, *overrides: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(RecipeError) as caught:  # noqa: PT011
        load_recipe(path, overrides)
    assert str(caught.value) == "\n".join(caught.value.errors)
    return [error.removeprefix(str(path)) for error in caught.value.errors]


def test_a_good_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD))
    assert recipe.teacher.kind == "fine_tune"
    assert recipe.teacher.learning_rate == 1e-4  # YAML reads 1e-4 as a string
    assert recipe.texts.train.path == "train.tsv"
    assert recipe.student.form == "cosine"


def test_every_error_has_the_line_of_its_key(tmp_path: Path) -> None:
    bad = GOOD.replace("high: 5", "high: tall").replace("learning_rate: 1e-4", "epochs: 0.5\n  rate: 3")
    assert errors_of(tmp_path, bad + "  alpha: 1.5\nmeasure: {resamples: 5}\n") == [
        ":3: texts.task.high: must be a number, such as 2.5 (given: 'tall')",
        ":9: teacher.epochs: must be a whole number (given: 0.5)",
        ":10: teacher.rate: no such key; did you mean head_rate?; the keys here are epochs, learning_rate, batch_size, "
        "accumulate, warmup_share, head_rate, dropout, weight_decay, clip, patience, precision, on_nan, … (17 in all, "
        "in docs/recipe.md)",
        ":13: student.alpha: must be 1 or less (given: 1.5)",
        ":14: measure.resamples: must be 100 or more (given: 5)",
    ]


def test_a_missing_key_has_the_line_it_belongs_under(tmp_path: Path) -> None:
    assert errors_of(tmp_path, GOOD.replace("  model: org/student\n", "  epochs: 1\n")) == [
        ":10: student.model: is missing"
    ]
    assert errors_of(tmp_path, "name: x\n") == [": texts: is missing", ": student: is missing"]


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("{cosent: 1, other: 2}", ":12: student.loss.other: choose 'cosent', 'score_mse', 'margin_mse'"),
        ("other", ":12: student.loss.other: choose 'cosent', 'score_mse', 'margin_mse'"),
        ("{cosent: -1}", ":12: student.loss.cosent: must be above 0"),
        ("{}", ":12: student.loss: must have 1 or more values, not 0"),
    ],
)
def test_losses_are_named_and_weighed(loss: str, said: str, tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD + f"  loss: {loss}\n")
    assert error.startswith(said)


def test_a_loss_by_its_name_alone_weighs_1(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, GOOD + "  loss: angle\n")).student.loss == {"angle": 1.0}


TEACHER = """\
teacher:
  kind: fine_tune
  model: org/teacher
  learning_rate: 1e-4
"""
TRAIN = "  train: train.tsv\n"
ALONE = """\
name: x
student: {model: org/student}
embedding: {teachers: [{model: org/vectors}], sentences: [{path: texts.txt}]}
"""
VECTORS = "embedding: {teachers: [{model: org/vectors}], sentences: [{path: texts.txt}]}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace(TEACHER, ""), "no teacher: give teacher"),
        (GOOD.replace(TEACHER, VECTORS).replace(TRAIN, "") + "  alpha: 0\n", ""),
        (GOOD.replace(TRAIN, "") + VECTORS, "texts.train is missing: a cross-encoder scores pairs"),
        (ALONE, ""),
        (ALONE + "texts: {limit: 9}\n", ""),
        (ALONE + "texts: {task: {kind: regression}, dev: d.tsv}\n", "texts.test is missing: give labelled pairs"),
        (ALONE + "texts: {task: {kind: binary}}\n", "texts.dev is missing: without train, a binary task"),
        (ALONE + "texts: {columns: {first_prompt: query}}\n", "texts.test is missing: without it, agreement"),
        (
            GOOD.replace(TEACHER, "").replace(TRAIN, "").replace("  test: {path: test.tsv}\n", "")
            + "  trained: true\n",
            "texts.test is missing: give labelled pairs to measure on",
        ),
        (
            GOOD.replace(TEACHER, VECTORS.replace("vectors}", "vectors, tune: {}}")).replace(
                "  train: train.tsv\n", ""
            ),
            "texts.train is missing: embedding.teachers.tune needs labelled pairs",
        ),
        (
            GOOD.replace(TEACHER, VECTORS.split(", sentences")[0] + "}\n").replace(TRAIN, ""),
            "texts.train is missing, and embedding.sentences are too",
        ),
        (GOOD + "  nesting: {kind: grid}\n  keep: 1\n", "student.keep: there are no embedding.teachers"),
        (GOOD + "  dims: [64]\n", "student.keep, dims and exit_layers go with nesting"),
        (GOOD + "  soup: true\n", "student.soup averages the students of several seeds"),
        (
            GOOD + "  soup: true\n  seeds: [0, 1]\n  form: comparator\n",
            "student.soup: the comparators of several seeds start apart, so that their mean is none of them",
        ),
        (GOOD + "measure: {metric: f1}\n", "measure.metric: f1 does not go with this task; spearman or pearson"),
        (
            GOOD.replace(TEACHER, VECTORS).replace(TRAIN, "") + "  seeds: [0, 1]\n",
            "texts.train is missing: student.compare_alphas, keep and several seeds",
        ),
        (
            GOOD.replace(TEACHER, VECTORS).replace(TRAIN, "").replace("regression, low: 0, high: 5", "binary"),
            "texts.dev is missing: without train, a binary task",
        ),
        (GOOD + "  form: comparator\n  nesting: {kind: grid}\n", "student.nesting: a comparator reads whole vectors"),
        (GOOD + "  form: comparator\n" + VECTORS, "embedding: its vectors are learned for serving by cosine"),
        (
            GOOD + VECTORS.replace("}]", "}, {model: org/more}]", 1).replace("]}", "], states: {kind: hidden}}"),
            "embedding.states follow one teacher, but embedding.teachers names 2; give one",
        ),
        (GOOD.replace(TEACHER, VECTORS).replace(TRAIN, "") + "  alpha: 0\n  vocabulary: {min_count: 2}\n", ""),
        (
            GOOD + "  vocabulary: {}\n" + VECTORS.replace("]}", "], states: {kind: hidden}}"),
            "student.vocabulary: embedding.states need a student that reads its teacher's own tokens",
        ),
        (
            GOOD + VECTORS.replace("]}", "], states: {kind: blocks}}"),
            "embedding.states: kind blocks follows the ends of groups that share a map; give student.sharing",
        ),
        (
            GOOD.replace(TEACHER, "") + "  trained: true\n  sharing: {groups: [[0, 1]]}\n",
            "student.sharing needs a training, but student.trained takes the model as it is",
        ),
        (GOOD + "  trained: true\n", "student.trained takes the model as it is; leave teacher and embedding out"),
        (GOOD.replace(TEACHER, "") + "  trained: true\n  keep: 1\n", "student.keep needs a training, but student.trai"),
        (GOOD.replace(TEACHER, "") + "  trained: true\n  seeds: [0, 1]\n", "student.seeds needs a training, but"),
        (
            GOOD.replace(TEACHER, "").replace(TRAIN, "") + "  trained: true\n  vocabulary: {}\n",
            "student.vocabulary: give texts.train or texts.unlabelled, whose tokens are to be kept",
        ),
        (
            GOOD.replace(TEACHER, "").replace(TRAIN, "")
            + "  trained: true\nexport: {precisions: [int4], quantize_aware: {}}\n",
            "export.quantize_aware: give texts.train or texts.unlabelled, which it learns from",
        ),
        (GOOD + "budget: {metric: f1}\n", "budget.metric: f1 is not what this run is judged by, which is spearman"),
    ],
)
def test_teachers_labels_and_student_must_fit(text: str, said: str, tmp_path: Path) -> None:
    if not said:
        recipe = load_recipe(write(tmp_path, text))
        assert recipe.texts.train is None
        assert not recipe.saw_labels()
        return
    (error,) = errors_of(tmp_path, text)
    assert error.startswith(f": recipe: {said}")


def test_labels_without_a_task_mean_nothing(tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, ALONE + "texts: {test: test.tsv}\n")
    assert error == ":4: texts: task is missing: test has labels, and it says what they mean"


def test_a_wrong_vocabulary_has_the_line_of_its_key(tmp_path: Path) -> None:
    assert errors_of(tmp_path, GOOD + "  vocabulary: {size: 0, min_count: few, keep: x}\n") == [
        ":12: student.vocabulary.min_count: must be a whole number (given: 'few')",
        ":12: student.vocabulary.size: must be 1 or more (given: 0)",
        ":12: student.vocabulary.keep: no such key; did you mean keep_from?; the keys here are keep_from, min_count, "
        "size",
    ]


def test_wrong_quantization_settings_have_the_lines_of_their_keys(tmp_path: Path) -> None:
    export = (
        "export:\n  precisions: [int8-row, int4, int3]\n  int8_row: {outliers: -1, min_cosine: 99}\n"
        "  int4:\n    block: 48\n    damping: 0\n    bits: 4\n  calibration: {texts: 0}\n"
        "  int8_static: {outliers: 65, percentiles: []}\n"
    )
    first, *others = errors_of(tmp_path, GOOD + export)
    assert first.startswith(":13: export.precisions.2: choose 'fp32', 'int8-dynamic', 'int8-row', ")
    assert others == [
        ":14: export.int8_row.outliers: must be 0 or more (given: -1)",
        ":14: export.int8_row.min_cosine: must be 1 or less (given: 99)",
        ":20: export.int8_static.outliers: must be 64 or less (given: 65)",
        ":20: export.int8_static.percentiles: must have 1 or more values, not 0",
        ":16: export.int4.block: choose 16, 32, 64, 128 or 256 (given: 48)",
        ":17: export.int4.damping: must be above 0 (given: 0)",
        ":18: export.int4.bits: no such key; the keys here are block, accuracy_level, rounding, damping, tables",
        ":19: export.calibration.texts: must be 1 or more (given: 0)",
    ]


def test_a_wrong_nesting_has_the_line_of_its_key(tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD + "  nesting: {kind: grid, depth_sampling: 2}\n")
    assert error == ":12: student.nesting.depth_sampling: must be below 1 (given: 2)"
    (error,) = errors_of(tmp_path, GOOD + "  nesting: {kind: spiral}\n")
    assert error.startswith(
        ":12: student.nesting: kind 'spiral' is none of 'last', 'matryoshka', 'two_d', 'ese', 'starbucks', 'grid'"
    )


def test_wrong_states_have_the_line_of_their_key(tmp_path: Path) -> None:
    states = GOOD + VECTORS.replace("]}", "], states: {kind: %s}}")
    assert errors_of(tmp_path, states % "hidden, weight: 0") == [
        ":12: embedding.states.weight: must be above 0 (given: 0)"
    ]
    assert errors_of(tmp_path, states % "relations, heads: 0") == [
        ":12: embedding.states.heads: must be 1 or more (given: 0)"
    ]
    (error,) = errors_of(tmp_path, states % "attention")
    assert error.startswith(":12: embedding.states: kind 'attention' is none of 'hidden', 'relations', 'blocks'")


def test_a_key_that_is_also_a_kind_keeps_its_name(tmp_path: Path) -> None:
    assert errors_of(tmp_path, GOOD + "  hidden: 0\n") == [":12: student.hidden: must be 1 or more (given: 0)"]


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "x" * 65])
def test_a_name_stays_inside_runs(name: str, tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path, GOOD.replace("name: good", f"name: {name!r}"))
    assert error.startswith(":1: name: ")


def test_set_takes_yaml_values(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    recipe = load_recipe(path, ["student.seeds=[0, 1]", "measure.peers=false", "texts.dev=dev.tsv", "name=other"])
    assert recipe.student.seeds == (0, 1)
    assert not recipe.measure.peers
    assert recipe.texts.dev is not None
    assert recipe.name == "other"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("student.alpha", "--set student.alpha: write it as key.of.a.setting=value"),
        ("=1", "--set =1: write it as key.of.a.setting=value"),
        ("name.deep=1", "--set name.deep=1: name is a single value, so it has no deep"),
        (
            "student.alpha=[",
            "--set student.alpha=[: the value is not YAML: the text ends inside a bracket; close each [ and {; the "
            "line is '['",
        ),
        ("student.alpha=2", "--set student.alpha: must be 1 or less (given: 2)"),
    ],
)
def test_a_wrong_override(override: str, said: str, tmp_path: Path) -> None:
    assert errors_of(tmp_path, GOOD, override) == [said]


def test_the_resolved_recipe_is_the_same_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD))
    resolved = recipe_yaml(recipe)
    assert yaml.safe_load(resolved)["student"]["alpha"] == 0.5
    again = load_recipe(write(tmp_path, resolved))
    assert again == recipe
    assert recipe_digest(again) == recipe_digest(recipe)
    assert recipe_digest(load_recipe(write(tmp_path, GOOD), ["seed=1"])) != recipe_digest(recipe)
    elsewhere = load_recipe(write(tmp_path, GOOD), ["trainer.devices=2"])
    assert elsewhere.trainer.devices == 2
    assert recipe_digest(elsewhere) == recipe_digest(recipe)


def test_what_is_not_there_is_told_whole(tmp_path: Path, models: Models) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    assert preflight_errors(load_recipe(path), tmp_path) == []
    recipe = load_recipe(path, ["texts.train=a.tsv", "texts.test=b.tsv", "teacher.model=./c", "student.model=./d"])
    errors = preflight_errors(recipe, tmp_path)
    assert [error.split(":")[0] for error in errors] == ["texts.train", "texts.test", "teacher.model", "student.model"]


def test_more_processes_than_cores(tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.devices.usable_cores", lambda: 4)
    path = write_project(tmp_path, tiny_recipe(models))
    assert preflight_errors(load_recipe(path, ["trainer={devices: 4, accelerator: cpu}"]), tmp_path) == []
    (error,) = preflight_errors(load_recipe(path, ["trainer={devices: 9, accelerator: cpu}"]), tmp_path)
    assert error == (
        "trainer.devices: 9 processes are more than the 4 cores of this machine that may be used; "
        "lower trainer.devices to 4"
    )


def test_quantized_weights_train_in_one_process(tmp_path: Path) -> None:
    quantized = GOOD.replace("learning_rate: 1e-4", "quantize: nf4\n  lora: {}")
    plain = load_recipe(write(tmp_path, quantized))
    assert plain.teacher.quantize == "nf4"
    (error,) = errors_of(tmp_path, quantized, "trainer.devices=2")
    assert error == (
        ": recipe: trainer.devices: quantized weights train in one process only; leave quantize out, or take one"
    )


@pytest.mark.parametrize("name", ["my recipe", "ünï", "...", "a" * 40])
def test_the_starter_recipe_loads_whatever_its_name(name: str, tmp_path: Path) -> None:
    assert isinstance(load_recipe(write(tmp_path, starter_recipe(name, "train.tsv", "test.tsv"))), Recipe)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "student={nesting: {kind: grid}, dims: [64]}",
            "student: dims [64]: 64 is outside 1..32, the width of this encoder's vectors",
        ),
        ("student.nesting={kind: two_d}", "student: nesting: two_d draws a dim below the full 32"),
        ("budget={dim: 8}", "budget.dim: 8 is below every length that is trained"),
        ("export.cuts=[[3, 32], [4, 8]]", "export.cuts: [4, 8] is beyond the student's [3, 32]"),
        ("student.layers=[0, 3]", "student.layers: keep layers [0, 3]: give rising numbers of 0..2"),
        (
            "student={exit_layers: [1, 3], nesting: {kind: grid}}",
            "student.exit_layers: [1, 3] must be depths of 1..2, each",
        ),
        ("student.layers=[1, 0]", "student.layers: keep layers [1, 0]: give rising numbers of 0..2"),
        (
            "student={form: comparator, pooling: concat_top_mean, layers: [0, 2]}",
            "student.layers: cut to 2 layers: concat_top_mean pooling needs 3 or more",
        ),
        (
            "student={nesting: {kind: grid}, dims: [8, 5], loss: {cosent: 1, angle: 1}}",
            "student: loss: angle splits a vector in two halves, but a length of 5 is odd",
        ),
        (
            "student={nesting: {kind: starbucks, sizes: [[1, 7], [3, 32]]}, loss: angle}",
            "student: loss: angle splits a vector in two halves, but a length of 7 is odd",
        ),
        ("student.sharing={groups: [[1, 3]]}", "student.sharing: groups: [1, 3] names layer 3, but the model has 3"),
        ("student.sharing={groups: [[0, 2]]}", "student.sharing: groups: [0, 2] skips layer 1; the layers of a group"),
        ("student.sharing={groups: [[0, 1], [1, 2]]}", "student.sharing: groups: [1, 2] comes to layer 1 after 1"),
        (
            "student={layers: [0, 2], sharing: {groups: [[1, 2]]}}",
            "student.sharing: groups: [1, 2] names layer 2, but the model has 2 (0..1)",
        ),
        (
            "student.sharing={threshold: 0.5}",
            "student.sharing: free_first 1 and free_last 1 leave no two neighbours of one kind among the student's 3",
        ),
        ("student.ffn_width=999", "student.ffn_width: 999 is above 64, the FFN width of"),
        ("student.vocabulary={size: 9}", "student.vocabulary: size 9 is below the "),
        ("student.vocabulary={keep_from: no.txt}", "student.vocabulary.keep_from: "),
        (
            "export={vectors: [int8, binary], cuts: [[3, 32], [2, 12]]}",
            "export.vectors: binary vectors hold eight dimensions a byte, but dim 12 is no multiple of 8",
        ),
        (
            "export={precisions: [int8-row], int8_row: {outliers: 32}}",
            "export.int8_row.outliers: 32 of an activation's 32 columns; ask for fewer",
        ),
    ],
)
def test_what_the_model_does_not_have_is_told_before_any_work(
    override: str, said: str, tmp_path: Path, models: Models
) -> None:
    path = write_project(tmp_path, tiny_recipe(models))
    override = override.replace("student={", f"student={{model: {models.encoder}, ")
    (error,) = preflight_errors(load_recipe(path, [override]), tmp_path)
    assert error.startswith(said)


def test_layers_that_a_family_cannot_do_without_are_told_before_any_work(tmp_path: Path, models: Models) -> None:
    content = tiny_recipe(models)
    content["student"] |= {"model": str(tiny_backbone_folder(tmp_path, "modernbert")), "layers": [1, 2]}
    (error,) = preflight_errors(load_recipe(write_project(tmp_path, content)), tmp_path)
    assert error.startswith("student.layers: keep layers without 0: ModernBERT's first layer")


@pytest.mark.parametrize(
    ("kind", "sharing", "said"),
    [
        ("deberta-v2", {"groups": [[0, 1]]}, "a 'deberta-v2' model has no attention maps that its layers could share"),
        ("modernbert", {"groups": [[0, 1]]}, "groups: [0, 1] mixes full_attention and sliding_attention layers"),
        ("modernbert", {"threshold": 0.5}, "free_first 1 and free_last 1 leave no two neighbours of one kind"),
    ],
)
def test_families_and_kinds_that_cannot_share_are_told_before_any_work(
    kind: str, sharing: dict[str, object], said: str, tmp_path: Path, models: Models
) -> None:
    content = tiny_recipe(models)
    content["student"] |= {"model": str(tiny_backbone_folder(tmp_path, kind)), "sharing": sharing}
    (error,) = preflight_errors(load_recipe(write_project(tmp_path, content)), tmp_path)
    assert error.startswith(f"student.sharing: {said}")


def test_a_model_that_shares_already_is_told_before_any_work(tmp_path: Path, models: Models) -> None:
    share_attention(SentenceEncoder.load(models.encoder), [[0, 1]]).save(tmp_path / "shared")
    content = tiny_recipe(models)
    content["student"] |= {"model": str(tmp_path / "shared"), "sharing": {"groups": [[0, 1]]}}
    (error,) = preflight_errors(load_recipe(write_project(tmp_path, content)), tmp_path)
    assert "share attention maps already; leave sharing out" in error


def test_odd_lengths_that_no_angle_loss_sees_are_fine(tmp_path: Path, models: Models) -> None:
    content = tiny_recipe(models)
    content["student"] |= {"nesting": {"kind": "grid"}, "dims": [5]}
    path = write_project(tmp_path, content)
    assert preflight_errors(load_recipe(path), tmp_path) == []
    last = ["student.loss=angle", "student.nesting={kind: last}"]
    assert preflight_errors(load_recipe(path, last), tmp_path) == []


@pytest.mark.parametrize(
    ("states", "teacher", "tune", "said"),
    [
        ({"kind": "hidden"}, "bert", {}, ""),
        (None, "roberta", {}, ""),
        ({"kind": "hidden"}, "roberta", {}, "the teacher's tokenizer gives other ids than the student's, as for 'A m"),
        ({"kind": "hidden"}, "bert", {"max_length": 16}, "the student reads 32 tokens and the teacher 16 at most"),
        ({"kind": "relations"}, "bert", {}, "heads 12 does not divide both widths, the student's 32 and the teacher's"),
        ({"kind": "relations", "heads": 8}, "bert", {}, ""),
    ],
)
def test_a_teacher_whose_states_cannot_be_followed_is_told_before_any_work(
    states: dict[str, object] | None, teacher: str, tune: dict[str, int], said: str, tmp_path: Path, models: Models
) -> None:
    content = nested_recipe(models, labelled=True)
    folder = tiny_backbone_folder(tmp_path, teacher)
    tuned = content["embedding"]["teachers"][0]["tune"] | tune
    content["embedding"] |= {"states": states, "teachers": [{"model": str(folder), "tune": tuned}]}
    errors = preflight_errors(load_recipe(write_project(tmp_path, content)), tmp_path)
    assert [error.startswith(f"embedding.states: {said}") for error in errors] == [True] * bool(said), errors


@pytest.mark.parametrize(
    ("changes", "saw"),
    [
        ([], True),
        (["student.alpha=1"], True),  # the embedding teacher was tuned on them
        (["student.alpha=1", "embedding.teachers.0.tune=null"], False),
        (["student.epochs=0", "embedding.teachers.0.tune.epochs=0"], False),
        (["student.epochs=0"], True),
    ],
)
def test_what_saw_the_labels(changes: list[str], saw: bool, tmp_path: Path, models: Models) -> None:
    recipe = yaml.safe_load(write_project(tmp_path, nested_recipe(models, labelled=True)).read_text(encoding="utf-8"))
    for change in changes:
        *parents, last = change.split("=")[0].split(".")
        place = recipe
        for parent in parents:
            place = place[int(parent)] if parent.isdigit() else place[parent]
        place[last] = yaml.safe_load(change.split("=")[1])
    assert Recipe.model_validate(recipe).saw_labels() == saw
