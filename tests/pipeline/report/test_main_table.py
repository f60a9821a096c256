from pipeline.report.main_table import (
    against_teacher,
    faster_than_baseline,
    faster_than_teacher,
    label,
    main_table,
    one_text_ms,
    references,
    sorted_rows,
    throughput,
    with_interval,
)
from pipeline.report.rows import Report


def test_teacher_then_baselines_then_student_then_artifacts_the_large_first(report: Report) -> None:
    assert [row.name for row in sorted_rows(report)] == [
        "big", "bag of words", "peer", "student", "L6xD384-fp32", "L6xD384-int8",
    ]  # fmt: skip


def test_cells_of_the_picked_row(report: Report) -> None:
    refer, row = references(report), report.row("L6xD384-int8")
    assert with_interval(row, refer) == "85.50 ±1.5"
    assert against_teacher(row, refer) == "+0.50"
    assert throughput(row) == "900"
    assert one_text_ms(row) == "1.30"
    # 900 texts are 450 pairs a second, the teacher's are 30; the peer in torch encodes 225 texts.
    assert faster_than_teacher(row, refer) == 15
    assert faster_than_baseline(row, refer) == 4


def test_the_teacher_is_told_in_pairs_and_not_compared_with_itself(report: Report) -> None:
    refer, row = references(report), report.row("big")
    assert throughput(row) == "30.0 pairs"
    assert against_teacher(row, refer) == "–"
    assert faster_than_teacher(row, refer) is None
    assert any("figures are per pair" in sentence for sentence in main_table(report).legend)


def test_a_row_that_states_pairs_is_compared_by_them(report: Report) -> None:
    row = report.row("L6xD384-int8").model_copy(update={"pairs_per_second": 300})
    assert faster_than_teacher(row, references(report)) == 10


def test_an_embedding_teacher_is_compared_by_texts(report: Report) -> None:
    teacher = report.row("big").model_copy(update={"pairs_per_second": None, "texts_per_second": 90.0})
    rows = (teacher, *[row for row in report.rows if row.kind != "teacher"])
    changed = report.model_copy(update={"rows": rows})
    assert faster_than_teacher(changed.row("L6xD384-int8"), references(changed)) == 10


def test_without_a_baseline_the_student_in_torch_is_the_measure(report: Report) -> None:
    rows = tuple(row for row in report.rows if row.kind != "baseline")
    refer = references(report.model_copy(update={"rows": rows}))
    assert refer.baseline is not None
    assert refer.baseline.name == "student"


def test_a_busy_machine_is_told(report: Report) -> None:
    assert not any("busy" in sentence for sentence in main_table(report).legend)
    environment = report.environment.model_copy(update={"busy": 0.87})
    busy = main_table(report.model_copy(update={"environment": environment})).legend
    assert "Other work kept 87 % of the cores busy: these speeds are too low." in busy


def test_columns_that_no_row_fills_are_left_out(report: Report) -> None:
    assert [column.header for column in main_table(report).columns] == [
        "model", "precision", "Spearman", "vs teacher", "texts/s", "ms/text", "MiB", "× teacher", "× torch",
    ]  # fmt: skip
    only = report.model_copy(update={"rows": (report.row("bag of words"),), "selected": None})
    assert [column.header for column in main_table(only).columns] == ["model", "Spearman"]


def test_the_comparator_is_said_to_be_another_model(report: Report) -> None:
    row = report.row("student")
    assert label(row) == "student"
    assert label(row.model_copy(update={"form": "comparator"})) == "student (comparator)"
    assert label(row.model_copy(update={"form": "comparator", "name": "a-comparator"})) == "a-comparator"


def test_shared_maps_are_a_column_where_there_are_any(report: Report) -> None:
    assert "shared maps" not in [column.header for column in main_table(report).columns]
    rows = [row.model_copy(update={"sharing": "2–4 | 6–8"} if row.name == "student" else {}) for row in report.rows]
    shared = report.model_copy(update={"rows": tuple(rows)})
    table = main_table(shared)
    place = [column.header for column in table.columns].index("shared maps")
    assert {line.cells[0].text: line.cells[place].text for line in table.lines} == {
        row.name: "2–4 | 6–8" if row.name == "student" else "–" for row in rows
    }
    assert any(sentence.startswith("Shared maps: layers, counted from 0") for sentence in table.legend)
    assert not any("hared maps" in sentence for sentence in main_table(report).legend)
