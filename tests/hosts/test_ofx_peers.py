"""What other keyers for OFX got wrong: a test for each defect, which a plug-in that has it does not pass.

The numbers 1 to 15 are those of the defects that we found in one of them; the tests without a number are for another.
"""

import os
import re
import signal
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.params import PARAMS, Param, Params, Stage
from corridorkey_models.synthetic import ShotSpec, render
from corridorkey_server.client import Client
from corridorkey_server.rendezvous import Rendezvous
from daemons import EchoDaemon, Pixels, asking, eventually, stamped
from ofx_shots import LINEAR, ODD, effect_of, shown, solid, wired
from ofxhost import (
    FILTER,
    GENERAL,
    MLT,
    MODES,
    NUKE,
    OPAQUE,
    PREMULTIPLIED,
    RESOLVE,
    STRICT,
    UNPREMULTIPLIED,
    Host,
    Mode,
    Picture,
    Result,
)
from ofxhost.footprint import Footprint

FAILED = 1
HEIGHT = ODD[1]
Box = tuple[int, int, int, int]
EVERYWHERE = (-(2**20), -(2**20), 2**20, 2**20)

HINTS = {
    "inside": ((12, 10), (20, 30)),
    "across a corner": ((40, 30), (-15, -8)),
    "across the other": ((30, 20), (150, 80)),
    "larger": ((260, 150), (-50, -30)),
    "beside": ((12, 10), (400, 30)),
    "one pixel": ((1, 1), (160, 90)),
}
"""Sizes and lower left corners of hints around a plate that begins at 0, 0."""

OUTPUTS = {
    "premultiplied": PREMULTIPLIED,
    "foreground": UNPREMULTIPLIED,
    "matte": OPAQUE,
    "hint": OPAQUE,
    "checker": OPAQUE,
}

# For each parameter a value that changes what the network sees of `odd_hint`, or what it is.
PREDICTED: dict[str, float | str | bool] = {
    "screen": "blue",
    "working_space": "srgb",
    "hint_source": "chroma",
    "hint_channel": "red",
    "hint_invert": True,
    "hint_erode": 4.0,
    "hint_blur": 3.0,
    "overscan": True,
}
NOT_OF_THE_PROCEDURAL = {"quality", "refiner_scale"}


def shot(frame: int = 0) -> tuple[Pixels, Pixels]:
    """Return plate and hint of a small synthetic frame."""
    truth = render(ShotSpec(width=ODD[0], height=ODD[1]), frame)
    return truth.plate.astype(np.float32), truth.hint.astype(np.float32)


def placed(pixels: Pixels, at: tuple[int, int], box: Box, within: Box = EVERYWHERE) -> Pixels:
    """Return what lies in `box` of pixels that begin `at`, as far as they are `within`; 0 where nothing is."""
    result = np.zeros((box[3] - box[1], box[2] - box[0], pixels.shape[2]), np.float32)
    top = at[1] + pixels.shape[0]
    own = (*at, at[0] + pixels.shape[1], top)
    x1, y1 = (max(one[side] for one in (box, own, within)) for side in (0, 1))
    x2, y2 = (min(one[side] for one in (box, own, within)) for side in (2, 3))
    if x1 < x2 and y1 < y2:
        found = pixels[top - y2 : top - y1, x1 - at[0] : x2 - at[0]]
        result[box[3] - y2 : box[3] - y1, x1 - box[0] : x2 - box[0]] = found
    return result


def is_a_failure(result: Result) -> bool:
    """Whether a render failed as it should: by its status, and with nothing to be taken for a key."""
    return result.status == FAILED and bool((result.pixels == 0).all())


def sentence(result: Result) -> str:
    """Return the one thing that was said in a render: a cause and a next step."""
    (message,) = result.messages
    assert re.fullmatch(r"[^\n]+; [^\n]+\.", message.text), message.text
    return message.text


