"""Vega's script, which the page embeds so that it reads nothing from the network."""

from functools import cache

from decant.errors import InputError


@cache
def vega_script() -> str:
    """JavaScript that gives the page `window.vegaEmbed`, with Vega in it; about 0.9 MB.

    It comes from vl-convert-python, so its version is pinned as that of any other dependency.

    Raises:
        InputError: that package is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise InputError("the report's page needs vl-convert-python: pip install vl-convert-python") from error
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
