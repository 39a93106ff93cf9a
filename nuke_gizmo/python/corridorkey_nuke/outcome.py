"""How a run went, frame by frame, and the sentence that tells it. Asks Nuke for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .job import Shot, format_frames

_HOPELESS = 5  # frames that fail one after the other before no more are tried


class Outcome:
    """What became of the frames of a run.

    Attributes:
        wanted: how many were asked for.
        kept: how many were keyed before, from the same thing.
        failure: why the run as a whole ended, empty if it did not.
        is_stopped: whether somebody stopped it.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted, self.kept = wanted, 0
        self.failure, self.is_stopped = "", False
        self._keyed: list[Shot] = []
        self._empty: list[Shot] = []
        self._failed: dict[str, list[Shot]] = {}
        self._notes: dict[str, list[Shot]] = {}
        self._in_a_row = 0

    @property
    def keyed(self) -> int:
        """How many were keyed."""
        return len(self._keyed)

    @property
    def answered(self) -> int:
        """How many need nothing more."""
        return self.kept + self.keyed + sum(map(len, self._failed.values()))

    @property
    def is_hopeless(self) -> bool:
        """Whether the next frame will hardly do better than the last ones."""
        return self._in_a_row >= _HOPELESS

    @property
    def is_whole(self) -> bool:
        """Whether all frames are there."""
        return not self.has_failed and self.kept + self.keyed == self.wanted

    @property
    def has_failed(self) -> bool:
        """Whether a frame is missing that nobody stopped."""
        return bool(self.failure or self._failed)

    def succeed(self, shot: Shot, is_kept: bool, is_empty: bool, notes: Iterable[str]) -> None:
        """Count a frame whose file is there."""
        self._in_a_row = 0
        if is_kept:
            self.kept += 1
        else:
            self._keyed.append(shot)
        if is_empty:
            self._empty.append(shot)
        for note in notes:
            self._notes.setdefault(note, []).append(shot)

    def fail(self, shot: Shot, sentence: str) -> None:
        """Count a frame that cannot be had."""
        self._in_a_row += 1
        self._failed.setdefault(sentence, []).append(shot)

    def text(self) -> str:
        """Return all of it as sentences."""
        return " ".join(map(sentence, self._sentences()))

    def _sentences(self) -> Iterator[str]:
        yield self._counts()
        if self._empty:
            yield f"{_frames(self._empty)}: nothing is left of the hint, so the matte is empty."
        for sentence, shots in (*self._failed.items(), *self._notes.items()):
            yield f"{_frames(shots)}: {sentence}"
        if self.failure:
            yield self.failure
        elif self.is_hopeless:
            yield "No more were tried; press Key Frame Range again when that is fixed."

    def _counts(self) -> str:
        kept = f"{self.kept} {'was' if self.kept == 1 else 'were'} keyed already" if self.kept else ""
        frames = "1 frame" if self.keyed == 1 else f"{self.keyed} frames"
        missing = self.wanted - self.kept - self.keyed
        keyed = f"keyed {frames}" if self.keyed or not self.kept else ""
        left = f"{missing} {'is' if missing == 1 else 'are'} missing" if missing else ""
        words = ", ".join(filter(None, [keyed, kept, left]))
        return f"{'stopped: ' if self.is_stopped else ''}{words}."


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter.

    >>> sentence("the hint is odd.")
    'The hint is odd.'
    """
    return text[:1].upper() + text[1:]


def _frames(shots: Iterable[Shot]) -> str:
    return format_frames(shot.frame for shot in shots)
