"""The OFX plug-in keys: what a host gets is what the Python client gets, bit for bit, in every kind of host."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.keyed import Keyed, Masks
from corridorkey_models.params import Params
from corridorkey_models.synthetic import ShotSpec, render
from corridorkey_server.client import Client
from daemons import EchoDaemon, Pixels, stamped
from ofx_shots import LINEAR, ODD, OTHER_VALUES, effect_of, grey, in_every_mode, shown, solid, wired
from ofxhost import (
    FILTER,
    GENERAL,
    MLT,
    MODES,
    NATRON,
    NUKE,
    OPAQUE,
    PREMULTIPLIED,
    RESOLVE,
    RESOLVE_BLACK,
    SILHOUETTE,
    STRICT,
    UNPREMULTIPLIED,
    Host,
    Mode,
    Picture,
    Result,
)

HD, UHD = (1920, 1080), (3840, 2160)
APART = [STRICT, NUKE, RESOLVE, MLT, SILHOUETTE]
"""Hosts whose images lie in memory in different ways."""

LARGE = [pytest.param(mode, HD, id=f"{mode.label} hd") for mode in MODES]
LARGE += [pytest.param(mode, UHD, id=f"{mode.label} uhd") for mode in APART]


def shot(size: tuple[int, int], frame: int = 0) -> tuple[Pixels, Pixels]:
    """Return plate and hint of a synthetic frame, which no mirror or turn leaves as it is."""
    truth = render(ShotSpec(width=size[0], height=size[1]), frame)
    plate = truth.plate.astype(np.float32)
    plate[: size[1] // 4, : size[0] // 5] *= 1.7
    return plate, truth.hint.astype(np.float32)


def premultiplied(keyed: Keyed) -> Pixels:
    """Return what the plug-in's output is by default."""
    return np.dstack((keyed.foreground * keyed.matte[..., None], keyed.matte))


def assert_same(mode: Mode, frame: tuple[Pixels, Pixels], plug_in: Path, client: Client) -> Keyed:
    """Check that a host of this kind gets what the client gets, which is returned."""
    plate, hint = frame
    with Host(plug_in, mode) as host:
        pictures = wired(mode, plate, hint)
        result = effect_of(host).render(pictures)
        expected = client.key(plate, hint if "AlphaHint" in pictures else None, Params(working_space=LINEAR))
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, premultiplied(expected))
    return expected


@in_every_mode
def test_every_kind_of_host_gets_the_same(mode: Mode, plug_in: Path, keying: Client) -> None:
    """Whatever a host's rows, boxes and suites are like, the key is the Python client's."""
    keyed = assert_same(mode, shot(ODD), plug_in, keying)
    assert 0.1 < keyed.matte.mean() < 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "size"), LARGE)
def test_large_frames_arrive(mode: Mode, size: tuple[int, int], plug_in: Path, echo: EchoDaemon) -> None:
    """Every pixel of a large frame goes to the daemon and comes back, in every kind of host."""
    plate, hint = stamped(size, 1, 1)
    pictures = {"Source": Picture(np.dstack((plate, hint)))}
    with Host(plug_in, mode) as host:
        result = effect_of(host, hint_source="source_alpha", output="foreground").render(pictures)
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, np.dstack((plate, hint)))
    assert echo.status()["frames"]["keyed"] == 1


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_large_frames_are_keyed(plug_in: Path, keying: Client, rounds: int) -> None:
    """With a keyer at work large frames are no other than small ones; in soak HD and UHD in every kind of host."""
    for mode in MODES if rounds > 1 else [NUKE]:
        for size in (HD, UHD) if rounds > 1 else [(960, 540)]:
            assert_same(mode, shot(size), plug_in, keying)


@pytest.mark.parametrize("output", ["premultiplied", "foreground", "matte", "hint"])
def test_each_output(output: str, plug_in: Path, keying: Client) -> None:
    """Every part of the result is what the Python client has."""
    plate, hint = shot(ODD)
    with Host(plug_in, NUKE) as host:
        result = effect_of(host, output=output, hint_erode=3).render(wired(NUKE, plate, hint))
        expected = keying.key(plate, hint, Params(working_space=LINEAR, hint_erode=3, output="hint"))
    ones = np.ones_like(expected.matte)
    assert expected.hint is not None
    views = {
        "premultiplied": premultiplied(expected),
        "foreground": np.dstack((expected.foreground, expected.matte)),
        "matte": np.dstack((*[expected.matte] * 3, ones)),
        "hint": np.dstack((*[expected.hint] * 3, ones)),
    }
    assert np.array_equal(result.pixels, views[output])


