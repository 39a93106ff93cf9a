"""The fuse keys: all three outputs are what the Python client gets, bit for bit, in every kind of Fusion."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from corridorkey_models.keyed import Keyed, Masks
from corridorkey_models.params import PARAMS as ROWS
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from daemons import EchoDaemon, Pixels, stamped
from fuse_shots import (
    FUSE,
    ODD,
    PARAMS,
    SMALL,
    assert_keyed,
    control_of,
    expected,
    inside,
    is_keyed,
    kinds,
    opened,
    shot,
    wired,
)
from fusionhost import KINDS, UNRULY, Kind, Picture
from fusionhost.images import Box
from ofx_shots import LINEAR, OTHER_VALUES, grey, solid

HD = (1920, 1080)

pytestmark = pytest.mark.usefixtures("client_library")

in_every_kind = pytest.mark.parametrize("kind", [*KINDS, *UNRULY], ids=lambda kind: kind.label)


def hint_as(way: str, hint: Pixels) -> tuple[Picture, dict[str, str]]:
    """Return a hint as an artist may wire it, and the parameters that say so."""
    if way == "mask":
        return Picture(hint), {}
    if way == "red":
        return Picture(np.dstack((hint, 1 - hint, hint * 0, hint[::-1]))), {"hint_channel": "red"}
    return Picture(np.dstack((hint[::-1], hint * 0, 1 - hint, hint))), {}


@in_every_kind
def test_every_kind_of_fusion_gets_the_same(kind: Kind, keying: Client) -> None:
    """Whatever Lua, pointers and workers are like, the key is the Python client's."""
    plate, hint = shot(ODD)
    with opened(kind, WorkingSpace="Linear Rec.709") as (_, tool):
        result = tool.process(wired(plate, hint))
    keyed = keying.key(plate, hint, PARAMS)
    assert_keyed(result, keyed)
    assert 0.1 < keyed.matte.mean() < 0.9


@pytest.mark.parametrize("size", [ODD, HD], ids=["odd", "hd"])
@pytest.mark.parametrize("way", ["alpha", "mask", "red"])
def test_each_way_to_wire_a_hint(way: str, size: tuple[int, int], keying: Client) -> None:
    """A hint may be an alpha, a mask of one channel, or a red channel; the picture is no mirror of itself."""
    plate, hint = shot(size, grain=4 if size == HD else 1)
    picture, params = hint_as(way, hint)
    with opened(HintChannel=params.get("hint_channel", "auto").capitalize()) as (_, tool):
        result = tool.process({"Input": Picture(solid(plate)), "AlphaHint": picture})
    assert_keyed(result, keying.key(plate, hint, PARAMS))


@pytest.mark.parametrize("channel", next(row for row in ROWS if row.name == "hint_channel").choices)
def test_each_channel_of_a_hint(channel: str, keying: Client) -> None:
    """The channel that the artist chose is taken, as the Python client takes it."""
    plate, hint = shot(ODD)
    picture = np.dstack((hint * 0.2, hint * 0.9, hint[::-1], hint))
    with opened(HintChannel=channel.capitalize()) as (_, tool):
        result = tool.process({"Input": Picture(solid(plate)), "AlphaHint": Picture(picture)})
    assert_keyed(result, keying.key(plate, picture, Params(working_space=LINEAR, hint_channel=channel)))


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@kinds
def test_a_grey_matte_with_a_solid_alpha(alpha: float, kind: Kind, keying: Client) -> None:
    """As painting programs save them: the color is taken when alpha is 1 everywhere."""
    plate, hint = shot(ODD)
    picture = grey(hint)
    picture[..., 3] = alpha
    with opened(kind) as (_, tool):
        result = tool.process({"Input": Picture(solid(plate)), "AlphaHint": Picture(picture)})
        assert ("AlphaHint (red)" if alpha == 1 else "AlphaHint (alpha)") in tool.status
    assert_keyed(result, keying.key(plate, picture, PARAMS))


