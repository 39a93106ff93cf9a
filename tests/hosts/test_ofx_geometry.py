"""Where pictures lie: what the network sees of them, and where in a host's output the result lands."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.keyed import Masks
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from corridorkey_server.layout import Layout
from daemons import EchoDaemon, Pixels, stamped
from ofx_shots import LINEAR, effect_of, grey, solid, wired
from ofxhost import FUSION, MLT, MODES, NUKE, PREMULTIPLIED, RESOLVE, STRICT, Effect, Host, Mode, Picture, Result

Box = tuple[int, int, int, int]
Corner = tuple[int, int]
Size = tuple[int, int]

SIZE = (64, 36)
WINDOW = (0, 0, *SIZE)
PLATE, HINT = stamped(SIZE, 3, 5)
INFINITE = (-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)
FREE = [mode for mode in MODES if mode.multi_resolution]


@pytest.fixture(scope="module")
def common() -> Iterator[EchoDaemon]:
    """One daemon that gives back what it gets, for all tests of this file."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder, EchoDaemon(Path(folder) / "run") as running:
        yield running


@pytest.fixture
def echo(common: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> EchoDaemon:
    """The daemon, where the plug-in finds it."""
    monkeypatch.setenv("CKEY_RUNTIME", str(common.place.folder))
    return common


def named(mode: Mode) -> str:
    """Return what a mode is called in a test's name."""
    return mode.label


def laid(pixels: Pixels, at: Corner, box: Box) -> Pixels:
    """Return what `box` shows of a picture whose lower left corner is `at`; 0 where there is none."""
    rows = at[1] + pixels.shape[0] - box[3] + np.arange(box[3] - box[1])
    columns = box[0] - at[0] + np.arange(box[2] - box[0])
    down, along = (rows >= 0) & (rows < pixels.shape[0]), (columns >= 0) & (columns < pixels.shape[1])
    shown = np.zeros((len(rows), len(columns), *pixels.shape[2:]), np.float32)
    shown[np.ix_(down, along)] = pixels[np.ix_(rows[down], columns[along])]
    return shown


def echoed(pictures: dict[str, Picture], window: Box, box: Box) -> Pixels:
    """Return the output over `box` of a daemon that gives back the plate as foreground and the hint as matte.

    The daemon sees `window`; outside of it, and outside of the plate, the output is 0.
    """
    plate, hint = pictures["Source"], pictures["AlphaHint"]
    matte = hint.pixels if hint.pixels.ndim == 2 else hint.pixels[..., -1]
    keyed = np.dstack((laid(plate.pixels[..., :3], plate.at, box), laid(matte, hint.at, box)))
    ones = np.ones((window[3] - window[1], window[2] - window[0], 1), np.float32)
    return keyed * laid(ones, window[:2], box) * laid(np.ones_like(plate.pixels[..., :1]), plate.at, box)


def pictures_of(plate: Pixels = PLATE, at: Corner = (0, 0), hint: Pixels = HINT, hint_at: Corner = (0, 0),
                **told: object) -> dict[str, Picture]:  # fmt: skip
    """Return a plate and a hint as clips have them; told: of the plate's Picture."""
    return {"Source": Picture(solid(plate), at, **told), "AlphaHint": Picture(grey(hint), hint_at)}  # type: ignore[arg-type]


@contextmanager
def echoing(binary: Path, mode: Mode = STRICT, **params: object) -> Iterator[Effect]:
    """Run a host with an instance that shows what comes back from the daemon, straight."""
    # A host in the background waits longer for the daemon: a busy machine is no failure.
    with Host(binary, replace(mode, background=True, wired=None)) as host:
        yield effect_of(host, **({"output": "foreground"} | params))


def check(result: Result, pictures: dict[str, Picture], window: Box = WINDOW) -> None:
    """Check that a result is what was seen through `window`."""
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, echoed(pictures, window, result.box))


def seen(echo: EchoDaemon) -> int:
    """Return how much memory the latest session has for its frames."""
    return int(max(echo.status()["sessions"], key=lambda one: one["session"])["bytes"])


def bytes_of(width: int, height: int) -> int:
    """Return the memory that a frame takes."""
    return Layout(width, height).size


