"""What other keyers for OFX got wrong: for each defect a test that a plug-in which has it does not pass.

In one of them we found these; their tests are here or where their subject is tested anyway:

 1. reads beyond a hint that is small            test_ofx_geometry::test_a_hint_lies_anywhere
 2. takes the output's place for the source's    test_ofx_peers::test_every_image_has_its_own_place
 3. clips values to 0 and 1, lets NaN through    test_ofx_peers::test_no_value_is_clipped
                                                 test_ofx_peers::test_what_is_no_number_does_not_come_back
 4. gives the plate when the key fails           test_ofx_daemon_failures::test_no_daemon
                                                 test_ofx_daemon_failures::test_a_fault_in_the_keyer
                                                 test_ofx_daemon_failures::test_a_worker_that_dies
                                                 test_ofx_daemon_failures::test_a_daemon_that_is_killed_under_a_frame
 5. says nothing of premultiplication, or wrongly test_ofx_peers::test_the_output_says_how_it_is_premultiplied
 6. asks for a part of its inputs                test_ofx_geometry::test_all_of_every_clip_is_asked_for
 7. cannot be aborted, or asks at every pixel    test_ofx_peers::test_abort_is_asked_once_a_row
                                                 test_ofx_aborts::test_abort_at_every_step
                                                 test_ofx_aborts::test_abort_while_the_frame_runs
 8. takes bytes for floats                       test_ofx_peers::test_only_float_is_declared
                                                 test_ofx_peers::test_an_image_that_was_not_asked_for
 9. keeps a state from frame to frame            test_ofx_images::test_frames_do_not_depend_on_their_order
10. listens to anybody, kills any process        test_ofx_peers::test_there_are_no_sockets_but_those_in_the_folder
                                                 test_ofx_peers::test_a_daemon_that_hangs_gets_no_signal
                                                 test_ofx_daemon_failures::test_a_runtime_folder_that_is_not_safe
11. runs the network again for each slider       test_ofx_network::test_finishing_does_not_run_the_network_again
                                                 test_ofx_network::test_what_the_network_sees_runs_it_again
12. has one context only                         test_ofx_peers::test_both_contexts_are_there_and_do_the_same
13. takes a premultiplied source as it is        test_ofx_keys::test_only_a_premultiplied_plate_is_taken_apart
                                                 test_ofx_keys::test_each_source_of_the_hint
14. lies where no host looks                     test_ofx_build::test_the_bundle_is_laid_out_as_hosts_expect
15. has a worse quality by default               test_ofx_panel::test_a_fresh_node_has_the_defaults
                                                 test_ofx_network::test_what_the_procedural_keyer_has_no_use_for_is_sent

The last two tests of this file are for another one.
"""

import os
import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.synthetic import ShotSpec, render
from daemons import EchoDaemon, Pixels, asking, eventually, stamped
from ofx_shots import LINEAR, ODD, effect_of, shown, solid, wired
from ofxhost import (
    FILTER,
    GENERAL,
    MLT,
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

OUTPUTS = {
    "premultiplied": PREMULTIPLIED,
    "foreground": UNPREMULTIPLIED,
    "matte": OPAQUE,
    "hint": OPAQUE,
    "checker": OPAQUE,
}


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


def test_every_defect_has_its_tests() -> None:
    """What the list above names is there."""
    assert __doc__ is not None
    assert [int(number) for number in re.findall(r"^ ?(\d+)\. ", __doc__, re.MULTILINE)] == [*range(1, 16)]
    named = re.findall(r"(test_\w+)::(test_\w+)$", __doc__, re.MULTILINE)
    assert len(named) >= 15
    for file, name in named:
        assert f"\ndef {name}(" in Path(__file__).with_name(f"{file}.py").read_text(), f"{file}::{name}"


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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_abort_is_asked_once_a_row(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 7: while rows are copied in and out, and now and then while the daemon works, but not at each pixel."""
    assert echo.answers()
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        result = effect_of(host).render(wired(NUKE, plate, hint))
    assert result.status == 0
    waits = 10 + result.seconds / 0.01
    assert 2 * HEIGHT <= result.abort_calls <= 4 * HEIGHT + waits


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


@pytest.mark.slow
def test_a_daemon_that_hangs_gets_no_signal(plug_in: Path, echo: EchoDaemon) -> None:
    """Defect 10: whatever process a silent daemon said to be, it is left alone; it goes on where it was."""
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host)
        assert effect.render(wired(NUKE, plate, hint)).status == 0
        with echo.stopped():
            result = effect.render(wired(NUKE, plate, hint))
            (said,) = effect.press("status")
        assert is_a_failure(result)
        assert "does not answer" in sentence(result)
        assert "does not answer" in said.text
        eventually(echo.answers, "the daemon goes on")
    assert echo.process.poll() is None


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
    with Host(plug_in, NUKE) as host:
        effect = effect_of(host)
        assert effect.render(wired(NUKE, plate, hint)).status == 0
        before, bytes_before = Footprint.take(), written()
        assert effect.render(wired(NUKE, plate, hint), time=2.0).status == 0
        assert before.growth() == []
        assert written() - bytes_before < 16384
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
