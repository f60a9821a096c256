"""Reads Prometheus' text format by the parser of its own client."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families


def read_textfile(path: Path) -> dict[tuple[str, ...], float]:
    """Samples by gauge and labels, these by name: each gauge's in one block, under HELP and TYPE."""
    families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    assert all(family.type == "gauge" and family.documentation for family in families)
    assert len({family.name for family in families}) == len(families)
    samples = [sample for family in families for sample in family.samples]
    found = {(one.name, *(f"{key}={one.labels[key]}" for key in sorted(one.labels))): one.value for one in samples}
    assert len(found) == len(samples)
    return found
