from pathlib import Path

import pytest

from pipeline.report.machine import busy_share, cpu, library_versions, parse_cpuinfo, read_environment

INTEL = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8481C
flags\t\t: fpu avx avx2 avx512f avx512_bf16 avx512_vnni amx_bf16 amx_tile amx_int8

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp sve i8mm bf16\n"


def test_the_first_processor_and_only_features_that_matter() -> None:
    assert parse_cpuinfo(INTEL, "x86_64") == (
        "Intel(R) Xeon(R) Platinum 8481C",
        ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"),
    )


def test_arm_has_no_model_name() -> None:
    assert parse_cpuinfo(ARM, "aarch64") == ("aarch64", ("asimddp", "i8mm", "bf16", "sve"))


def test_elsewhere_than_on_linux_features_are_unknown(tmp_path: Path) -> None:
    name, features = cpu(tmp_path / "cpuinfo")
    assert name
    assert features == ()


def test_busy_is_what_the_counters_gain_beside_idling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2\n")
    later = "cpu  110 0 55 860 70 0 0 5 0 0\n"  # of 100 ticks 60 idle and 20 waiting
    monkeypatch.setattr("time.sleep", lambda seconds: stat.write_text(later))
    assert busy_share(stat) == 0.2
    assert busy_share(tmp_path / "none") is None


def test_this_machine_can_be_described() -> None:
    environment = read_environment(threads=3)
    assert environment.threads == 3
    assert environment.cores >= 1
    assert environment.libraries["torch"].startswith("2.")
    assert read_environment().threads == environment.cores


def test_libraries_that_are_not_installed_are_left_out() -> None:
    assert set(library_versions(("numpy", "no-such-distribution"))) == {"numpy"}
