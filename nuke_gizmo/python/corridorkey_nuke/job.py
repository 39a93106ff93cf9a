"""What is to be keyed: frames, views, paths, settings, and which files are there already. Asks Nuke for nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .exr_header import read_attributes
from .failure import Refusal

LINEAR_SPACES = (
    "linear_rec709",
    "acescg",
    "aces2065_1",
    "linear_rec2020",
    "linear_p3d65",
    "davinci_wide_gamut_linear",
)
"""Working spaces that a picture in Nuke can have."""

_FOLDERS = 7  # that the daemon takes of a session, beside the one for exported frames

_NUMBER = re.compile(r"%0?(\d*)d|(#+)")
_VIEW = re.compile(r"%([Vv])")

_SPACES = (
    ("acescg", "acescg"),
    ("ap1", "acescg"),
    ("aces20651", "aces2065_1"),
    ("ap0", "aces2065_1"),
    ("davinci", "davinci_wide_gamut_linear"),
    ("rec2020", "linear_rec2020"),
    ("p3d65", "linear_p3d65"),
    ("displayp3", "linear_p3d65"),
    ("rec709", "linear_rec709"),
    ("srgb", "linear_rec709"),
)
"""What the names of linear spaces hold, letters and digits only, in the order in which they are looked for."""


class Shot(NamedTuple):
    """One frame of one view.

    Attributes:
        target: its keyed file.
        settings: what it is to be keyed with, as one line of name=value.
    """

    frame: int
    view: str
    target: str
    settings: str

    @property
    def params(self) -> dict[str, str]:
        """The settings as a request has them."""
        return dict(word.split("=", 1) for word in self.settings.split())

    @property
    def screen(self) -> str:
        """Which screen it is in front of: each has a model of its own."""
        return self.params.get("screen", "green")


class Order(NamedTuple):
    """What is to be keyed, as it was when the button was pressed.

    Attributes:
        node: full name.
        depth: half or float.
        script: `graph.Upstream.script`, empty if not known.
        upstream: what keyed files are told about what feeds the node, empty if not known.
        frame_bytes: of one exported frame, as far as can be told.
        priority: preview if somebody waits for it, else batch.
        document: the file of Nuke's script that it is for.
    """

    node: str
    shots: list[Shot]
    depth: str
    script: str
    upstream: str
    frame_bytes: int
    priority: str
    document: str


def text_hash(text: str) -> str:
    """Return 16 hexadecimal digits that stand for a line of settings, as a keyed file has them.

    >>> text_hash("screen=green")
    'fe8be24ff1a8648b'
    """
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def folder_hash(parts: Iterable[str]) -> str:
    """Return 12 hexadecimal digits that name the folder of one version of a shot."""
    digest = hashlib.blake2b(digest_size=6)
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def path_of(pattern: str, frame: int, view: str) -> str:
    """Return the file of one frame and view.

    >>> path_of("/a/%V/x.%v.%04d.exr", 7, "left"), path_of("/a/x.####.exr", -1, "main")
    ('/a/left/x.l.0007.exr', '/a/x.-001.exr')
    """
    named = _VIEW.sub(lambda found: view if found.group(1) == "V" else view[:1], pattern)
    return _NUMBER.sub(lambda found: f"{frame:0{_digits(found)}d}", named)


def _digits(found: re.Match[str]) -> int:
    return len(found.group(2)) if found.group(2) else int(found.group(1) or 1)


def files_of(pattern: str) -> list[str]:
    """Return the files of any frame and view, sorted; a name without number and view is not looked for.

    A folder is listed once, whatever the number of frames; numbers and views in folders' names are found, too.
    """
    path = Path(pattern)
    found = [Path(path.anchor)]
    for part in path.parts[1:] if path.anchor else path.parts:
        found = [match for folder in found for match in _matches(folder, part)]
    return sorted(map(str, found))


def _matches(folder: Path, part: str) -> Iterator[Path]:
    """Yield what in a folder a part of a pattern stands for."""
    if not (_NUMBER.search(part) or _VIEW.search(part)):
        yield folder / part
        return
    wanted = _regular(part)
    with suppress(OSError):
        yield from (path for path in folder.iterdir() if wanted.match(path.name))


def _regular(part: str) -> re.Pattern[str]:
    pieces = re.split(r"(%0?\d*d|#+|%[Vv])", part)
    return re.compile("".join(map(_piece, pieces)) + r"\Z")


def _piece(piece: str) -> str:
    if _NUMBER.match(piece):
        return r"-?\d+"
    if _VIEW.match(piece):
        return r".+" if piece == "%V" else r"."
    return re.escape(piece)


def shots(pattern: str, frames: Sequence[int], views: Sequence[str], settings: Callable[[int, str], str]) -> list[Shot]:
    """Return all frames of all views, view by view.

    Raises:
        Refusal: the pattern is no full path of OpenEXR files, or gives two of them the same file.
    """
    if not Path(pattern).is_absolute():
        raise Refusal(f"the file {pattern!r} is no full path; save the script, or give the file a full path.")
    if not pattern.lower().endswith(".exr"):
        raise Refusal(f"{pattern} is no OpenEXR file; let the name end with .exr.")
    found = [
        Shot(frame, view, path_of(pattern, frame, view), settings(frame, view)) for view in views for frame in frames
    ]
    if len(frames) > 1 and path_of(pattern, frames[0], views[0]) == path_of(pattern, frames[-1], views[0]):
        raise Refusal(f"{pattern} is the same file for all frames; put %04d into its name.")
    if len({shot.target for shot in found}) < len(found):
        raise Refusal(f"{pattern} is the same file for all views; put %V into its name.")
    return found


def keyed_by(shot: Shot, upstream: str) -> str:
    """Return the model that keyed a frame with these settings from what feeds the node now, empty if none did.

    Args:
        upstream: as it was told when the file was keyed.
    """
    facts = _facts(shot.target)
    is_current = facts.get("params_hash") == text_hash(shot.settings) and facts.get("upstream", "") == upstream
    return facts.get("model", "") if is_current else ""


def is_keyed(path: str) -> bool:
    """Whether a file is a keyed frame, as far as its header tells."""
    return _facts(path).get("pass") == "keyed"


def _facts(path: str) -> dict[str, str]:
    """Return what a keyed file says of itself, nothing if it is not there or its header is not whole."""
    attributes = read_attributes(path)
    start = "corridorkey/"
    return {name[len(start) :]: str(value) for name, value in attributes.items() if name.startswith(start)}


def check_targets(wanted: Iterable[Shot]) -> None:
    """Refuse to write over what no CorridorKey node wrote, such as the plate; what is damaged may be replaced."""
    for shot in wanted:
        path = Path(shot.target)
        is_other = path.is_file() and bool(read_attributes(shot.target)) and not is_keyed(shot.target)
        if is_other or path.is_symlink() or path.is_dir():
            raise Refusal(f"{shot.target} is there and no keyed frame; give the node another file.")


def folders(wanted: Iterable[Shot]) -> list[str]:
    """Return the folders of keyed files.

    Raises:
        Refusal: they are more than a session of the daemon may have.
    """
    found = sorted({str(Path(shot.target).parent) for shot in wanted})
    if len(found) > _FOLDERS:
        raise Refusal(
            f"the file puts frames into more than {_FOLDERS} folders; keep %04d and %V out of the names of folders."
        )
    return found


def stretches(wanted: Sequence[Shot]) -> Iterator[list[Shot]]:
    """Yield what can be rendered in one go: frames of one view that follow each other."""
    run: list[Shot] = []
    for shot in wanted:
        if run and (shot.view, shot.frame) != (run[-1].view, run[-1].frame + 1):
            yield run
            run = []
        run.append(shot)
    if run:
        yield run


def format_frames(frames: Iterable[int]) -> str:
    """Return frames as an artist writes them.

    >>> format_frames([1003, 1001, 1002, 1007])
    'frames 1001-1003, 1007'
    >>> format_frames([4])
    'frame 4'
    """
    ordered = sorted(set(frames))
    starts = [frame for frame in ordered if frame - 1 not in set(ordered)]
    ends = [frame for frame in ordered if frame + 1 not in set(ordered)]
    words = [f"{first}-{last}" if last > first else str(first) for first, last in zip(starts, ends)]
    return ("frames " if len(ordered) > 1 else "frame ") + ", ".join(words)


def working_space(management: str, space: str, config: str) -> str:
    """Return the working space of a script from the settings of its root, empty if it cannot be told.

    >>> working_space("OCIO", "scene_linear (ACES - ACEScg)", "aces_1.2")
    'acescg'
    """
    if management != "OCIO":
        return "linear_rec709"
    name = _letters(space)
    for part, found in _SPACES:
        if part in name and (found in ("acescg", "aces2065_1") or "lin" in name):
            return found
    if name in ("scenelinear", "default", "linear"):
        return "linear_rec709" if config == "nuke-default" else _space_of_config(_letters(config))
    return ""


def _space_of_config(name: str) -> str:
    """Return what the role scene_linear stands for in configurations that everybody has."""
    return "acescg" if "aces" in name else ""


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
