"""Nuke's node files where nothing of ours is installed: what each output shows, what is exported, what is refused."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

import gizmos
import nuke_package
from gizmos import BASE, LIVE
from nukehost import NukeHost
from nukehost.files import read
from nukehost.pictures import Picture

BOTH = pytest.mark.parametrize("file", [BASE, LIVE])
WIDTH, HEIGHT, FRAME = 96, 54, 1005
NODE = "CorridorKey1"
CROPPED, OVERSCAN = (10, 12, 50, 42), (-8, -6, 104, 60)
"""Data windows as left, top, and what follows right and bottom."""

COLORS = ("red", "green", "blue", "alpha")
Pixels = NDArray[np.float32]


@contextmanager
def nuke(file: str, folder: Path, **kwargs: Any) -> Iterator[NukeHost]:
    """Give a Nuke with a node whose frames are in `folder`, on a machine without the package."""
    with NukeHost(**kwargs) as host:
        sys.path[:] = [path for path in sys.path if path != str(nuke_package.FOLDER)]
        host.set_root(first_frame=1001, last_frame=1010)
        host.create(gizmos.FOLDER / file)
        host.source("Plate", lambda _frame, _view: plate(), (WIDTH, HEIGHT))
        host.connect(NODE, 0, "Plate")
        host.set(f"{NODE}.file", f"{folder}/keyed.%04d.exr")
        host.go_to(FRAME)
        yield host


def plate() -> dict[str, Pixels]:
    """Return a plate with a layer of its own and one that another of our nodes has left."""
    ramp = np.linspace(0, 2, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
    planes = {f"rgba.{color}": ramp * weight for color, weight in zip(COLORS, (1, 0.5, 0.25, 1), strict=True)}
    return planes | {"depth.Z": ramp + 5, "ck_hint.alpha": ramp + 7}


def save_keyed(host: NukeHost, folder: Path, window: tuple[int, int, int, int]) -> dict[str, Pixels]:
    """Write a keyed frame over a data window, as the daemon does; returns its channels over the frame, 0 outside."""
    left, top, right, bottom = window
    noise = np.random.default_rng(1)
    names = ("R", "G", "B", "A", "ck_hint.alpha")
    channels = {name: noise.random((bottom - top, right - left), dtype=np.float32) for name in names}
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": OpenEXR.ZIPS_COMPRESSION,
        "dataWindow": (np.array([left, top], np.int32), np.array([right - 1, bottom - 1], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([WIDTH - 1, HEIGHT - 1], np.int32)),
        "corridorkey/settings": host.get(f"{NODE}.settings"),
    }
    OpenEXR.File(header, dict(channels)).write(f"{folder}/keyed.{FRAME}.exr")
    wide = {name: np.zeros((3 * HEIGHT, 3 * WIDTH), np.float32) for name in names}
    for name, plane in channels.items():
        wide[name][top + HEIGHT : bottom + HEIGHT, left + WIDTH : right + WIDTH] = plane
    return {name: plane[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH] for name, plane in wide.items()}


def expected(output: str, keyed: dict[str, Pixels]) -> tuple[Pixels, ...]:
    """Return red, green, blue and alpha that an output shows."""
    matte, colors = keyed["A"], [keyed[name] for name in "RGB"]
    one = np.ones_like(matte)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    side = max(4, round(WIDTH * 64 / 1920))
    checker = np.where((rows // side + columns // side) % 2, 0.26327342, 0.01960665)
    shown = {
        "premultiplied": (*(color * matte for color in colors), matte),
        "foreground": (*colors, matte),
        "matte": (matte, matte, matte, one),
        "hint": (*[keyed["ck_hint.alpha"]] * 3, one),
        "checker": (*(color * matte + (1 - matte) * checker for color in colors), one),
        "plate": tuple(plate()[f"rgba.{color}"] for color in COLORS),
    }
    return shown[output]


def over_frame(picture: Picture, name: str) -> Pixels:
    """Return a channel over the frame."""
    return picture.read(name, (0, 0, WIDTH, HEIGHT))


@BOTH
@pytest.mark.parametrize("window", [(0, 0, WIDTH, HEIGHT), CROPPED, OVERSCAN], ids=["full", "cropped", "overscan"])
@pytest.mark.parametrize("output", gizmos.node(BASE).user_knobs["output"].menu)
def test_outputs_show_what_they_say(output: str, window: tuple[int, int, int, int], file: str, tmp_path: Path) -> None:
    """Each output is the formula it stands for, with any data window, in a terminal and without the OFX plug-in."""
    with nuke(file, tmp_path, gui=False) as host:
        keyed = save_keyed(host, tmp_path, window)
        host.set(f"{NODE}.output", output)
        picture = host.pixels(NODE)
        for color, plane in zip(COLORS, expected(output, keyed), strict=True):
            np.testing.assert_allclose(over_frame(picture, f"rgba.{color}"), plane, atol=1e-6)


@pytest.mark.parametrize("output", ["matte", "hint", "checker"])
@pytest.mark.parametrize("window", [CROPPED, OVERSCAN], ids=["cropped", "overscan"])
def test_views_cover_the_frame(output: str, window: tuple[int, int, int, int], tmp_path: Path) -> None:
    """A view of one part is the frame, no more and no less, whatever is keyed of it."""
    with nuke(BASE, tmp_path) as host:
        save_keyed(host, tmp_path, window)
        host.set(f"{NODE}.output", output)
        assert host.pixels(NODE).box == (0, 0, WIDTH, HEIGHT)


def test_views_cover_the_frame_of_a_proxy(tmp_path: Path) -> None:
    """In proxy mode the frame is half as large, and so are the squares of the checkerboard."""
    with nuke(BASE, tmp_path) as host:
        save_keyed(host, tmp_path, CROPPED)
        host.set_root(proxy=True)
        host.set(f"{NODE}.output", "checker")
        picture = host.pixels(NODE)
        assert picture.box == (0, 0, WIDTH // 2, HEIGHT // 2)
        assert (np.diff(picture.read("rgba.red", picture.box)[0]) != 0).nonzero()[0].tolist()[:2] == [3, 7]


@pytest.mark.parametrize("output", ["premultiplied", "foreground", "plate"])
def test_the_plates_own_channels_pass(output: str, tmp_path: Path) -> None:
    """The node stands in the main pipe: what the plate has besides its colors goes on behind it."""
    with nuke(BASE, tmp_path) as host:
        save_keyed(host, tmp_path, (0, 0, WIDTH, HEIGHT))
        host.set(f"{NODE}.output", output)
        np.testing.assert_array_equal(over_frame(host.pixels(NODE), "depth.Z"), plate()["depth.Z"])


@BOTH
def test_a_changed_knob_is_an_error_until_it_is_back(file: str, tmp_path: Path) -> None:
    """Old frames are never rendered as if they were new, and the node says so; set back, they are fine again."""
    with nuke(file, tmp_path, gui=False) as host:
        save_keyed(host, tmp_path, CROPPED)
        look_at_files(host, file)
        assert (host.error(NODE), host.get(f"{NODE}.label")) == ("", "")
        host.set(f"{NODE}.despill", 0.7)
        assert "press Key Frame Range" in host.error(NODE)
        assert host.get(f"{NODE}.label").splitlines()[-1] == "STALE"
        assert host.get(f"{NODE}.tile_color") == 0xFF0000FF
        host.set(f"{NODE}.despill", 0.5)
        assert (host.error(NODE), host.get(f"{NODE}.tile_color")) == ("", 0)


def look_at_files(host: NukeHost, file: str) -> None:
    """Show keyed files rather than live frames, which are never stale."""
    if file == LIVE:
        host.set(f"{NODE}.evaluate", "Cached")


@BOTH
def test_nodes_beside_it_do_not_disturb(file: str, tmp_path: Path) -> None:
    """A node of the artist's that is called as one inside is not taken for it."""
    with nuke(file, tmp_path, gui=False) as host:
        save_keyed(host, tmp_path, CROPPED)
        look_at_files(host, file)
        for name in ("State", "CacheRead", "OutputSwitch", "Live"):
            host.create("NoOp", name=name)
        assert (host.error(NODE), host.get(f"{NODE}.tile_color")) == ("", 0)
        host.set(f"{NODE}.matte_gamma", 2)
        assert host.get(f"{NODE}.label").splitlines()[-1] == "STALE"