HINTS = [
    pytest.param((20, 10), (11, 7), id="smaller"),
    pytest.param((100, 80), (-9, -23), id="larger"),
    pytest.param((40, 60), (-13, 5), id="over the left and upper side"),
    pytest.param((40, 60), (51, -40), id="over the right and lower side"),
    pytest.param((5, 5), (64, 36), id="beside it, at the corner"),
    pytest.param((5, 5), (-5, 12), id="beside it, at the left"),
    pytest.param((30, 30), (4000, -9000), id="far away"),
    pytest.param((1, 1), (63, 0), id="one pixel"),
    pytest.param((1, 90), (3, -20), id="one column"),
]


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("mode", [STRICT, NUKE, FUSION], ids=named)
@pytest.mark.parametrize("channels", [1, 4])
def test_a_hint_lies_anywhere(mode: Mode, channels: int, plug_in: Path) -> None:
    """What of it lies in the frame is used, pixel by pixel, and the hint is 0 where it is not."""
    with echoing(plug_in, mode) as effect:
        for param in HINTS:
            size, at = param.values
            matte = stamped(size, 4, 1)[1]  # type: ignore[arg-type]
            hint = Picture(matte if channels == 1 else grey(matte), at)  # type: ignore[arg-type]
            pictures = pictures_of() | {"AlphaHint": hint}
            check(effect.render(pictures), pictures)


@pytest.mark.parametrize(("size", "at"), HINTS)
def test_masks_lie_anywhere(size: Size, at: Corner, plug_in: Path, keying: Client) -> None:
    """Each mask is laid over the frame by its own box."""
    one, other = (stamped(size, 4, number)[1] for number in (1, 2))
    inside, outside = Picture(one, at), Picture(grey(other), (at[0] + 3, at[1] - 2))
    with Host(plug_in, STRICT) as host:
        result = effect_of(host, output="foreground").render(
            pictures_of() | {"InsideMask": inside, "OutsideMask": outside}
        )
    masks = Masks(laid(one, inside.at, WINDOW), laid(other, outside.at, WINDOW))
    expected = keying.key(PLATE, HINT, Params(working_space=LINEAR), masks)
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, np.dstack((expected.foreground, expected.matte)))


SMALLER = [((20, 10), (11, 7)), ((1, 1), (63, 35)), ((64, 1), (0, 0)), ((80, 20), (-7, 4)), ((10, 90), (60, -30))]


@pytest.mark.parametrize("mode", FREE, ids=named)
@pytest.mark.parametrize(("size", "at"), SMALLER)
def test_the_network_sees_the_whole_project(mode: Mode, size: Size, at: Corner, plug_in: Path, keying: Client) -> None:
    """A plate with a small or shifted bounding box is keyed as the black frame that it lies in."""
    plate, _ = stamped(size, 4, 1)
    with Host(plug_in, mode) as host:
        result = effect_of(host, output="foreground").render(pictures_of(plate, at), extent=SIZE)
    expected = keying.key(laid(plate, at, WINDOW), HINT, Params(working_space=LINEAR))
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, laid(np.dstack((expected.foreground, expected.matte)), (0, 0), result.box))


@pytest.mark.parametrize("output", ["premultiplied", "foreground", "matte"])
def test_there_is_nothing_beside_the_plate(output: str, plug_in: Path, echo: EchoDaemon) -> None:
    """Where a plate has no pixels the matte is 0, also in an output that is larger, and the frame is whole."""
    pictures = pictures_of(PLATE[:10, :20], (11, 7), np.ones_like(HINT))
    with echoing(plug_in, output=output) as effect:
        result = effect.render(pictures, extent=SIZE, bounds=WINDOW)
        assert seen(echo) == bytes_of(*SIZE)
    beside = laid(np.ones((10, 20), np.float32), (11, 7), WINDOW) == 0
    assert (result.pixels[beside][..., :3] == 0).all()
    assert output == "matte" or (result.pixels[beside] == 0).all()


OVERSCAN = [
    pytest.param((80, 48), (-8, -6), id="on all sides"),
    pytest.param((64, 36), (-9, 3), id="shifted"),
    pytest.param((70, 20), (-5, 5), id="on two sides"),
    pytest.param((20, 20), (-40, 50), id="nowhere in the frame"),
]


