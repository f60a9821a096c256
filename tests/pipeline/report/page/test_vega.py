import sys

import pytest

from decant.errors import InputError
from pipeline.report.page.vega import vega_script


def test_the_script_is_whole_and_cannot_end_its_element() -> None:
    script = vega_script()
    assert "window.vegaEmbed" in script
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert 500_000 < len(script) < 1_500_000


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(InputError, match="pip install vl-convert-python"):
        vega_script.__wrapped__()
