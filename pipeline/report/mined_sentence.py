"""The mined pairs in words."""

from pipeline.report.rows import Mined

SAID = {
    "near": "near (a text and one of its nearest)",
    "window": "window (one from further down the ranks)",
}


def mined_sentence(mined: Mined) -> str:
    """Say how many pairs were mined, and how many of each kind."""
    kinds = [f"{count:,} {SAID.get(kind, kind)}" for kind, count in mined.counts.items() if count]
    listed = " and ".join(part for part in (", ".join(kinds[:-1]), *kinds[-1:]) if part)
    return f"{sum(mined.counts.values()):,} pairs were mined from the unlabelled texts: {listed}."