@BOTH
def test_how_it_is_shown_makes_nothing_stale(file: str, tmp_path: Path) -> None:
    """`output` chooses among what is keyed; it is no setting of a keyed frame."""
    with nuke(file, tmp_path, gui=False) as host:
        save_keyed(host, tmp_path, CROPPED)
        for output in gizmos.node(file).user_knobs["output"].menu:
            host.set(f"{NODE}.output", output)
            assert host.error(NODE) == ""


@BOTH
def test_frames_that_are_not_keyed_are_errors(file: str, tmp_path: Path) -> None:
    """A frame that is missing fails, and so does one outside of the range, where Read would show another."""
    with nuke(file, tmp_path, gui=False) as host:
        save_keyed(host, tmp_path, CROPPED)
        look_at_files(host, file)
        assert host.error(NODE, FRAME) == ""
        assert host.error(NODE, FRAME + 1)
        host.set_root(last_frame=FRAME - 1)
        assert "press Key Frame Range" in host.error(NODE, FRAME)
        assert host.get(f"{NODE}.label").splitlines()[-1] == "not keyed"


@BOTH
def test_the_plate_is_seen_though_nothing_is_keyed(file: str, tmp_path: Path) -> None:
    """An output that needs no keyed frame waits for none."""
    with nuke(file, tmp_path, gui=False) as host:
        assert host.error(NODE)
        host.set(f"{NODE}.output", "plate")
        assert host.error(NODE) == ""


