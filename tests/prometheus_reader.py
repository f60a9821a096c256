"""Reads Prometheus' text format by its grammar, apart from what writes it."""

import re
from pathlib import Path

LINE = re.compile(r"([a-z_][a-z0-9_]*)\{(.*)\} (\S+)")
LABEL = re.compile(r'([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


def read_textfile(path: Path) -> dict[tuple[str, ...], float]:
    """Samples by gauge and labels, read by the format's grammar: each gauge's in one block, under HELP and TYPE."""
    found: dict[tuple[str, ...], float] = {}
    gauges: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# HELP "):
            gauges.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {gauges[-1]} gauge"
        else:
            match = LINE.fullmatch(line)
            assert match is not None, line
            assert match[1] == gauges[-1]
            labels = LABEL.findall(match[2])
            assert ",".join(f'{key}="{value}"' for key, value in labels) == match[2]
            found[match[1], *(f"{key}={value}" for key, value in labels)] = float(match[3])
    assert len(set(gauges)) == len(gauges)
    return found
