"""Frame sequences in: patterns, folders, stills and movies, read by frame number.

Knows no pixels beyond passing them on.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from corridorkey_models.errors import InputError

from .frame_range import format_frames
from .images import read_image
from .movies import Movie
from .paths import check_name, given_path, mode, printable, unreadable
from .patterns import Pattern, group, parse_pattern, pattern_of, split_number
from .picture import Image

_IMAGES = re.compile(r"\.(exr|dpx|cin|tiff?|png|jpe?g|tga|hdr|bmp|sgi|jp2|jxl|webp|psd)", re.IGNORECASE)
_MOVIES = re.compile(r"\.(mov|mp4|m4v|mkv|mxf|avi|webm)", re.IGNORECASE)
_WIDEST = 10_000_000
_MOST_LISTED = 8
_STILL = 1
"""Frame number of a file without one, and of a movie's first frame."""

Files = Mapping[int, Path]


@dataclass(frozen=True, eq=False)
class Sequence:
    """Frames that are read by number; threads may share it.

    Attributes:
        name: base name for what is made from it.
        label: what an artist would call it: the pattern or the file.
        padding: digits of a frame number.
        frames: what there is of what was asked for, ascending.
        missing: what was asked for and is not there; if nothing was asked for, the holes.
        files: the file of each frame that is there; empty for a movie.
        layer: which layer of each file, as `images.read_image` takes it.
        movie: where frames come from if not from files.
        is_still: one file without a number, which stands for every frame.
    """

    name: str
    label: str
    padding: int
    frames: tuple[int, ...]
    missing: tuple[int, ...]
    files: Files
    layer: str | None = None
    movie: Movie | None = None
    is_still: bool = False

    @property
    def is_movie(self) -> bool:
        """Whether frames come from a movie, where one after the other is fastest."""
        return self.movie is not None

    def covers(self, frame: int) -> bool:
        """Whether there is something to read for a frame number."""
        return self.is_still or (frame in self.files if self.movie is None else 1 <= frame <= self.movie.length)

    def path(self, frame: int) -> Path:
        """Return the file that holds a frame; InputError if there is no such frame."""
        if not self.covers(frame):
            raise InputError(f"{self.label} has no frame {frame}; it has {_spaced(self.frames)}.")
        if self.movie is not None:
            return self.movie.path
        return self.files[_STILL if self.is_still else frame]

    def read(self, frame: int) -> Image:
        """Return a frame; InputError if it is not there or cannot be read."""
        path = self.path(frame)
        return read_image(path, self.layer) if self.movie is None else self.movie.read(frame)

    def fingerprint(self, frame: int) -> bytes:
        """Return 16 bytes that name what `read` gives: of the file's bytes and the layer, or a movie's pixels."""
        path = self.path(frame)
        if self.movie is not None:
            return self.movie.fingerprint(frame)
        digest = hashlib.blake2b((self.layer or "").encode(), digest_size=16)
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, lambda: digest).digest()
        except OSError as error:
            raise unreadable(path, error) from error

    def describe(self) -> str:
        """Return one line for an artist: what it is, which frames, and what is missing."""
        if self.is_still:
            return f"{self.label} (still)"
        count = f"{len(self.frames)} frame{'' if len(self.frames) == 1 else 's'}"
        missing = f", missing {_spaced(self.missing)}" if self.missing else ""
        return f"{self.label} {_spaced(self.frames)} ({count}{missing})"


def open_sequence(
    source: str | Path, frames: tuple[int, ...] | None = None, layer: str | None = None, still: bool = False
) -> Sequence:
    """Find the frames that a text means.

    Args:
        source: a pattern (plate.%04d.exr, plate.####.exr, plate.@@@@.exr, plate.$F4.exr), a folder that holds one
            sequence, still or movie, one file, or a movie. A numbered file is that one frame.
        frames: the frames to use; all if None, which is all that a still takes.
        layer: the layer of each file.
        still: whether one file that is named is a still even if it has a number; a movie never is.

    Raises:
        InputError: nothing is there, several things are, or none of the frames asked for; the sentence lists them.
            Or numbers are padded in several ways, or what is there cannot be looked at.
    """
    path = given_path(source)
    kind = mode(path)
    if stat.S_ISDIR(kind):
        return _open_folder(path, frames, layer)
    if stat.S_ISREG(kind):
        return _open_file(path, frames, layer, still)
    pattern = parse_pattern(path)
    if pattern is None:
        raise InputError(f"{path} does not exist; give a file, a folder, or a pattern such as plate.####.exr.")
    return _open_pattern(pattern, _names(pattern.folder), frames, layer)


