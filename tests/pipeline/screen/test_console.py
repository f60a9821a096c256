import pytest

from pipeline.screen import console
from pipeline.screen.console import Screen, duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.6, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_plain_lines_come_at_most_every_30_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with Screen().watch("student", 100) as advance:
        for _ in range(10):
            now[0] += 20
            advance(5, "epoch 1/2")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "  student 10/100, about 6 min 0 s left · epoch 1/2"
    assert len(err.splitlines()) == 5


def test_square_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().say("runs/[red]x[/red]")
    assert capsys.readouterr().err == "runs/[red]x[/red]\n"


def test_quiet_says_nothing_and_an_empty_watch_too(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(quiet=True).say("a line")
    with Screen().watch("nothing", 0) as advance:
        advance(0)
    assert capsys.readouterr() == ("", "")