@pytest.mark.parametrize("overscan", [False, True])
@pytest.mark.parametrize(("size", "at"), OVERSCAN)
def test_overscan(overscan: bool, size: Size, at: Corner, plug_in: Path, echo: EchoDaemon) -> None:
    """What lies beyond the project's frame is transparent, or keyed too, together with the frame, if that is wished."""
    plate, hint = stamped(size, 4, 1)
    pictures = pictures_of(plate, at, hint, at)
    box = pictures["Source"].box
    both = (*np.minimum(box[:2], (0, 0)), *np.maximum(box[2:], SIZE))
    window = tuple(map(int, both)) if overscan else WINDOW
    with echoing(plug_in, overscan=overscan) as effect:
        result = effect.render(pictures, extent=SIZE)
        check(result, pictures, window)
        if overscan:
            assert seen(echo) == bytes_of(window[2] - window[0], window[3] - window[1])
    assert overscan == (result.pixels[0, 0] > 0).all()


def test_a_plate_beside_the_project_is_not_keyed(plug_in: Path, echo: EchoDaemon) -> None:
    """Without overscan there is nothing to be seen of it, and the daemon is not bothered."""
    before = echo.status()["frames"]["keyed"]
    with echoing(plug_in) as effect:
        result = effect.render(pictures_of(at=(64, 0)), extent=SIZE)
    assert result.status == 0
    assert (result.pixels == 0).all()
    assert echo.status()["frames"]["keyed"] == before


def test_a_moving_bounding_box_changes_nothing(plug_in: Path, keying: Client) -> None:
    """The same picture with less or more black around it is keyed the same."""
    figure = (20, 10, 40, 25)
    plate, hint = laid(PLATE[:15, :20], figure[:2], WINDOW), laid(HINT[:15, :20], figure[:2], WINDOW)
    expected = keying.key(plate, hint, Params(working_space=LINEAR))
    keyed = laid(np.dstack((expected.foreground, expected.matte)), (0, 0), figure)
    boxes = (figure, WINDOW, (19, 9, 41, 26), (0, 10, 64, 25), (20, 0, 40, 36), (-30, -30, 90, 90))
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host, output="foreground")
        for box in boxes:
            pictures = pictures_of(laid(plate, (0, 0), box), box[:2], laid(hint, (0, 0), box), box[:2])
            result = effect.render(pictures, extent=SIZE)
            assert np.array_equal(laid(result.pixels, box[:2], figure), keyed), box


@dataclass(frozen=True)
class Proxy:
    """A render at another scale, of pixels with a shape: the plate's place, and the project at full size."""

    scale: tuple[float, float]
    extent: tuple[float, float]
    aspect: float = 1.0
    size: Size = SIZE
    at: Corner = (0, 0)


PROXIES = [
    pytest.param(Proxy((0.5, 0.5), (128, 72)), id="a half"),
    pytest.param(Proxy((0.25, 0.25), (256, 144)), id="a quarter"),
    pytest.param(Proxy((0.5, 0.5), (128, 72), 1.0, (21, 9), (10, 3)), id="a smaller plate at a half"),
    pytest.param(Proxy((0.25, 0.25), (256, 144), 1.0, (80, 50), (-9, -5)), id="a larger plate at a quarter"),
    pytest.param(Proxy((1, 1), (128, 36), 2.0), id="anamorphic"),
    pytest.param(Proxy((1, 1), (128, 36), 2.0, (21, 9), (-5, 3)), id="a smaller anamorphic plate"),
    pytest.param(Proxy((0.5, 0.5), (256, 72), 2.0, (21, 9), (10, 3)), id="a smaller anamorphic plate at a half"),
    pytest.param(Proxy((0.5, 1), (128, 36)), id="a half across"),
    pytest.param(Proxy((1 / 3, 1 / 3), (192, 108)), id="a third"),
    pytest.param(Proxy((1 / 3, 1 / 3), (192, 108), 1.0, (21, 9), (10, 3)), id="a smaller plate at a third"),
]


