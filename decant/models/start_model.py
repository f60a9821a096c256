"""The model that a first recipe starts from."""

from __future__ import annotations

from decant.errors import InputError
from decant.models.installed import installed_models
from decant.models.reference import check_hub_model, is_on_the_hub

HUB_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def start_model() -> str:
    """A reference: HUB_MODEL where it is here or the hub answers for it, else the first that is installed here."""
    if not is_on_the_hub(HUB_MODEL):
        return HUB_MODEL
    try:
        check_hub_model(HUB_MODEL)
    except InputError:
        return next(iter(installed_models()), HUB_MODEL)
    return HUB_MODEL