@pytest.mark.parametrize("placeholder", [True, False])
def test_live_without_the_plug_in_is_cached_where_it_is_set_so(placeholder: bool, tmp_path: Path) -> None:
    """In a GUI without the plug-in Live cannot be seen; Cached can, and a terminal takes it by itself."""
    with nuke(LIVE, tmp_path, placeholder=placeholder) as host:
        keyed = save_keyed(host, tmp_path, CROPPED)
        host.set(f"{NODE}.evaluate", "Cached")
        np.testing.assert_allclose(over_frame(host.pixels(NODE), "rgba.alpha"), keyed["A"], atol=1e-6)
        assert any("OFXcorridorkey" in problem for problem in host.problems)


def export(host: NukeHost, folder: Path) -> Picture:
    """Return what the node gives to the daemon."""
    host.set(f"{NODE}.exchange", f"{folder}/exchange.%04d.exr")
    host.set(f"{NODE}.exporting", True)
    host.render(f"{NODE}.EngineExport", FRAME, FRAME)
    return read(folder / f"exchange.{FRAME}.exr")


@BOTH
def test_an_exchange_file_has_the_plate_alone(file: str, tmp_path: Path) -> None:
    """Where nothing but the plate is wired, no layer says otherwise: not that of a CorridorKey before this one."""
    with nuke(file, tmp_path) as host:
        picture = export(host, tmp_path)
    assert set(picture.planes) == {f"rgba.{color}" for color in COLORS}
    for color in COLORS:
        np.testing.assert_array_equal(picture.planes[f"rgba.{color}"], plate()[f"rgba.{color}"])


@BOTH
@pytest.mark.parametrize(("number", "layer"), [(1, "ck_hint"), (2, "ck_inside"), (3, "ck_outside")])
def test_an_exchange_file_has_what_is_wired(number: int, layer: str, file: str, tmp_path: Path) -> None:
    """A mask is a layer of its own over the plate's data window, black where the mask ends."""
    left, top, right, bottom = CROPPED
    mask = np.random.default_rng(2).random((bottom - top, right - left, 4), dtype=np.float32)
    with nuke(file, tmp_path) as host:
        host.source("Mask", lambda _frame, _view: mask, (WIDTH, HEIGHT), at=(left, HEIGHT - bottom))
        host.connect(NODE, number, "Mask")
        picture = export(host, tmp_path)
    assert picture.box == (0, 0, WIDTH, HEIGHT)
    assert {name.partition(".")[0] for name in picture.planes} == {"rgba", layer}
    for index, color in enumerate(COLORS):
        wide = np.zeros((HEIGHT, WIDTH), np.float32)
        wide[top:bottom, left:right] = mask[..., index]
        np.testing.assert_array_equal(picture.planes[f"{layer}.{color}"], wide)


@BOTH
def test_nothing_is_exported_unasked(file: str, tmp_path: Path) -> None:
    """The Write inside is disabled, so that a farm that renders all it finds passes it by."""
    with nuke(file, tmp_path, gui=False) as host:
        assert host.get(f"{NODE}.EngineExport.disable")
        host.set(f"{NODE}.exporting", True)
        assert not host.get(f"{NODE}.EngineExport.disable")


@BOTH
def test_a_saved_script_opens_the_same(file: str, tmp_path: Path) -> None:
    """What Nuke saves of a node holds all of it: opened again it shows the same frame."""
    with nuke(file, tmp_path, gui=False) as host:
        save_keyed(host, tmp_path, CROPPED)
        before = host.pixels(NODE)
        host.load(host.save())
        host.go_to(FRAME)
        after = host.pixels(NODE)
    assert after.box == before.box
    for name, plane in before.planes.items():
        np.testing.assert_array_equal(after.planes[name], plane)
