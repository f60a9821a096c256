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


def test_busy_is_a_share_of_the_cores_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_percent", lambda seconds: 20.4)
    assert busy_share() == 0.2

    def missing(seconds: float) -> float:
        raise FileNotFoundError("/proc/stat")

    monkeypatch.setattr("psutil.cpu_percent", missing)
    assert busy_share() is None


def test_this_machine_can_be_described() -> None:
    environment = read_environment(threads=3)
    assert environment.threads == 3
    assert environment.cores >= 1
    assert environment.memory_gib > 0
    assert 0 <= environment.busy <= 1
    assert environment.libraries["torch"].startswith("2.")
    assert read_environment().threads == environment.cores


def test_libraries_that_are_not_installed_are_left_out() -> None:
    assert set(library_versions(("numpy", "no-such-distribution"))) == {"numpy"}
