from pathlib import Path

from pipeline.tracking.textfile import Sample, value_in, write_textfile
from tests.prometheus_reader import read_textfile

TOLD = {"decant_run_status": "how"}


def test_labels_are_escaped(tmp_path: Path) -> None:
    write_textfile(tmp_path / "a.prom", [Sample("decant_run_status", 1.0, {"name": 'a"b\\c\nd'})], TOLD)
    assert (tmp_path / "a.prom").read_text(encoding="utf-8") == (
        '# HELP decant_run_status how\n# TYPE decant_run_status gauge\ndecant_run_status{name="a\\"b\\\\c\\nd"} 1.0\n'
    )
    assert read_textfile(tmp_path / "a.prom") == {("decant_run_status", 'name=a"b\\c\nd'): 1.0}
    assert value_in(tmp_path / "a.prom", "decant_run_status", 'a"b\\c\nd') == 1.0


def test_a_value_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    assert value_in(path, "decant_run_status", "my") is None
    write_textfile(path, [Sample("decant_run_status", 1764300000.25, {"name": "m.y"})], TOLD)
    assert value_in(path, "decant_run_status", "m.y") == 1764300000.25
    assert value_in(path, "decant_run_status", "mxy") is None


def test_a_file_of_an_earlier_version_and_what_is_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    path.write_text('# HELP a how\n# TYPE a gauge\na{name="m\\"y"} 1764300000.25\n', encoding="utf-8")
    assert value_in(path, "a", 'm"y') == 1764300000.25
    for content in (b'a{name="my"} much\n', b'a{name="my" 1\n', b'a{name=,"my"} 1', b"a{", b"}{ ,", b"\xff", b"# TYPE"):
        path.write_bytes(content)
        assert value_in(path, "a", "my") is None
