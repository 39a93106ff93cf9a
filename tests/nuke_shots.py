"""A shot on disk, and a Nuke with a CorridorKey node behind it: what an artist has before pressing a button."""

import functools
import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import nuke_package
from commands import ckey
from corridorkey_models.synthetic import ShotSpec, render
from corridorkey_server.footage.exr import ExrOptions, read_exr, write_exr
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.rendezvous import Rendezvous
from daemons import PATIENCE
from nukehost import NukeHost

GIZMO = nuke_package.FOLDER.parent / "CorridorKey.gizmo"
SIZE = Window(0, 0, 64, 36)
FIRST, LAST = 1001, 1006
LAYERS = ("", "ck_hint")
FLOAT = ExrOptions("none", half=False)

Pixels = NDArray[np.float32]


def write_picture(
    path: Path, pixels: Pixels, names: str = "RGBA", window: Window = SIZE, format_: Window = SIZE
) -> None:
    """Write a float picture over `window`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = tuple(names)
    write_exr(path, pixels, channels, like=Image(pixels, channels, window, format_), options=FLOAT)


def write_hint(folder: Path, frame: int, hint: Pixels, name: str = "hint") -> None:
    """Write a rough matte as the alpha of a picture."""
    height, width = hint.shape
    pixels = np.dstack([np.zeros((height, width, 3), np.float32), hint])
    write_picture(folder / f"{name}.{frame}.exr", pixels, window=SIZE, format_=SIZE)


@functools.cache
def _rendered(frame: int) -> tuple[Pixels, Pixels]:
    truth = render(ShotSpec(SIZE.width, SIZE.height, noise=True), frame)
    return np.asarray(truth.plate, np.float32), np.asarray(truth.hint, np.float32)


def film(folder: Path, frames: Sequence[int] = range(FIRST, LAST + 1)) -> Path:
    """Write plate and hint of a small shot into a folder, and return that."""
    for frame in frames:
        plate, hint = _rendered(frame - FIRST)
        write_picture(folder / f"plate.{frame}.exr", plate, "RGB")
        write_hint(folder, frame, hint)
    return folder


class Scene:
    """A script in a fake Nuke: plate and hint from disk, wired into a CorridorKey node.

    Attributes:
        host: the Nuke.
        folder: where the script and the shot are.
        name: of the node.
    """

    def __init__(self, host: NukeHost, folder: Path, frames: tuple[int, int] = (FIRST, LAST)) -> None:
        """Build it as an artist does."""
        self.host, self.folder = host, folder
        host.set_root(name=f"{folder}/shot.nk", first_frame=frames[0], last_frame=frames[1])
        host.go_to(frames[0])
        inputs = [self.read(name, frames) for name in ("plate", "hint")]
        self.name: str = host.create(GIZMO, *inputs, working_space="linear_rec709").fullName()

    def read(self, name: str, frames: tuple[int, int] = (FIRST, LAST)) -> Any:
        """Make a Read of pictures of the shot."""
        knobs = {"file": f"{self.folder}/{name}.%04d.exr", "first": frames[0], "last": frames[1], "raw": True}
        return self.host.create("Read", name=f"Read_{name.strip('%')}", **knobs)

    @property
    def node(self) -> Any:
        """The node as Python has it."""
        return self.host.node(self.name)

    @property
    def label(self) -> str:
        """What stands on the node."""
        return str(self.host.get(f"{self.name}.label"))

    def shown(self, frame: int) -> Pixels:
        """Return what the node gives at a frame, with the top row first."""
        return self.host.pixels(self.node, frame).rgba()

    @property
    def status(self) -> str:
        """What the node says."""
        return str(self.node["status"].value())

    @property
    def pattern(self) -> str:
        """The node's keyed files."""
        return str(self.host.get(f"{self.name}.file"))

    def set(self, **knobs: Any) -> None:
        """Set knobs of the node."""
        for name, value in knobs.items():
            self.node[name].setValue(value)

    def set_range(self, first: int, last: int) -> None:
        """Set the frames of the node."""
        for name, frame in (("first", first), ("last", last)):
            self.node[name].clearAnimated()
            self.node[name].setValue(frame)

    def press(self, button: str = "key_range") -> None:
        """Press a button, and let Nuke go on until keying has ended."""
        self.begin(button)
        self.settle()

    def begin(self, button: str = "key_range") -> None:
        """Press a button."""
        self.host.press(f"{self.name}.{button}")

    @property
    def is_keying(self) -> bool:
        """Whether the node is being keyed."""
        return module("keying").running(self.name) is not None

    def settle(self) -> None:
        """Let Nuke go on until keying has ended."""
        self.host.run_until(lambda: not self.is_keying, PATIENCE)

    def files(self) -> dict[int, Path]:
        """Return the keyed files of the first view that are there, by frame."""
        folder, _, name = self.pattern.replace("%V", "main").rpartition("/")
        number = re.compile(re.escape(name).replace("%04d", r"(-?\d+)"))
        there = [path for path in Path(folder).glob("*") if not (self.is_keying and path.suffix == ".tmp")]
        found = [(number.fullmatch(path.name), path) for path in there]
        assert all(match for match, _ in found), f"something else is in {folder}: {found}"
        return {int(match.group(1)): path for match, path in found if match}

    def exports(self) -> list[int]:
        """Return the frames that Nuke has rendered for the daemon, in order."""
        written = [path for entry in self.host.renders if "EngineExport" in entry.node for path in entry.written]
        return [int(path.name.split(".")[-2]) for path in written]


