"""What is said to whoever started us."""

import time

import pytest

from corridorkey_server.terminal import LongWait


def test_a_long_wait_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """After a second there is a line that says what is waited for by then, and one only."""
    with LongWait("waiting for one thing") as wait:
        wait.text = "waiting for another"
        time.sleep(1.4)
    assert capsys.readouterr().err == "waiting for another (1 s)\n"


def test_a_short_wait_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What is over at once needs no words, and nothing comes later either."""
    began = time.monotonic()
    with LongWait("waiting"):
        pass
    assert time.monotonic() - began < 1
    time.sleep(1.2)
    assert capsys.readouterr().err == ""