@pytest.mark.parametrize("mode", [STRICT, FUSION], ids=named)
@pytest.mark.parametrize("proxy", PROXIES)
def test_proxies_and_pixel_shapes(mode: Mode, proxy: Proxy, plug_in: Path, echo: EchoDaemon) -> None:
    """The frame is the project's in the pixels of the render; Fusion's images tell the inverse of the scale."""
    plate, hint = stamped(proxy.size, 4, 1)
    pictures = pictures_of(plate, proxy.at, hint, proxy.at, aspect=proxy.aspect)
    with echoing(plug_in, mode) as effect:
        result = effect.render(pictures, scale=proxy.scale, extent=proxy.extent)
        check(result, pictures)
        assert seen(echo) == bytes_of(*SIZE)


@pytest.mark.parametrize("mode", [RESOLVE, MLT], ids=named)
@pytest.mark.parametrize("extent", [(1920.0, 1080.0), (32.0, 18.0)])
def test_a_host_with_images_of_one_size(mode: Mode, extent: Size, plug_in: Path, echo: EchoDaemon) -> None:
    """Resolve's proxies are smaller than the project at a scale of 1: the image is the frame."""
    pictures = pictures_of()
    with echoing(plug_in, mode) as effect:
        check(effect.render(pictures, extent=extent), pictures)
        assert seen(echo) == bytes_of(*SIZE)


@pytest.mark.parametrize("mode", MODES, ids=named)
@pytest.mark.usefixtures("echo")
def test_windows_of_a_frame_make_the_whole(mode: Mode, plug_in: Path) -> None:
    """A host that renders in parts gets the parts of one picture, and nothing is written beside a part."""
    pictures = pictures_of()
    columns, rows = (0, 1, 17, 64), (0, 19, 35, 36)
    whole = np.full((*HINT.shape, 4), np.nan, np.float32)
    with echoing(plug_in, mode) as effect:
        for left, right in pairwise(columns):
            for low, high in pairwise(rows):
                result = effect.render(pictures, window=(left, low, right, high))
                assert result.status == 0, result.messages
                where = np.isfinite(result.pixels)
                assert where.sum() == 4 * (right - left) * (high - low)
                whole[where] = result.pixels[where]
    assert np.array_equal(whole, np.dstack((PLATE, HINT)))


BOUNDS = [
    pytest.param((-20, -10, 90, 50), None, id="larger"),
    pytest.param((10, 5, 30, 30), None, id="smaller"),
    pytest.param((50, 20, 100, 100), None, id="shifted"),
    pytest.param((100, 100, 120, 110), None, id="elsewhere"),
    pytest.param((-20, -10, 90, 50), (-5, 30, 10, 45), id="a window over the corner of a larger one"),
    pytest.param((-20, -10, 90, 50), (-15, -10, -2, 50), id="a window beside the plate"),
    pytest.param((-20, -10, 90, 50), (5, 5, 6, 6), id="a window of one pixel"),
]


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("mode", [STRICT, NUKE], ids=named)
@pytest.mark.parametrize(("bounds", "window"), BOUNDS)
def test_an_output_of_another_size(mode: Mode, bounds: Box, window: Box | None, plug_in: Path) -> None:
    """The result lies where the plate lies, and the rest of what was asked for is transparent."""
    pictures = pictures_of()
    with echoing(plug_in, mode) as effect:
        result = effect.render(pictures, bounds=bounds, window=window)
    assert result.status == 0, result.messages
    asked = laid(echoed(pictures, WINDOW, bounds), bounds[:2], window or bounds)
    assert np.array_equal(laid(result.pixels, bounds[:2], window or bounds), asked)


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("mode", [STRICT, NUKE, RESOLVE, MLT, FUSION], ids=named)
def test_frames_of_extreme_shapes(mode: Mode, plug_in: Path) -> None:
    """One pixel, one row, one column, and a length that fills no vector."""
    with echoing(plug_in, mode) as effect:
        for size in ((1, 1), (1, 35), (35, 1), (2, 2), (4097, 17), (17, 4097)):
            pictures = pictures_of(*stamped(size, 4, 1)[:1], hint=stamped(size, 4, 1)[1])
            check(effect.render(pictures), pictures, (0, 0, *size))


