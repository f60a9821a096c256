from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from students.sharing.sharing_settings import SharingSettings


def test_written_groups() -> None:
    assert SharingSettings.model_validate({"groups": [[1, 2], [3, 4, 5]], "head_scale": True}).groups == (
        (1, 2), (3, 4, 5),
    )  # fmt: skip
    assert SharingSettings().groups is None


def test_the_resolved_form_is_read_again() -> None:
    for given in ({"groups": [[1, 2]]}, {"save": 0.05, "of": "flops"}, {"threshold": 0.7, "longest": 2}):
        settings = SharingSettings.model_validate(given)
        assert SharingSettings.model_validate(settings.model_dump(mode="json")) == settings


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"groups": [[1, 2]], "threshold": 0.8, "longest": 3}, "groups are written, so threshold, longest would choose"),
    ({"save": 0.05, "threshold": 0.8}, "give threshold or save, not both"),
    ({"of": "flops"}, "of says what save is a share of, but save is not given"),
    ({"groups": [[1]]}, "at least 2 items"),
    ({"groups": []}, "at least 1 item"),
    ({"groups": [[-1, 0]]}, "greater than or equal to 0"),
    ({"threshold": 1.2}, "less than or equal to 1"),
    ({"longest": 1}, "greater than or equal to 2"),
    ({"save": 5}, "less than 1"),
    ({"of": "bytes", "save": 0.1}, "'parameters' or 'flops'"),
    ({"heads": 3}, "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SharingSettings.model_validate(given)
