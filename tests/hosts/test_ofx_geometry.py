"""Where pictures lie: what the network sees of them, and where in a host's output the result lands."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.keyed import Masks
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from corridorkey_server.layout import Layout
from daemons import EchoDaemon, Pixels, stamped
from ofx_boxes import HINT, PLATE, SIZE, WINDOW, Box, Corner, Size, check, echoing, laid, named, pictures_of
from ofx_shots import LINEAR, effect_of, grey, solid
from ofxhost import FUSION, MLT, MODES, NUKE, RESOLVE, STRICT, Host, Mode, Picture

INFINITE = (-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)
FREE = [mode for mode in MODES if mode.multi_resolution]
CATALYST = replace(STRICT, label="catalyst", name="com.sony.Catalyst.Edit", pixel_regions=True)


@pytest.fixture
def echo(common: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> EchoDaemon:
    """The daemon, where the plug-in finds it."""
    monkeypatch.setenv("CKEY_RUNTIME", str(common.place.folder))
    return common


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


def cut(pixels: Pixels, box: Box) -> Pixels:
    """Return a picture over WINDOW with 0 outside of `box`."""
    return laid(laid(pixels, (0, 0), box), box[:2], WINDOW)


SMALLER = [((20, 10), (11, 7)), ((1, 1), (63, 35)), ((64, 1), (0, 0)), ((80, 20), (-7, 4)), ((10, 90), (60, -30))]


@pytest.mark.slow
@pytest.mark.parametrize("mode", FREE, ids=named)
@pytest.mark.parametrize(("size", "at"), SMALLER)
def test_the_network_sees_the_whole_project(mode: Mode, size: Size, at: Corner, plug_in: Path, keying: Client) -> None:
    """A plate with a small or shifted bounding box is keyed as the black frame that it lies in."""
    plate, _ = stamped(size, 4, 1)
    with Host(plug_in, mode) as host:
        result = effect_of(host, output="foreground").render(pictures_of(plate, at), extent=SIZE)
    hint = cut(HINT, result.box)
    expected = keying.key(laid(plate, at, WINDOW), hint, Params(working_space=LINEAR))
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, laid(np.dstack((expected.foreground, expected.matte)), (0, 0), result.box))


@pytest.mark.parametrize("mode", [STRICT, NUKE], ids=named)
@pytest.mark.parametrize(("size", "at"), SMALLER)
def test_hint_and_masks_are_0_beside_the_plate(
    mode: Mode, size: Size, at: Corner, plug_in: Path, keying: Client
) -> None:
    """What they have there does not reach into the plate either, however wide they are spread; the hint is shown so."""
    plate, inside, outside = stamped(size, 4, 1)[0], HINT[::-1], HINT[:, ::-1]
    pictures = pictures_of(plate, at) | {"InsideMask": Picture(inside), "OutsideMask": Picture(grey(outside))}
    box, wide = pictures["Source"].box, {"hint_blur": 50.0, "hint_erode": -50.0, "matte_blur": 50.0}
    params, masks = Params(working_space=LINEAR, **wide), Masks(cut(inside, box), cut(outside, box))  # type: ignore[arg-type]
    expected = keying.key(laid(plate, at, WINDOW), cut(HINT, box), replace(params, output="hint"), masks)
    with Host(plug_in, mode) as host:
        effect = effect_of(host, output="foreground", **wide)
        keyed = effect.render(pictures, extent=SIZE, bounds=WINDOW)
        effect.set("output", "Hint")
        shown = effect.render(pictures, extent=SIZE, bounds=WINDOW)
    assert keyed.status == shown.status == 0, keyed.messages + shown.messages
    assert np.array_equal(keyed.pixels, cut(np.dstack((expected.foreground, expected.matte)), box))
    assert expected.hint is not None
    assert np.array_equal(shown.pixels[..., 0], cut(expected.hint, box))


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("missing", [0, 1], ids=["whole", "part"])
@pytest.mark.parametrize(("size", "at"), [(SIZE, (0, 0)), *SMALLER])
def test_the_hint_channel_follows_from_what_the_plate_covers(
    size: Size, at: Corner, missing: int, plug_in: Path
) -> None:
    """A grey hint with a solid alpha is its color over any plate; its alpha counts if it does not cover the plate."""
    pictures, hint = pictures_of(stamped(size, 4, 1)[0], at), np.dstack([HINT] * 3 + [np.ones_like(HINT)])
    box, left = pictures["Source"].box, max(at[0], 0) + missing
    hint[~cut(np.ones_like(HINT), box).astype(bool)] = 0.5
    pictures["AlphaHint"] = Picture(hint[:, left:], (left, 0))
    with echoing(plug_in, hint_channel="auto") as effect:
        result = effect.render(pictures, extent=SIZE, bounds=WINDOW)
    expected = cut(cut(hint[..., 3 if missing else 0], (left, 0, *SIZE)), box)
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels[..., 3], expected)


@pytest.mark.usefixtures("keying")
@pytest.mark.parametrize("output", ["hint", "checker", "matte"])
def test_there_is_nothing_to_see_beside_the_plate(output: str, plug_in: Path) -> None:
    """Views show the frame whole: the hint and the matte as 0, whatever was made of them, and the bare checker."""
    pictures = pictures_of(PLATE[:10, :20], (11, 7))
    beside = cut(np.ones_like(HINT), pictures["Source"].box) == 0
    with Host(plug_in, STRICT) as host:
        effect = effect_of(host, output=output, hint_invert=True)
        result = effect.render(pictures, extent=SIZE, bounds=WINDOW)
        bare = effect.render(pictures_of(np.zeros_like(PLATE)) | {"OutsideMask": Picture(np.ones_like(HINT))})
    assert result.status == bare.status == 0, result.messages
    assert (result.pixels[..., 3] == 1).all()
    if output == "checker":
        assert np.array_equal(result.pixels[beside], bare.pixels[beside])
    else:
        assert (result.pixels[beside][..., :3] == 0).all()


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


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("aspect", [1.0, 2.0])
def test_regions_in_pixels_are_not_believed(
    scale: tuple[float, float], aspect: float, plug_in: Path, echo: EchoDaemon
) -> None:
    """Catalyst's proxies and odd pixels are keyed as anywhere, and no region is asked for in the wrong unit."""
    pictures = pictures_of(aspect=aspect)
    extent = (SIZE[0] * aspect / scale[0], SIZE[1] / scale[1])
    with echoing(plug_in, CATALYST) as effect:
        assert effect.regions_of_interest(pictures, (3.0, 3.0, 4.0, 4.0), scale=scale, extent=extent) == {}
        check(effect.render(pictures, scale=scale, extent=extent), pictures)
        assert seen(echo) == bytes_of(*SIZE)