@pytest.mark.usefixtures("echo")
def test_a_frame_that_is_too_large_is_a_sentence(plug_in: Path) -> None:
    """More pixels on a side than can be keyed are refused before any memory is taken."""
    pictures = pictures_of(np.ones((1, 32769, 3), np.float32))
    with echoing(plug_in) as effect:
        result = effect.render(pictures)
    assert result.status == 1
    assert "32769 x 1 pixels" in result.messages[0].text
    assert (result.pixels == 0).all()


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("at", [(0, 0), (-7, 5), (300, 200)])
def test_an_infinite_region_of_definition(at: Corner, plug_in: Path) -> None:
    """A plate that says it is everywhere is keyed where it has pixels."""
    pictures = pictures_of(at=at, hint_at=at, defined=INFINITE)
    box = pictures["Source"].box
    with echoing(plug_in) as effect:
        check(effect.render(pictures, bounds=box, extent=(1920, 1080)), pictures, box)


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("at", [(0, 0), (-7, 5), (300, -200)])
@pytest.mark.parametrize("extent", [(0, 0), (-64, 36), (float("nan"), 36), (0, 1080)])
def test_a_project_without_an_extent(at: Corner, extent: Size, plug_in: Path) -> None:
    """The plate's own box is the frame where the host has no other."""
    pictures = pictures_of(at=at, hint_at=at)
    box = pictures["Source"].box
    with echoing(plug_in) as effect:
        check(effect.render(pictures, extent=extent, bounds=box), pictures, box)


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("clip", ["Source", "AlphaHint", "Output"])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("padding", [0, 4, 60])
def test_rows_of_each_image(clip: str, flipped: bool, padding: int, plug_in: Path) -> None:
    """Padding after rows, and rows from the top, are each image's own; others say nothing of it."""
    plate, hint = stamped((161, 9), 4, 1)
    pictures = pictures_of(plate, hint=hint)
    plain = {name: replace(one, padding=12, flipped=not flipped) for name, one in pictures.items()}
    mode = replace(STRICT, padding=12, flipped=not flipped)
    if clip == "Output":
        mode = replace(STRICT, padding=padding, flipped=flipped)
    else:
        plain[clip] = replace(plain[clip], padding=padding, flipped=flipped)
    with echoing(plug_in, mode) as effect:
        check(effect.render(plain), pictures, (0, 0, 161, 9))


@pytest.mark.parametrize("clip", ["InsideMask", "OutsideMask"])
def test_rows_of_masks(clip: str, plug_in: Path, keying: Client) -> None:
    """Masks, too, have rows of their own."""
    mask = stamped(SIZE, 4, 1)[1]
    masks = Masks(inside=mask) if clip == "InsideMask" else Masks(outside=mask)
    expected = keying.key(PLATE, HINT, Params(working_space=LINEAR), masks)
    with Host(plug_in, STRICT) as host:
        effect = effect_of(host, output="foreground")
        for padding, flipped in ((0, False), (4, True), (60, False), (60, True)):
            one = Picture(mask, padding=padding, flipped=flipped)
            result = effect.render(pictures_of() | {clip: one})
            assert np.array_equal(result.pixels, np.dstack((expected.foreground, expected.matte)))


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("offset", [0, 4, 8, 12])
@pytest.mark.parametrize("padding", [0, 4, 8])
def test_memory_that_is_not_aligned(offset: int, padding: int, plug_in: Path) -> None:
    """Floats may lie at any address that floats lie at, whichever way rows are written."""
    with echoing(plug_in, replace(STRICT, offset=offset, padding=padding)) as effect:
        for width in (127, 128, 129, 160, 517):
            plate, hint = stamped((width, 5), 4, 1)
            pictures = pictures_of(plate, hint=hint)
            check(effect.render(pictures), pictures, (0, 0, width, 5))
            part = effect.render(pictures, window=(1, 1, width - 2, 4))
            assert np.array_equal(part.pixels[1:4, 1:-2], np.dstack((plate, hint))[1:4, 1:-2])