def test_the_checkerboard_lies_behind_the_foreground(plug_in: Path, keying: Client) -> None:
    """Where the matte is solid the foreground is seen, where it is 0 the board."""
    plate, hint = shot(ODD)
    with Host(plug_in, NUKE) as host:
        result = effect_of(host, output="checker").render(wired(NUKE, plate, hint))
        expected = keying.key(plate, hint, Params(working_space=LINEAR))
    front, back = expected.matte == 1, expected.matte == 0
    assert np.array_equal(result.pixels[front, :3], expected.foreground[front])
    assert len(np.unique(result.pixels[back, :3])) == 2
    assert (result.pixels[..., 3] == 1).all()


def test_the_plate_is_shown_only_when_asked_for(plug_in: Path, echo: EchoDaemon) -> None:
    """The output `plate` is the source itself, without a frame for the daemon."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        result = effect_of(host, output="plate").render(wired(NUKE, plate, hint))
    assert result.identity == "Source"
    assert np.array_equal(result.pixels, solid(plate))
    assert echo.status()["frames"]["keyed"] == 0


@pytest.mark.parametrize("context", [FILTER, GENERAL])
def test_both_contexts_have_hint_and_masks(context: str, plug_in: Path, keying: Client) -> None:
    """Inside and outside masks reach the daemon in either context."""
    plate, hint = shot(ODD)
    inside, outside = np.zeros_like(hint), np.zeros_like(hint)
    inside[:20], outside[:, 100:] = 1, 0.75
    with Host(plug_in, STRICT) as host:
        effect = host.create(context)
        effect.set("working_space", shown(LINEAR))
        masks = {"InsideMask": Picture(inside), "OutsideMask": Picture(grey(outside))}
        result = effect.render(wired(STRICT, plate, hint) | masks)
        expected = keying.key(plate, hint, Params(working_space=LINEAR), Masks(inside, outside))
    assert np.array_equal(result.pixels, premultiplied(expected))


CHANNELS = [
    "auto",
    "alpha",
    "blue",
    "luminance",
    *(pytest.param(one, marks=pytest.mark.slow) for one in ("red", "green")),
]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_each_channel_of_a_hint(channel: str, channels: int, plug_in: Path, keying: Client) -> None:
    """The channel that the artist chose is taken, also of images without alpha or with nothing but alpha."""
    plate, hint = shot(ODD)
    picture = np.dstack((hint * 0.2, hint * 0.9, hint[::-1], hint))[..., :channels]
    params = Params(working_space=LINEAR, hint_channel=channel)
    with Host(plug_in, STRICT) as host:
        effect = effect_of(host, hint_channel=channel)
        result = effect.render({"Source": Picture(solid(plate)), "AlphaHint": Picture(picture)})
    if channels == 3 and channel == "alpha":
        assert result.status == 1
        assert "the hint has no alpha; set Hint channel" in result.messages[0].text
        return
    expected = keying.key(plate, picture if channels > 1 else picture[..., 0], params)
    assert np.array_equal(result.pixels, premultiplied(expected))


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_a_grey_matte_with_a_solid_alpha(alpha: float, plug_in: Path, keying: Client) -> None:
    """As painting programs save them: the color is taken when alpha says nothing."""
    plate, hint = shot(ODD)
    picture = grey(hint)
    picture[..., 3] = alpha
    with Host(plug_in, STRICT) as host:
        result = effect_of(host).render({"Source": Picture(solid(plate)), "AlphaHint": Picture(picture)})
    expected = keying.key(plate, picture, Params(working_space=LINEAR))
    assert np.array_equal(result.pixels, premultiplied(expected))


@pytest.mark.parametrize("source", ["auto", "input", "source_alpha", "chroma"])
def test_each_source_of_the_hint(source: str, plug_in: Path, keying: Client) -> None:
    """Input, the plate's own alpha, and a chroma hint are what they are for the Python client."""
    plate, hint = shot(ODD)
    rgba = np.dstack((plate, hint[::-1]))
    with Host(plug_in, STRICT) as host:
        pictures = {"Source": Picture(rgba), "AlphaHint": Picture(grey(hint))}
        result = effect_of(host, hint_source=source).render(pictures)
    expected = keying.key(rgba, hint, Params(working_space=LINEAR, hint_source=source))
    assert np.array_equal(result.pixels, premultiplied(expected))