def module(name: str) -> Any:
    """Return a module of the package inside Nuke; it can only be loaded where there is a Nuke."""
    return importlib.import_module(f"corridorkey_nuke.{name}")


@contextmanager
def opened(folder: Path, frames: tuple[int, int] = (FIRST, LAST), **options: Any) -> Iterator[Scene]:
    """Start a Nuke with a saved script in `folder`, in which the shot is.

    What a run leaves behind in the exchange folder fails the test.
    """
    place = folder / "exchange"
    place.mkdir(exist_ok=True)
    before = os.environ.get("CORRIDORKEY_TMP")
    os.environ["CORRIDORKEY_TMP"] = str(place)
    try:
        with NukeHost(**options) as host:
            yield Scene(host, folder, frames)
            assert "corridorkey_nuke" in sys.modules or not host.renders
        left = [path for path in place.rglob("*") if path.parent != place]
        assert not left, f"the exchange folder holds {left}"
    finally:
        os.environ.pop("CORRIDORKEY_TMP")
        if before is not None:
            os.environ["CORRIDORKEY_TMP"] = before


def write_command(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a `ckey` that is found first."""
    folder.mkdir()
    path = folder / "ckey"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def keyed_by_command(daemon: Rendezvous, shot: Path, out: Path, *options: object) -> dict[int, Path]:
    """Key a shot with `ckey key --keyed`, and return its files by frame."""
    space: tuple[object, ...] = ("--screen", "green", "--working-space", "linear_rec709", "--model", "procedural")
    given = dict(zip(space[::2], space[1::2], strict=True)) | dict(zip(options[::2], options[1::2], strict=True))
    words = [word for pair in ({"--hint": shot / "hint.%04d.exr"} | given).items() for word in pair]
    ran = ckey(daemon.folder, "key", shot / "plate.%04d.exr", "--keyed", out / "k.%04d.exr", *words)
    assert ran.returncode == 0, ran.stderr
    return {int(path.name.split(".")[1]): path for path in out.glob("k.*.exr")}


def pixels_of(path: Path) -> dict[str, Image]:
    """Return a keyed file's layers."""
    return {layer: read_exr(path, layer or None) for layer in LAYERS}


def assert_same(one: Path, other: Path) -> None:
    """Two keyed files hold the same pixels over the same windows, and say the same of themselves."""
    ours, theirs = pixels_of(one), pixels_of(other)
    for layer in LAYERS:
        mine, yours = ours[layer], theirs[layer]
        assert (mine.channels, mine.data_window, mine.display_window) == (
            yours.channels,
            yours.data_window,
            yours.display_window,
        )
        assert np.array_equal(mine.pixels, yours.pixels)
    said = [
        {name: text for name, text in picture[""].metadata.items() if "corridorkey" in name}
        for picture in (ours, theirs)
    ]
    for facts in said:
        facts.pop("corridorkey/upstream", None)
    differing = {name for name in said[0] | said[1] if said[0].get(name) != said[1].get(name)}
    assert not differing, [(facts.get(name), name) for facts in said for name in differing]
    assert said[0]["corridorkey/pass"] == "keyed"
