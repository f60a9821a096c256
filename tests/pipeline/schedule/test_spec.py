import pytest

from decant.errors import InputError
from pipeline.schedule.spec import absolute_location, parse_duration, schedule_of, spoken

GOOD = {"name": "my", "recipe": "/r.yaml", "run": "/run", "every_s": 60, "timezone": "UTC", "created": 0.0}


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5h", 5400), ("15m", 900), ("2d", 172_800)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--every") == seconds


@pytest.mark.parametrize("text", ["", "h", "-1s", "1w", "1h30m", "inf", "nan", "٤m", "1_0s", "0x1s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^--every .*: write a number and s, m, h or d"):
        parse_duration(text, "--every")


def test_more_than_a_century_is_refused() -> None:
    assert parse_duration("36600d", "--every") == schedule_of(GOOD | {"every_s": 36_600 * 86_400}).every_s
    for text in ("36601d", "1" * 400 + "d"):
        with pytest.raises(InputError, match="^--every .*1d: more than a century; write at most 36600d$"):
            parse_duration(text, "--every")
    for created in (2**63, -1, float("nan")):
        with pytest.raises(InputError, match="^--created .*: Input should be"):
            schedule_of(GOOD | {"created": created})


def test_what_is_spoken_can_be_read_again() -> None:
    assert [spoken(seconds) for seconds in (86_400, 5400, 60, 90, 0)] == ["1 d", "90 m", "1 m", "90 s", "0 s"]


def test_all_errors_are_told_by_option() -> None:
    with pytest.raises(InputError, match="no such time zone") as caught:
        schedule_of(GOOD | {"timezone": "Europe/Berin", "retries": 200, "backoff_s": -1, "every_s": 0})
    assert str(caught.value).splitlines() == [
        "--every 0: Input should be greater than or equal to 1",
        "--timezone Europe/Berin: no such time zone; give an IANA name, such as Europe/Berlin",
        "--retries 200: Input should be less than or equal to 100",
        "--backoff -1: Input should be greater than or equal to 0",
    ]


@pytest.mark.parametrize("name", ["../x", "", "a b", ".hidden", "x" * 65])
def test_a_name_is_a_folders(name: str) -> None:
    with pytest.raises(InputError, match="^--name .*should match pattern"):
        schedule_of(GOOD | {"name": name})


def test_one_trigger() -> None:
    for values in ({"every_s": None}, {"cron": "0 3 * * *"}):
        with pytest.raises(InputError, match="^give either --cron or --every$"):
            schedule_of(GOOD | values)


def test_a_url_stays_as_it_is() -> None:
    assert absolute_location("s3://bucket/models") == "s3://bucket/models"
    assert absolute_location("/registry") == "/registry"