@pytest.mark.parametrize("hint_window", [None, (7, 5, 161, 91), (8, 5, 161, 91)], ids=["whole", "larger", "smaller"])
@kinds
def test_the_channel_follows_from_what_the_plate_covers(hint_window: Box | None, kind: Kind, keying: Client) -> None:
    """A grey hint or matte with a solid alpha is its color over a cropped plate, too, if it has all of that."""
    plate, hint = shot(ODD)
    window, channel = (7, 5, 150, 80), "alpha" if hint_window == (8, 5, 161, 91) else "red"
    pictures = [grey(hint), grey(hint[::-1])]
    for picture in pictures:
        picture[..., 3] = 1
        picture[0] = 0.5  # beside the plate
    given = {
        name: Picture(picture, data_window=hint_window)
        for name, picture in zip(("AlphaHint", "GarbageMatte"), pictures, strict=True)
    }
    with opened(kind) as (_, tool):
        result = tool.process(given | {"Input": Picture(solid(plate), data_window=window)})
        assert f"AlphaHint ({channel})" in tool.status
        assert f"GarbageMatte ({channel})" in tool.status
    planes = [picture[..., 3 if channel == "alpha" else 0] for picture in pictures]
    used, outside = (inside(inside(plane, hint_window or window), window) for plane in planes)
    keyed = keying.key(inside(plate, window), used, PARAMS, Masks(outside=outside))
    for name, pixels in expected(keyed).items():
        assert np.array_equal(result.outputs[name], inside(pixels, window)), name


@pytest.mark.parametrize("window", [(20, 0, 161, 60), (20, 0, 161, 91)], ids=["part", "columns"])
def test_an_opaque_hint_with_a_window_is_an_alpha(window: Box, keying: Client) -> None:
    """A cropped hint is no painting program's: where it has no pixels its alpha is 0 and not 1."""
    plate, hint = shot(ODD)
    picture = grey(hint)
    picture[..., 3] = 1
    with opened() as (_, tool):
        result = tool.process(wired(plate) | {"AlphaHint": Picture(picture, data_window=window)})
        assert "AlphaHint (alpha)" in tool.status
    assert_keyed(result, keying.key(plate, inside(np.ones_like(hint), window), PARAMS))


@pytest.mark.parametrize("source", ["auto", "input", "source_alpha", "chroma"])
def test_each_source_of_the_hint(source: str, keying: Client) -> None:
    """Input, the plate's own alpha, and a chroma hint are what they are for the Python client."""
    plate, hint = shot(ODD)
    rgba = np.dstack((plate, hint[::-1]))
    label = {"source_alpha": "Source alpha"}.get(source, source.capitalize())
    with opened(HintSource=label) as (_, tool):
        result = tool.process({"Input": Picture(rgba), "AlphaHint": Picture(grey(hint))})
        words = {"source_alpha": "the plate's alpha", "chroma": "from the screen's color"}
        assert f"hint {words.get(source, 'AlphaHint (alpha)')}" in tool.status
    assert_keyed(result, keying.key(rgba, hint, Params(working_space=LINEAR, hint_source=source)))


def test_no_hint_is_a_chroma_hint(keying: Client) -> None:
    """With nothing wired the hint is made from the screen, and the status says so."""
    plate, _ = shot(ODD)
    with opened() as (_, tool):
        result = tool.process(wired(plate))
        assert "hint from the screen's color" in tool.status
    assert_keyed(result, keying.key(plate, None, PARAMS))


def test_an_empty_hint_is_an_empty_frame(keying: Client) -> None:
    """A hint that is wired and 0 everywhere gives a matte of 0, and no failure."""
    plate, hint = shot(ODD)
    with opened() as (_, tool):
        result = tool.process(wired(plate, np.zeros_like(hint)))
        assert "which is empty" in tool.status
    assert_keyed(result, keying.key(plate, np.zeros_like(hint), PARAMS))
    assert result.outputs["Matte"] is not None
    assert not result.outputs["Matte"].any()