@pytest.mark.parametrize("mode", [RESOLVE, RESOLVE_BLACK, NATRON], ids=lambda mode: mode.label)
def test_an_unwired_hint_is_a_chroma_hint(mode: Mode, plug_in: Path, keying: Client) -> None:
    """Also where the host says that every clip is wired, and hands out nothing or black."""
    plate, _ = shot(ODD)
    with Host(plug_in, mode) as host:
        result = effect_of(host).render({"Source": Picture(solid(plate))})
    expected = keying.key(plate, None, Params(working_space=LINEAR))
    assert np.array_equal(result.pixels, premultiplied(expected))
    assert expected.matte.max() > 0.9


@pytest.mark.usefixtures("keying")
@pytest.mark.parametrize(("mode", "source"), [(NUKE, "auto"), (NUKE, "input"), (RESOLVE_BLACK, "input")])
def test_an_empty_hint_is_an_empty_frame(mode: Mode, source: str, plug_in: Path) -> None:
    """A hint that is wired and 0 everywhere gives a matte of 0, and no failure."""
    plate, hint = shot(ODD)
    with Host(plug_in, mode) as host:
        result = effect_of(host, hint_source=source).render(wired(mode, plate, np.zeros_like(hint)))
    assert result.status == 0
    assert (result.pixels == 0).all()


@pytest.mark.usefixtures("keying")
def test_a_hint_that_cannot_be_had_is_an_empty_frame(plug_in: Path) -> None:
    """What is wired and gives no image is black, as the standard says, and not replaced by a chroma hint."""
    mode = replace(NUKE, all_connected=True)
    plate, _ = shot(ODD)
    with Host(plug_in, mode) as host:
        result = effect_of(host).render({"Source": Picture(solid(plate))})
    assert result.status == 0
    assert (result.pixels == 0).all()


@pytest.mark.usefixtures("keying")
def test_an_input_that_is_missing_is_a_sentence(plug_in: Path) -> None:
    """Whoever insists on an input and wires none is told so."""
    plate, _ = shot(ODD)
    with Host(plug_in, NUKE) as host:
        result = effect_of(host, hint_source="input").render({"Source": Picture(solid(plate))})
    assert result.status == 1
    assert "no hint is wired; wire one" in result.messages[0].text
    assert (result.pixels == 0).all()


def test_every_parameter_reaches_the_daemon(plug_in: Path, keying: Client) -> None:
    """Each one's value is the one in the panel, at the frame's time."""
    plate, hint = shot(ODD)
    plain = keying.key(plate, hint, Params(working_space=LINEAR))
    with Host(plug_in, STRICT) as host:
        result = effect_of(host, **OTHER_VALUES).render(wired(STRICT, plate, hint))
    expected = keying.key(plate, hint, Params(working_space=LINEAR, **OTHER_VALUES))  # type: ignore[arg-type]
    assert np.array_equal(result.pixels, premultiplied(expected))
    assert not np.array_equal(expected.matte, plain.matte)


def test_a_parameter_is_read_at_the_time_of_the_frame(plug_in: Path, keying: Client) -> None:
    """Animation: each frame is keyed with the values of its own time."""
    plate, hint = shot(ODD)
    with Host(plug_in, STRICT) as host:
        effect = effect_of(host)
        effect.set("matte_gamma", 1.0, time=1.0)
        effect.set("matte_gamma", 3.0, time=2.0)
        results = [effect.render(wired(STRICT, plate, hint), time=time) for time in (1.0, 2.0)]
    for result, gamma in zip(results, (1.0, 3.0), strict=True):
        expected = keying.key(plate, hint, Params(working_space=LINEAR, matte_gamma=gamma))
        assert np.array_equal(result.pixels, premultiplied(expected))


