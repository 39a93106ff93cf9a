"""Images: each has its own rows and bounds, windows of a frame make the whole, and no frame shows another's."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.keyed import Masks
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from daemons import EchoDaemon, stamped
from ofx_boxes import HINT, PLATE, SIZE, WINDOW, Box, check, echoed, echoing, laid, named, pictures_of
from ofx_shots import LINEAR, effect_of, in_every_mode, wired
from ofxhost import FUSION, MLT, NUKE, PREMULTIPLIED, RESOLVE, STRICT, Effect, Host, Mode, Picture


@pytest.fixture
def echo(common: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> EchoDaemon:
    """The daemon, where the plug-in finds it."""
    monkeypatch.setenv("CKEY_RUNTIME", str(common.place.folder))
    return common


@in_every_mode
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