# 1


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("channels", [1, 4])
def test_a_hint_of_another_box(channels: int, plug_in: Path) -> None:
    """Defect 1: a hint may be smaller than the plate or lie anywhere; it is 0 where it has no pixels.

    A read beyond it meets what is no number, or the end of the process under ASan.
    """
    plate, _ = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host, output="matte")
        for where, ((width, height), at) in HINTS.items():
            hint = np.random.default_rng(5).random((height, width, 1), np.float32)
            pictures = {"Source": Picture(solid(plate)), "AlphaHint": Picture(np.repeat(hint, channels, axis=2), at=at)}
            result = effect.render(pictures)
            assert result.status == 0, where
            assert np.array_equal(result.pixels[..., :1], placed(hint, at, (0, 0, *ODD))), where


# 2


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("overscan", [False, True])
@pytest.mark.parametrize("bounds", [None, (-20, -10, 90, 70), (8, 2, 30, 20), (-9, -9, -2, -3)])
@pytest.mark.parametrize("window", [None, (10, 3, 22, 9)])
def test_every_image_has_its_own_place(bounds: Box | None, window: Box | None, overscan: bool, plug_in: Path) -> None:
    """Defect 2: pixels are found by the source's origin and written within the output's bounds and the window."""
    at, within = (5, -4), EVERYWHERE if overscan else (0, 0, 60, 50)
    plate, hint = stamped((40, 30), 1, 1)
    if bounds == (-9, -9, -2, -3) and window:
        window = (-8, -7, -3, -4)
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host, output="foreground", overscan=overscan)
        pictures = {"Source": Picture(solid(plate), at=at), "AlphaHint": Picture(hint[..., None], at=at)}
        result = effect.render(pictures, extent=(60.0, 50.0), bounds=bounds, window=window)
    assert result.status == 0
    expected = placed(np.dstack((plate, hint)), at, window or result.box, within)
    left, low, right, high = window or result.box
    rows, columns = slice(result.box[3] - high, result.box[3] - low), slice(left - result.box[0], right - result.box[0])
    assert np.array_equal(result.pixels[rows, columns], expected)
    assert np.isfinite(result.pixels).sum() == expected.size


# 3


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("mode", [NUKE, RESOLVE, MLT], ids=lambda mode: mode.label)
def test_no_value_is_clipped(mode: Mode, plug_in: Path) -> None:
    """Defect 3: what is above 1 and below 0 goes there and back to the last bit."""
    plate, hint = stamped(ODD, 1, 1)
    plate[1, :6] = [
        [8.0, 2.0, -0.25],
        [1.0, 0.999965, -8.0],
        [65504.0, 1e-6, 1e-30],
        [1e30, -1e30, 0],
        *[[-0.0] * 3] * 2,
    ]
    with Host(plug_in, mode) as host:
        result = effect_of(host, output="foreground").render(wired(mode, plate, hint))
    assert result.status == 0
    assert np.array_equal(result.pixels[..., :3].view(np.uint32), plate.view(np.uint32))


@pytest.mark.usefixtures("keying")
@pytest.mark.parametrize("output", ["premultiplied", "hint", "checker"])
def test_what_is_no_number_does_not_come_back(output: str, plug_in: Path) -> None:
    """Defect 3: NaN and infinities in plate and hint end in numbers, whatever is shown."""
    plate, hint = shot()
    plate[10:14, 20:60] = np.array([np.nan, np.inf, -np.inf])
    hint[30:33, 5:90] = np.nan
    with Host(plug_in, NUKE) as host:
        result = effect_of(host, output=output).render(wired(NUKE, plate, hint))
    assert result.status == 0
    assert np.isfinite(result.pixels).all()