@pytest.mark.parametrize("premult", [PREMULTIPLIED, UNPREMULTIPLIED, OPAQUE])
def test_only_a_premultiplied_plate_is_taken_apart(premult: str, plug_in: Path, keying: Client) -> None:
    """A host that premultiplies gets the key of the straight plate; elsewhere color is left as it is."""
    plate, hint = shot(ODD)
    alpha = np.where(np.indices(hint.shape)[1] < 80, np.float32(0.5), np.float32(1))
    source = np.dstack((plate * (alpha[..., None] if premult == PREMULTIPLIED else 1), alpha))
    with Host(plug_in, STRICT) as host:
        pictures = {"Source": Picture(source, premult=premult), "AlphaHint": Picture(grey(hint))}
        result = effect_of(host).render(pictures)
    expected = keying.key(plate, hint, Params(working_space=LINEAR))
    assert np.array_equal(result.pixels, premultiplied(expected))


@pytest.mark.parametrize(
    ("mode", "space"),
    [(NUKE, LINEAR), (NATRON, LINEAR), (RESOLVE, "rec709_g24")],
    ids=lambda value: getattr(value, "label", value),
)
def test_auto_is_how_the_host_encodes(mode: Mode, space: str, plug_in: Path, keying: Client) -> None:
    """A working space that is left at auto follows the host."""
    plate, hint = shot(ODD)
    with Host(plug_in, mode) as host:
        result = host.create(GENERAL).render(wired(mode, plate, hint))
    expected = keying.key(plate, hint, Params(working_space=space))
    assert np.array_equal(result.pixels, premultiplied(expected))


def test_a_host_that_does_not_say_how_it_encodes_is_asked(plug_in: Path, echo: EchoDaemon) -> None:
    """An unknown host is not guessed at."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, STRICT) as host:
        result = host.create(GENERAL).render(wired(STRICT, plate, hint))
    assert result.status == 1
    assert "choose the Working Space" in result.messages[0].text
    assert (result.pixels == 0).all()
    assert echo.status()["frames"]["keyed"] == 0


def keyed_at_once(mode: Mode, size: tuple[int, int], count: int, plug_in: Path, client: Client) -> None:
    """Check that eight threads of a host, with two instances, get of each frame what the client gets."""
    shots = [shot(size, number) for number in range(count)]
    with Host(plug_in, mode) as host:
        effects = [effect_of(host, matte_gamma=gamma) for gamma in (1.0, 1.5)]

        def work(number: int) -> Result:
            return effects[number % 2].render(wired(mode, *shots[number]), time=float(number))

        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(work, range(count)))
    for number, (result, (plate, hint)) in enumerate(zip(results, shots, strict=True)):
        expected = client.key(plate, hint, Params(working_space=LINEAR, matte_gamma=(1.0, 1.5)[number % 2]))
        assert result.status == 0, result.messages
        assert np.array_equal(result.pixels, premultiplied(expected)), number


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", [NUKE, SILHOUETTE], ids=lambda mode: mode.label)
def test_eight_frames_are_keyed_at_once(mode: Mode, plug_in: Path, keying: Client, rounds: int) -> None:
    """With a keyer at work each thread gets the key of its own frame, with its node's values; in soak at UHD."""
    keyed_at_once(mode, UHD if rounds > 1 else ODD, 8, plug_in, keying)


@pytest.mark.parametrize("size", [(64, 36), pytest.param(HD, marks=pytest.mark.slow)], ids=["small", "hd"])
def test_eight_frames_at_once(size: tuple[int, int], plug_in: Path, echo: EchoDaemon, rounds: int) -> None:
    """Threads of a host do not mix up their frames, in one instance and in several."""
    count = (40 if size == (64, 36) else 16) * rounds
    with Host(plug_in, SILHOUETTE) as host:
        effects = [effect_of(host, output="foreground") for _ in range(3)]

        def work(number: int) -> bool:
            plate, hint = stamped(size, 7, number)
            result = effects[number % 3].render(wired(SILHOUETTE, plate, hint), time=float(number))
            return result.status == 0 and np.array_equal(result.pixels, np.dstack((plate, hint)))

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(work, range(count)))
    assert echo.status()["frames"]["keyed"] == count


def test_a_frame_costs_one_request(plug_in: Path, echo: EchoDaemon) -> None:
    """Questions that a host asks before a frame do not reach the daemon, nor does an instance that renders nothing."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        host.create(FILTER)
        assert echo.status()["sessions"] == []
        effect_of(host).render(wired(NUKE, plate, hint))
        assert echo.status()["frames"]["keyed"] == 1