@kinds
def test_solid_and_garbage_mattes(kind: Kind, keying: Client) -> None:
    """Both reach the daemon, as masks of one channel and as pictures."""
    plate, hint = shot(ODD)
    inside, outside = np.zeros_like(hint), np.zeros_like(hint)
    inside[:20], outside[:, 100:] = 1, 0.75
    mattes = {"SolidMatte": Picture(inside), "GarbageMatte": Picture(grey(outside))}
    with opened(kind) as (_, tool):
        result = tool.process(wired(plate, hint) | mattes)
    assert_keyed(result, keying.key(plate, hint, PARAMS, Masks(inside, outside)))


@pytest.mark.parametrize("one", ["SolidMatte", "GarbageMatte"])
def test_one_matte_alone(one: str, keying: Client) -> None:
    """The one that is not wired holds nothing."""
    plate, hint = shot(ODD)
    matte = np.zeros_like(hint)
    matte[30:60, 20:90] = 1
    with opened() as (_, tool):
        result = tool.process(wired(plate, hint) | {one: Picture(matte)})
    masks = Masks(inside=matte) if one == "SolidMatte" else Masks(outside=matte)
    assert_keyed(result, keying.key(plate, hint, PARAMS, masks))


def shown(params: Mapping[str, float | str | bool]) -> dict[str, float]:
    """Return parameters as their controls have them: a combo by its index."""
    rows = {row.name: row for row in ROWS}
    return {
        control_of(name): float(rows[name].choices.index(value) if isinstance(value, str) else value)
        for name, value in params.items()
    }


def test_every_parameter_reaches_the_daemon(keying: Client) -> None:
    """Each one's value is the control's."""
    plate, hint = shot(ODD)
    with opened(**shown(OTHER_VALUES)) as (_, tool):
        result = tool.process(wired(plate, hint))
    keyed = keying.key(plate, hint, Params(working_space=LINEAR, **OTHER_VALUES))  # type: ignore[arg-type]
    assert_keyed(result, keyed)
    assert not np.array_equal(keyed.matte, keying.key(plate, hint, PARAMS).matte)


@pytest.mark.parametrize(("label", "space"), [("Auto", LINEAR), ("ACEScg", "acescg"), ("sRGB", "srgb")])
def test_input_is(label: str, space: str, keying: Client) -> None:
    """What the plate is encoded in is what the artist says; Auto is linear, and the status calls that assumed."""
    plate, hint = shot(ODD)
    with opened(WorkingSpace=label) as (_, tool):
        result = tool.process(wired(plate, hint))
        assert ("Linear Rec.709 (assumed)" if label == "Auto" else f"plate {label},") in tool.status
    assert_keyed(result, keying.key(plate, hint, Params(working_space=space)))


@kinds
@pytest.mark.parametrize("mode", ["Premultiplied", "Foreground", "Matte", "Hint", "Plate"])
def test_each_output_mode(mode: str, kind: Kind, keying: Client) -> None:
    """Output shows what is asked for, the plate only then; the other two stay what they are."""
    plate, hint = shot(ODD)
    with opened(kind, OutputMode=mode, HintErode=3) as (_, tool):
        result = tool.process(wired(plate, hint))
    keyed = keying.key(plate, hint, Params(working_space=LINEAR, hint_erode=3, output="hint"))
    views = expected(keyed)
    assert keyed.hint is not None
    modes = {"Premultiplied": views["Output"], "Hint": grey(keyed.hint), "Plate": solid(plate)}
    assert np.array_equal(result.outputs["Output"], (views | modes)[mode])
    for name in ("Foreground", "Matte"):
        assert np.array_equal(result.outputs[name], views[name])


