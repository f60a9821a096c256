from pathlib import Path

from pipeline.tracking.textfile import Sample, textfile, value_in, write_textfile
from tests.prometheus_reader import read_textfile

TOLD = {"decant_run_status": "how"}


def test_labels_are_escaped(tmp_path: Path) -> None:
    sample = Sample("decant_run_status", 1.0, {"name": 'a"b\\c\nd'})
    assert textfile([sample], TOLD) == (
        '# HELP decant_run_status how\n# TYPE decant_run_status gauge\ndecant_run_status{name="a\\"b\\\\c\\nd"} 1.0\n'
    )
    write_textfile(tmp_path / "a.prom", [sample], TOLD)
    assert read_textfile(tmp_path / "a.prom") == {("decant_run_status", r"name=a\"b\\c\nd"): 1.0}


def test_a_value_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    assert value_in(path, "decant_run_status", "my") is None
    write_textfile(path, [Sample("decant_run_status", 1764300000.25, {"name": "m.y"})], TOLD)
    assert value_in(path, "decant_run_status", "m.y") == 1764300000.25
    assert value_in(path, "decant_run_status", "mxy") is None