@pytest.mark.parametrize("mode", [STRICT, NUKE, FUSION], ids=named)
def test_all_of_every_clip_is_asked_for(mode: Mode, plug_in: Path) -> None:
    """The network looks at whole frames, whatever part of the output a host wants; an unwired clip needs nothing."""
    pictures = pictures_of(at=(-7, 5), hint=stamped((20, 10), 4, 1)[1], hint_at=(300, -4))
    pictures["OutsideMask"] = Picture(grey(HINT), (3, 3))
    with echoing(plug_in, mode) as effect:
        asked = effect.regions_of_interest(pictures, (3.0, 3.0, 4.0, 4.0), extent=SIZE)
        halved = effect.regions_of_interest(pictures, (3.0, 3.0, 4.0, 4.0), scale=(0.5, 0.5))
    assert asked == {name: tuple(map(float, one.box)) for name, one in pictures.items()}
    assert halved == {name: tuple(2.0 * side for side in one.box) for name, one in pictures.items()}


def test_a_region_that_the_host_does_not_tell_is_not_made_up(plug_in: Path) -> None:
    """Resolve calls every clip wired; those without a picture have no region to be asked for."""
    with echoing(plug_in, RESOLVE) as effect:
        asked = effect.regions_of_interest({"Source": Picture(solid(PLATE))})
    assert asked == {"Source": tuple(map(float, WINDOW))}


@pytest.mark.parametrize("mode", [STRICT, NUKE, RESOLVE, MLT, FUSION], ids=named)
def test_only_the_plate_is_identity(mode: Mode, plug_in: Path) -> None:
    """A host may skip a render only where the plate itself is asked for, by the value at the frame's time."""
    pictures = wired(mode, PLATE, HINT)
    with Host(plug_in, mode) as host:
        effect = effect_of(host)
        for output in ("premultiplied", "foreground", "matte", "hint", "checker"):
            effect.set("output", output)
            assert effect.identity(pictures) is None
        effect.set("output", "plate")
        assert effect.identity(pictures) == "Source"


@pytest.mark.parametrize("premult", ["OfxImageOpaque", PREMULTIPLIED])
@pytest.mark.parametrize("bounds", [None, (-5, -7, 90, 40), (10, 10, 20, 20)])
def test_a_host_that_does_not_ask_for_identity(
    premult: str, bounds: Box | None, plug_in: Path, echo: EchoDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A render of the plate gives the plate, its alpha and what lies beside the project's frame."""
    monkeypatch.setattr(Effect, "_identity", lambda *_question: None)
    plate = np.dstack(stamped((300, 20), 4, 1))
    before = echo.status()["frames"]["keyed"]
    with echoing(plug_in, output="plate") as effect:
        result = effect.render({"Source": Picture(plate, (-9, 2), premult)}, extent=SIZE, bounds=bounds)
    assert result.status == 0
    assert np.array_equal(result.pixels, laid(plate, (-9, 2), result.box))
    assert echo.status()["frames"]["keyed"] == before


def test_frames_do_not_depend_on_their_order(plug_in: Path, keying: Client) -> None:
    """A host may render frames backwards, twice or in another instance: each is what it is."""
    frames = [stamped(SIZE, 6, number) for number in range(5)]
    keyed = [keying.key(plate, hint, Params(working_space=LINEAR)) for plate, hint in frames]
    with Host(plug_in, NUKE) as host:
        effects = [effect_of(host, output="foreground") for _ in range(2)]
        for turn, number in enumerate((4, 0, 2, 2, 1, 3, 0, 4, 1, 3)):
            result = effects[turn % 2].render(wired(NUKE, *frames[number]), time=float(number))
            expected = np.dstack((keyed[number].foreground, keyed[number].matte))
            assert np.array_equal(result.pixels, expected), (turn, number)


@pytest.mark.usefixtures("echo")
def test_the_pictures_of_a_frame_are_not_kept(plug_in: Path) -> None:
    """A frame that shrinks, and one without a hint after one with, show nothing of the frame before."""
    frames = [
        pictures_of(),
        pictures_of(PLATE[:5, :7], (9, 9), HINT[:3, :3], (10, 10)),
        pictures_of(hint=HINT[:1, :1], hint_at=(900, 0)),
    ]
    with echoing(plug_in) as effect:
        for pictures in (*frames, *frames[::-1]):
            check(effect.render(pictures, extent=SIZE), pictures)