def board(keyed: Keyed, *, is_linear: bool) -> Pixels:
    """Return a key over a checkerboard, whose squares begin dark in the upper left corner."""
    height, width = keyed.matte.shape
    rows, columns = np.indices((height, width)) // max(4, round(width / 30))  # round() of a half is even
    dark, bright = map(np.float32, (0.01960665, 0.26327342) if is_linear else (0.15, 0.55))
    back = np.where((rows + columns) % 2 == 1, bright, dark) * (1 - keyed.matte)
    over = keyed.foreground * keyed.matte[..., None] + back[..., None]
    return np.dstack((over, np.ones_like(keyed.matte)))


@pytest.mark.parametrize(
    ("params", "is_linear"),
    [
        ({"working_space": LINEAR}, True),
        ({"working_space": "acescg"}, True),
        ({"working_space": "srgb"}, False),
        ({"working_space": "srgb", "output_space": "acescg"}, True),
    ],
    ids=["linear", "acescg", "srgb", "srgb-to-acescg"],
)
@pytest.mark.parametrize("width", [SMALL[0], 135, ODD[0], 165])
def test_the_checkerboard(width: int, params: dict[str, str], is_linear: bool, keying: Client) -> None:
    """Every pixel is the foreground over the board; its greys look alike whatever the foreground is encoded in."""
    plate, hint = shot((width, 91))
    with opened(**shown(params | {"output": "checker"})) as (_, tool):
        result = tool.process(wired(plate, hint))
    keyed = keying.key(plate, hint, Params(**params))  # type: ignore[arg-type]
    assert np.array_equal(result.outputs["Output"], board(keyed, is_linear=is_linear))
    assert (keyed.matte == 0).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16])
def test_images_of_other_depths(dtype: type[np.generic], keying: Client) -> None:
    """Images of 8 and 16 bits are keyed as the numbers that they hold; what comes back is float32."""
    plate, hint = shot(ODD)
    top = 1 if dtype == np.float16 else np.iinfo(dtype).max  # type: ignore[type-var]
    given = {name: (pixels.clip(0, 1) * top).astype(dtype) for name, pixels in (("p", solid(plate)), ("h", hint))}
    with opened() as (_, tool):
        result = tool.process({"Input": Picture(given["p"]), "AlphaHint": Picture(given["h"])})
    values = {name: pixels.astype(np.float32) / np.float32(top) for name, pixels in given.items()}
    assert_keyed(result, keying.key(values["p"][..., :3], values["h"], PARAMS))


@kinds
def test_outside_the_data_window_there_is_nothing(kind: Kind, keying: Client) -> None:
    """Where the plate has no pixels key and hint are 0, where a hint has none the hint is; neither is touched there."""
    plate, hint = shot(ODD)
    window, hint_window = (7, 5, 150, 80), (20, 0, 161, 60)
    held = {"plate": inside(plate, window), "hint": inside(inside(hint, hint_window), window)}
    with opened(kind) as (_, tool):
        pictures = {
            "Input": Picture(solid(plate), data_window=window),
            "AlphaHint": Picture(grey(hint), data_window=hint_window),
        }
        result = tool.process(pictures)
    keyed = keying.key(held["plate"], held["hint"], PARAMS)
    for name, pixels in expected(keyed).items():
        assert np.array_equal(result.outputs[name], inside(pixels, window)), name


@pytest.mark.parametrize("channel", ["auto", "luminance"])
@pytest.mark.parametrize("window", [(7, 5, 150, 80), (0, 20, 161, 60), (30, 0, 31, 91), (200, 0, 300, 91)])
def test_hint_and_mattes_are_0_beside_the_plate(window: Box, channel: str, keying: Client) -> None:
    """What they have there does not reach into the plate either, however wide they are spread; the hint is shown so."""
    plate, hint = shot(ODD)
    solid_part, garbage = hint[::-1] * np.float32(0.5), hint[:, ::-1] * np.float32(0.5)
    params = Params(working_space=LINEAR, hint_channel=channel, hint_blur=50, hint_erode=-50, matte_blur=50)
    pictures = {
        "Input": Picture(solid(plate), data_window=window),
        "AlphaHint": Picture(grey(hint)),
        "SolidMatte": Picture(grey(solid_part)),
        "GarbageMatte": Picture(garbage),
    }
    wide = shown({"hint_channel": channel, "hint_blur": 50, "hint_erode": -50, "matte_blur": 50})
    with opened(OutputMode="Hint", **wide) as (_, tool):
        result = tool.process(pictures)
    masks = Masks(inside(solid_part, window), inside(garbage, window))
    used = inside(grey(hint), window)
    keyed = keying.key(inside(plate, window), used, replace(params, output="hint"), masks)
    assert keyed.hint is not None
    views = expected(keyed) | {"Output": grey(keyed.hint)}
    for name, pixels in views.items():
        assert np.array_equal(result.outputs[name], inside(pixels, window)), name