# 4


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.label)
def test_without_a_daemon_a_render_fails(mode: Mode, plug_in: Path) -> None:
    """Defect 4: no host gets the plate for a key, and none is told that all went well."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, mode) as host:
        result = effect_of(host).render(wired(mode, plate, hint))
    assert is_a_failure(result)
    if not mode.broken_persistent and mode.label != "fusion":
        assert "no CorridorKey daemon runs; start it with `ckey start`" in sentence(result)


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("green", [-667.0, -668.0])
def test_a_fault_in_the_daemon_fails_the_render(green: float, plug_in: Path) -> None:
    """Defect 4: an exception in the worker and its death are a failure each, and the next frame is keyed."""
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host, output="foreground")
        result = effect.render(wired(NUKE, asking(3, green), asking()[..., 0]))
        assert is_a_failure(result)
        assert sentence(result)
        assert effect.render(wired(NUKE, asking(3), asking()[..., 0])).status == 0
        assert effect.persistent is None


def test_the_end_of_the_daemon_fails_the_render(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 4: so does a daemon that ends while it has the frame."""
    plate = asking(1030.0)
    with Host(plug_in, NUKE) as host, ThreadPoolExecutor(1) as thread:
        effect = effect_of(host)
        rendering = thread.submit(effect.render, wired(NUKE, plate, plate[..., 0]))
        eventually(echo.is_keying, "the frame is keyed")
        echo.kill()
        result = rendering.result(20)
    assert is_a_failure(result)
    assert "daemon has ended" in sentence(result)


# 5


@pytest.mark.parametrize("context", [FILTER, GENERAL])
@pytest.mark.parametrize("output", [*OUTPUTS, "plate"])
def test_the_output_says_how_it_is_premultiplied(output: str, context: str, plug_in: Path) -> None:
    """Defect 5: the property without a suffix is set, right for each output, as soon as the output changes."""
    given = UNPREMULTIPLIED
    with Host(plug_in, STRICT) as host:
        effect = host.create(context)
        effect.render({"Source": Picture(solid(shot()[0]), premult=given)})
        assert effect.preference("OfxImageEffectPropPreMultiplication", "") == PREMULTIPLIED
        effect.set("output", output)
        expected = OUTPUTS.get(output, given)
        assert effect.preference("OfxImageEffectPropPreMultiplication", "") == expected
        assert effect.clips["Output"].premult() == expected
        assert [name for name in effect.preferences() if name.startswith("OfxImageClipPropPreMult")] == []


# 6


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_all_of_every_input_is_asked_for(scale: float, plug_in: Path) -> None:
    """Defect 6: for a part of the output the network still needs all that each wired clip has."""
    plate, hint = shot()
    with Host(plug_in, NUKE) as host:
        pictures = {"Source": Picture(solid(plate), at=(-8, 3)), "OutsideMask": Picture(hint[:20, :30], at=(100, 40))}
        found = effect_of(host).regions_of_interest(pictures, (10, 12, 20, 15), scale=(scale, scale))
    width, height = ODD
    boxes = {"Source": (-8, 3, width - 8, height + 3), "OutsideMask": (100, 40, 130, 60)}
    assert found == {name: tuple(side / scale for side in box) for name, box in boxes.items()}


# 7


