"""How long work is shown."""

import io
import re

from corridorkey_server.progress import Bar, Lines, show_frames


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_few_whole_lines() -> None:
    """A hundred quick frames make one line with percentage, frame and rate, not a hundred."""
    log = io.StringIO()
    with Lines(100, log) as progress:
        for frame in range(100):
            progress.working(frame, "encode", 0.5)
            progress.done(frame, "keyed")
    lines = log.getvalue().splitlines()
    assert len(lines) == 1
    assert re.fullmatch(r"Progress: 100% frame 99 keyed \d+\.\d\d fps, 0:00 left", lines[0])


def test_skipped_frames_do_not_count_as_speed() -> None:
    """After skipped frames alone no rate is claimed."""
    log = io.StringIO()
    with Lines(2, log) as progress:
        progress.done(1, "skipped")
        progress.done(2, "skipped")
    assert "fps" not in log.getvalue()


def test_a_terminal_gets_a_bar_that_moves_within_a_frame() -> None:
    """The bar names frame and stage, and ends with the count and the rate."""
    terminal = Terminal()
    with Bar(2, terminal) as progress:
        progress.working(7, "refine", 0.5)
        progress.done(7, "keyed")
        progress.done(8, "keyed")
    text = terminal.getvalue()
    assert "8 keyed" in text
    assert "2/2" in text
    assert "fps" in text


def test_a_pipe_is_no_terminal() -> None:
    """Standard error that is captured gets lines."""
    assert isinstance(show_frames(1), Lines)