@pytest.mark.usefixtures("keying")
@pytest.mark.parametrize("mode", ["Hint", "Matte", "Checker"])
def test_there_is_nothing_to_see_beside_the_plate(mode: str) -> None:
    """Views show the frame whole: hint and matte as 0, whatever was made of them, and the bare board."""
    plate, hint = shot(ODD)
    window = (7, 5, 150, 80)
    beside = inside(np.ones_like(hint), window) == 0
    with opened(OutputMode=mode, HintInvert=1) as (_, tool):
        seen = tool.process({"Input": Picture(solid(plate), data_window=window), "AlphaHint": Picture(hint)})
        bare = tool.process(wired(plate, hint) | {"GarbageMatte": Picture(np.ones_like(hint))})
    output, board_alone = seen.outputs["Output"], bare.outputs["Output"]
    assert output is not None
    assert board_alone is not None
    assert np.array_equal(output[beside], board_alone[beside] if mode == "Checker" else output[beside] * 0)


@pytest.mark.usefixtures("echo")
@kinds
def test_the_plate_is_shown_within_its_window(kind: Kind) -> None:
    """The output Plate is the whole frame, as the others are, and black where the plate has no pixels."""
    plate, _ = stamped(ODD, 1, 1)
    window = (7, 5, 150, 80)
    with opened(kind, OutputMode="Plate") as (_, tool):
        result = tool.process({"Input": Picture(solid(plate), data_window=window)})
    assert np.array_equal(result.outputs["Output"], inside(solid(plate), window))


@pytest.mark.parametrize("window", [(0, 0, 0, 0), (-20, -10, 400, 300), (200, 0, 300, 91)])
def test_windows_that_lie_elsewhere(window: Box, keying: Client) -> None:
    """A window is empty, larger than the frame, or outside it: what counts is what of the frame it holds."""
    plate, hint = shot(ODD)
    with opened() as (_, tool):
        pictures = {"Input": Picture(solid(plate), data_window=window), "AlphaHint": Picture(hint)}
        result = tool.process(pictures)
    keyed = keying.key(inside(plate, window), inside(hint, window), PARAMS)
    for name, pixels in expected(keyed).items():
        assert np.array_equal(result.outputs[name], inside(pixels, window)), name


def test_a_proxy_is_keyed_as_it_is(keying: Client) -> None:
    """A proxy is a smaller picture: lengths in pixels are scaled with it."""
    plate, hint = shot(SMALL)
    with opened(MatteGrow=4) as (_, tool):
        picture = Picture(solid(plate), proxy_scale=4)
        result = tool.process({"Input": picture, "AlphaHint": Picture(grey(hint), proxy_scale=4)})
    assert_keyed(result, keying.key(plate, hint, Params(working_space=LINEAR, matte_grow=4)))


def test_several_tools_and_frames_at_once(echo: EchoDaemon) -> None:
    """Threads of a host do not mix up their frames."""
    with opened() as (fusion, first):
        tools = [first, fusion.create(FUSE / "CorridorKey.fuse")]

        def work(number: int) -> bool:
            pictures = wired(*stamped(SMALL, 7, number))
            return is_keyed(tools[number % 2].process(pictures, time=float(number)), pictures)

        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(work, range(24)))
    assert echo.status()["frames"]["keyed"] == 24