def test_abort_is_asked_once_a_row(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 7: while rows are copied in and out, and now and then while the daemon works, but not at each pixel."""
    assert echo.answers()
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        result = effect_of(host).render(wired(NUKE, plate, hint))
    assert result.status == 0
    waits = 10 + result.seconds / 0.01
    assert 2 * HEIGHT <= result.abort_calls <= 4 * HEIGHT + waits


@pytest.mark.usefixtures("echo")
def test_a_render_stops_at_the_next_row(plug_in: Path) -> None:
    """Defect 7: whenever the host has enough, the render ends at once, in silence and not as a success."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host)
        for after in (0, 1, HEIGHT // 2, HEIGHT + 5, 2 * HEIGHT - 3):
            result = effect.render(wired(NUKE, plate, hint), abort_after=after)
            assert result.status == FAILED
            assert after < result.abort_calls <= after + 3
        assert host.messages == []
        assert effect.render(wired(NUKE, plate, hint)).status == 0


def test_a_render_stops_while_the_daemon_works(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 7: a frame that takes long ends as soon as the host has enough, and the daemon's work with it."""
    plate, enough = asking(1030.0), threading.Event()
    with Host(plug_in, NUKE) as host, ThreadPoolExecutor(1) as thread:
        effect = effect_of(host)
        rendering = thread.submit(effect.render, wired(NUKE, plate, plate[..., 0]), abort=enough)
        eventually(echo.is_keying, "the frame is keyed")
        enough.set()
        assert eventually(rendering.done, "the render ends") < 2
        assert rendering.result().status == FAILED
        assert host.messages == []
        eventually(lambda: echo.status()["frames"]["cancelled"] == 1, "the daemon stops it")


# 8

WRONG: list[tuple[str, Mapping[str, object], str]] = [
    ("Source", {"OfxImageEffectPropPixelDepth": "OfxBitDepthByte"}, "Source is not float; set the project to"),
    ("Source", {"OfxImageEffectPropPixelDepth": "OfxBitDepthHalf"}, "Source is not float; set the project to"),
    ("Source", {"OfxImageEffectPropComponents": "OfxImageComponentRGB"}, "Source is not RGBA; convert it"),
    ("Source", {"OfxImagePropRowBytes": 16 * ODD[0] - 4}, "the host describes the image of Source wrongly; please"),
    ("Source", {"OfxImagePropRowBytes": 0}, "the host describes the image of Source wrongly; please"),
    ("AlphaHint", {"OfxImageEffectPropPixelDepth": "OfxBitDepthShort"}, "Alpha Hint is not float; set the project to"),
    ("AlphaHint", {"OfxImageEffectPropComponents": "uk.co.thefoundry.OfxImageComponentMotionVectors"}, "is neither"),
    ("Output", {"OfxImageEffectPropPixelDepth": "OfxBitDepthByte"}, "Output is not float; set the project to"),
    ("Output", {"OfxImageEffectPropComponents": "OfxImageComponentAlpha"}, "Output is not RGBA; convert it"),
]


@pytest.mark.parametrize("context", [FILTER, GENERAL])
def test_only_float_is_declared(context: str, plug_in: Path) -> None:
    """Defect 8: hosts convert everything, so that no path of the code is for anything else."""
    with Host(plug_in, STRICT) as host:
        for descriptor in (host.general, host.contexts[context]):
            assert descriptor.properties.all("OfxImageEffectPropSupportedPixelDepths") == ["OfxBitDepthFloat"]
        assert host.general.properties.get("OfxImageEffectPropMultipleClipDepths") == 0


@pytest.mark.parametrize(("clip", "said", "why"), WRONG)
def test_an_image_that_was_not_asked_for(clip: str, said: Mapping[str, object], why: str, plug_in: Path) -> None:
    """Defect 8: a host that does not convert gets a sentence and an empty output before any daemon is looked for."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, STRICT) as host:
        result = effect_of(host).render(wired(STRICT, plate, hint), misled={clip: said})
    assert result.status == FAILED
    assert why in sentence(result)
    assert clip == "Output" or is_a_failure(result)


# 9


@pytest.mark.usefixtures("keying")
def test_frames_do_not_know_their_order(plug_in: Path) -> None:
    """Defect 9: scrubbing back and forth, two nodes and a farm all get the same frames."""
    shots = {time: shot(time) for time in range(5)}
    with Host(plug_in, NUKE) as host:
        first, other = effect_of(host, despeckle=True), effect_of(host, despeckle=True)
        forward = {time: first.render(wired(NUKE, *shots[time]), time=float(time)).pixels for time in shots}
        for effect, time in [(first, 3), (other, 4), (first, 0), (other, 1), (first, 4), (other, 2), (other, 0)]:
            assert np.array_equal(effect.render(wired(NUKE, *shots[time]), time=float(time)).pixels, forward[time])
    assert not np.array_equal(forward[0], forward[4])


# 10


def sockets() -> set[tuple[int, str]]:
    """Return family and peer of every socket of this process."""
    found = set()
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            is_socket = str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:  # the listing's own
            continue
        if is_socket:
            with socket.socket(fileno=os.dup(int(entry.name))) as one:
                found.add((int(one.family), _peer(one)))
    return found


def _peer(one: socket.socket) -> str:
    try:
        return str(one.getpeername())
    except OSError:
        return "nobody"


def test_there_are_no_sockets_but_those_in_the_folder(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 10: while a frame is keyed the process has the daemon's own two connections more, and no other."""
    plate, before = asking(1000.3), sockets()
    with Host(plug_in, NUKE) as host, ThreadPoolExecutor(1) as thread:
        rendering = thread.submit(effect_of(host).render, wired(NUKE, plate, plate[..., 0]))
        eventually(echo.is_keying, "the frame is keyed")
        during = sockets() - before
        assert rendering.result().status == 0
    assert during == {(int(socket.AF_UNIX), str(path)) for path in (echo.place.control_path, echo.place.lease)}
    assert sockets() <= before | during


def test_a_folder_that_others_can_enter_is_not_trusted(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 10: a daemon whose folder is not the user's alone gets no frame."""
    plate, hint = stamped(ODD, 1, 1)
    echo.place.folder.chmod(0o755)
    with Host(plug_in, NUKE) as host:
        result = effect_of(host).render(wired(NUKE, plate, hint))
    echo.place.folder.chmod(0o700)
    assert is_a_failure(result)
    assert "is open to other users" in sentence(result)
    assert echo.status()["frames"]["keyed"] == 0


def test_a_daemon_that_hangs_gets_no_signal(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 10: whatever process a silent daemon said to be, it is left alone; it goes on where it was."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host)
        assert effect.render(wired(NUKE, plate, hint)).status == 0
        echo.process.send_signal(signal.SIGSTOP)
        result = effect.render(wired(NUKE, plate, hint))
        (said,) = effect.press("status")
        echo.process.send_signal(signal.SIGCONT)
        assert is_a_failure(result)
        assert "does not answer" in sentence(result)
        assert "does not answer" in said.text
        eventually(echo.answers, "the daemon goes on")
    assert echo.process.poll() is None


# 11


def another(param: Param) -> float | str | bool:
    """Return a value that a parameter does not have by default."""
    if param.kind == "choice":
        return param.choices[1 if param.default == param.choices[0] else 0]
    if param.kind == "bool":
        return not param.default
    assert param.low is not None
    assert param.high is not None
    default = float(param.default)
    return (default + (param.low if param.low != default else param.high)) / 2


def change_each(stages: set[Stage], plug_in: Path, client: Client, frame: int) -> dict[str, bool]:
    """Render with a change of one parameter at a time; return of which of them the prediction was kept."""
    plate, hint = shot(frame)
    odd_hint = np.dstack((hint * 0.5, hint[::-1], hint, hint))
    pictures = {"Source": Picture(solid(plate), at=(-8, -6)), "AlphaHint": Picture(odd_hint, at=(-8, -6))}
    kept = {}
    for param in (param for param in PARAMS if param.stage in stages and param.name not in NOT_OF_THE_PROCEDURAL):
        value = PREDICTED.get(param.name, another(param))
        with Host(plug_in, NUKE) as host:
            effect_of(host).render(pictures, extent=(140.0, 80.0))
            before = client.status()["frames"]
            result = effect_of(host, **{param.name: value}).render(pictures, extent=(140.0, 80.0))
            after = client.status()["frames"]
        assert result.status == 0, result.messages
        assert after["keyed"] == before["keyed"] + 1
        kept[param.name] = after["kept"] == before["kept"] + 1
    return kept


def test_finishing_does_not_run_the_network_again(plug_in: Path, keying: Client) -> None:
    """Defect 11: a change of what is done behind the network reuses its prediction, for every such parameter."""
    kept = change_each({Stage.FINISH, Stage.VIEW}, plug_in, keying, 21)
    assert {"despill", "despeckle", "matte_grow", "output"} <= set(kept)
    assert [name for name, was_kept in kept.items() if not was_kept] == []


def test_what_the_network_sees_runs_it_again(plug_in: Path, keying: Client) -> None:
    """Defect 11: nothing is reused that a change makes wrong."""
    kept = change_each({Stage.PREDICT}, plug_in, keying, 22)
    assert set(kept) == set(PREDICTED)
    assert [name for name, was_kept in kept.items() if was_kept] == []


@contextmanager
def tapped(daemon: Rendezvous, folder: Path) -> Iterator[bytearray]:
    """Stand before a daemon in a folder of its own, for one connection; yields all that is said to the daemon."""
    folder.mkdir(mode=0o700)
    (folder / "lease").symlink_to(daemon.lease)
    listener, far, heard = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX), bytearray()
    listener.bind(str(folder / "control"))
    listener.listen()
    far.connect(str(daemon.control_path))

    def carry(source: socket.socket, target: socket.socket, note: bytearray) -> None:
        while data := source.recv(65536):
            note.extend(data)
            target.sendall(data)

    def serve(threads: ThreadPoolExecutor) -> None:
        near, _ = listener.accept()
        with near:
            answers = threads.submit(carry, far, near, bytearray())
            try:
                carry(near, far, heard)
            finally:
                far.shutdown(socket.SHUT_RDWR)
                answers.exception(10)

    with listener, far, ThreadPoolExecutor(2) as threads:
        serving = threads.submit(serve, threads)
        yield heard
        listener.shutdown(socket.SHUT_RDWR)
        serving.exception(10)


@pytest.mark.parametrize(
    ("params", "packed"),
    [
        ({}, b"\xa7quality\xa4full"),
        ({"quality": "half"}, b"\xa7quality\xa4half"),
        ({"refiner_scale": 0.5}, b"\xadrefiner_scale\xcb" + struct.pack(">d", 0.5)),
    ],
    ids=["default", "quality", "refiner"],
)
def test_what_the_procedural_keyer_has_no_use_for_is_sent(
    params: dict[str, object], packed: bytes, plug_in: Path, echo: EchoDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defects 11 and 15: quality, full by default, and the refiner's strength stand in the request."""
    plate, hint = stamped(ODD, 1, 1)
    folder = echo.place.folder.parent / "tap"
    monkeypatch.setenv("CKEY_RUNTIME", str(folder))
    with tapped(echo.place, folder) as heard, Host(plug_in, NUKE) as host:
        assert effect_of(host, **params).render(wired(NUKE, plate, hint)).status == 0
    assert packed in heard


# 12


@pytest.mark.usefixtures("echo")
def test_both_contexts_are_there_and_do_the_same(plug_in: Path) -> None:
    """Defect 12: General where a host prefers it, Filter where it knows nothing else."""
    plate, hint = stamped(ODD, 1, 1)
    results = []
    with Host(plug_in, NUKE) as host:
        assert set(host.contexts) == {FILTER, GENERAL}
        for context in (FILTER, GENERAL):
            effect = host.create(context)
            assert effect.descriptor.context == context
            results.append(effect.render(wired(NUKE, plate, hint)).pixels)
    assert np.array_equal(*results)
    assert np.array_equal(results[0], np.dstack((plate * hint[..., None], hint)))


# 13


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("premult", [PREMULTIPLIED, UNPREMULTIPLIED, OPAQUE])
def test_a_premultiplied_source_is_straightened(premult: str, plug_in: Path) -> None:
    """Defect 13: color is divided by alpha where the host says that it was multiplied, and only there."""
    plate, hint = stamped(ODD, 1, 1)
    alpha = np.float32(0.25) * np.ones_like(hint)
    alpha[0] = 0
    source = np.dstack((plate * (alpha[..., None] if premult == PREMULTIPLIED else 1), alpha))
    with Host(plug_in, STRICT) as host:
        pictures = {"Source": Picture(source, premult=premult), "AlphaHint": Picture(hint)}
        result = effect_of(host, output="foreground").render(pictures)
    assert np.array_equal(result.pixels[1:, :, :3], plate[1:])
    assert np.isfinite(result.pixels).all()


@pytest.mark.usefixtures("echo")
def test_the_alpha_of_the_source_can_be_the_hint(plug_in: Path) -> None:
    """Defect 13: it is taken when that was chosen, and not otherwise."""
    plate, alpha = stamped(ODD, 1, 1)
    hint = np.ascontiguousarray(alpha[::-1])
    with Host(plug_in, STRICT) as host:
        pictures = {"Source": Picture(np.dstack((plate, alpha))), "AlphaHint": Picture(hint)}
        results = [
            effect_of(host, hint_source=source, output="foreground").render(pictures)
            for source in ("source_alpha", "auto", "input")
        ]
    for result, matte in zip(results, (alpha, hint, hint), strict=True):
        assert np.array_equal(result.pixels, np.dstack((plate, matte)))


# 14


def test_hosts_find_the_binary_where_the_standard_says(natives: Path) -> None:
    """Defect 14: folders in the bundle are spelled as hosts spell them, one for each system that we build for."""
    contents = natives / "CorridorKey.ofx.bundle" / "Contents"
    for folder in ("Linux-x86-64", "Linux-aarch64", "MacOS", "Win64"):
        assert (contents / folder / "CorridorKey.ofx").is_file()
    assert {path.parent.name for path in contents.rglob("*.ofx")} == {"Linux-x86-64", "Linux-aarch64", "MacOS", "Win64"}


# 15


def test_the_best_quality_is_the_default(plug_in: Path) -> None:
    """Defect 15: a fresh node keys with all that the model can do."""
    with Host(plug_in, STRICT) as host:
        assert host.create().value("quality") == shown("full")
    assert Params().quality == "full"


# Of the other keyer.


def written() -> int:
    """Return how many bytes this process has written, to whatever."""
    return int(re.findall(r"wchar: (\d+)", Path("/proc/self/io").read_text())[0])


@pytest.mark.usefixtures("echo")
def test_a_render_starts_and_writes_nothing(plug_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process and no file for a frame: pixels go through memory, and a request is a few hundred bytes."""
    for name in ("TMPDIR", "TMP", "TEMP", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    plate, hint = stamped((640, 360), 1, 1)
    system_wide = [Path(tempfile.gettempdir()), Path("/dev/shm")]
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host)
        assert effect.render(wired(NUKE, plate, hint)).status == 0
        before, bytes_before = Footprint.take(), written()
        listed = [set(folder.iterdir()) for folder in system_wide]
        assert effect.render(wired(NUKE, plate, hint), time=2.0).status == 0
        assert before.growth() == []
        assert written() - bytes_before < 16384
        assert [set(folder.iterdir()) for folder in system_wide] == listed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [NUKE, RESOLVE, MLT], ids=lambda mode: mode.label)
def test_a_render_edits_nothing(mode: Mode, plug_in: Path, echo: EchoDaemon) -> None:
    """Neither a frame nor a failure sets a parameter, which crashes hosts and makes them render again."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, mode) as host:
        effect = effect_of(host)
        before = {name: effect.params[name].at(1.0) for name in effect.params}
        assert effect.render(wired(mode, plate, hint)).status == 0
        echo.kill()
        assert is_a_failure(effect.render(wired(mode, plate, hint)))
        assert {name: effect.params[name].at(1.0) for name in effect.params} == before
        assert effect.value("working_space") == shown(LINEAR)
