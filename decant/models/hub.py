"""What the hub has: asked once and shortly, and what is said where it does not answer."""

from __future__ import annotations

from typing import Any, Literal

from decant.errors import InputError
from decant.models.installed import MODELS_VARIABLE, installed_models
from decant.temporary import raised_for

HUB_SECONDS = 5.0  # for one request


def ask_hub(kind: Literal["model", "dataset"], reference: str) -> Any:
    """What the hub says of a model or data set: one request, with no second try.

    Raises:
        Exception: whatever the hub's library and the network raise where it is not there, or does not answer.
    """
    from huggingface_hub import HfApi, constants

    return HfApi(endpoint=constants.ENDPOINT).repo_info(reference, repo_type=kind, timeout=HUB_SECONDS)


def hub_model_error(reference: str, error: Exception) -> InputError:
    """What to raise for a model that could not be had; it may pass by itself where the network is away."""
    installed = installed_models()
    here = f"; or take one that is installed here: {', '.join(installed)}" if installed else ""
    return raised_for(error)(
        f"model {reference!r} is neither a local folder nor reachable on the hub ({type(error).__name__}); check the "
        f"name and the network, or download it and give its folder, or set {MODELS_VARIABLE} to the folder it lies "
        f"in{here}"
    )