def _names(folder: Path) -> list[str]:
    """Return the files of a folder, without those that are hidden."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and _may_be_file(entry)]
    except OSError as error:
        raise unreadable(folder, error) from error


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file or cannot be looked at, which is told when that frame is read."""
    try:
        return entry.is_file()
    except OSError:
        return True


def _open_folder(folder: Path, frames: tuple[int, ...] | None, layer: str | None) -> Sequence:
    names = _names(folder)
    images, movies = ([name for name in names if kind.fullmatch(Path(name).suffix)] for kind in (_IMAGES, _MOVIES))
    patterns, stills = group(folder, images)
    held = [*map(str, patterns), *stills, *movies]
    if len(held) != 1:
        more = ["..."] if len(held) > _MOST_LISTED else []
        listed = printable(", ".join(held[:_MOST_LISTED] + more))
        problem = f"several things, name one: {listed}" if held else "no images and no movie; check the path"
        raise InputError(f"{folder} holds {problem}.")
    if patterns:
        return _open_pattern(patterns[0], images, frames, layer)
    return _open_file(folder / held[0], frames, layer)


def _open_file(path: Path, frames: tuple[int, ...] | None, layer: str | None, still: bool = False) -> Sequence:
    check_name(path)
    if _MOVIES.fullmatch(path.suffix):
        return _open_movie(path, frames, layer)
    parts = None if still else split_number(path.name)
    if parts is None:
        if frames is not None:
            raise InputError(f"{path} is a still, which has no frames to choose from; leave the frames out.")
        return Sequence(path.stem, path.name, 4, (_STILL,), (), {_STILL: path}, layer, is_still=True)
    return _open_pattern(pattern_of(path.parent, [parts]), [path.name], frames, layer)


def _open_movie(path: Path, frames: tuple[int, ...] | None, layer: str | None) -> Sequence:
    if layer is not None:
        raise InputError(f"{path} is a movie, which has no layer {layer!r}; leave the layer out.")
    movie = Movie(path)
    there, missing = _select(path.name, range(_STILL, movie.length + 1), frames)
    return Sequence(path.stem, path.name, 4, there, missing, {}, movie=movie)


def _open_pattern(
    pattern: Pattern, names: Iterable[str], frames: tuple[int, ...] | None, layer: str | None
) -> Sequence:
    check_name(Path(str(pattern)))
    found: dict[int, str] = {}
    strays = []
    for name in sorted(names):
        frame = pattern.frame(name)
        if frame in found or pattern.is_misspelled(name):
            strays.append(name)
        elif frame is not None:
            found[frame] = name
    _check_paddings(pattern, list(found.values()), strays)
    files = {frame: pattern.folder / name for frame, name in found.items()}
    there, missing = _select(str(pattern), sorted(files), frames)
    return Sequence(pattern.name, str(pattern), pattern.padding, there, missing, files, layer)


def _check_paddings(pattern: Pattern, members: list[str], strays: list[str]) -> None:
    if members and strays:
        raise InputError(
            f"{pattern.folder} holds {strays[0]}, which is not padded like {members[0]}; rename it or move it away."
        )
    if not members:
        there = f", but {strays[0]} is there" if strays else ""
        raise InputError(
            f"no file in {pattern.folder} is called {pattern}{there}; check the name and the padding of the number."
        )


def _select(
    label: str, there: "range | list[int]", asked: tuple[int, ...] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which of the frames asked for are there, and which are not."""
    if there[-1] - there[0] > _WIDEST:
        raise InputError(f"{label} has numbers from {there[0]} to {there[-1]}; these are not frames.")
    known = set(there)
    wanted = range(there[0], there[-1] + 1) if asked is None else sorted(set(asked))
    frames = tuple(frame for frame in wanted if frame in known)
    if not frames:
        raise InputError(f"{label} has no frame {_spaced(wanted)}; it has {_spaced(there)}.")
    return frames, tuple(frame for frame in wanted if frame not in known)


def _spaced(frames: Iterable[int]) -> str:
    return format_frames(frames).replace(",", ", ")


def check_covers(plate: Sequence, other: Sequence) -> None:
    """Raise InputError, which lists them, for frames of a plate that `other` lacks; a still goes with every frame."""
    lacking = [frame for frame in plate.frames if not other.covers(frame)]
    if lacking:
        raise InputError(
            f"{other.label} has no frame for {_spaced(lacking)} of {plate.label}; it has {_spaced(other.frames)}."
        )
