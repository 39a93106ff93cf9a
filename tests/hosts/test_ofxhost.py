"""The strict OFX host: an effect that does everything right passes in every mode, and each thing done wrong is seen."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import native
from ofxhost import (
    FILTER,
    FUSION,
    GENERAL,
    MLT,
    MODES,
    NUKE,
    RESOLVE,
    RESOLVE_BLACK,
    SILHOUETTE,
    STRICT,
    UNPREMULTIPLIED,
    Effect,
    Host,
    Mode,
    Picture,
)  # fmt: skip

HERE = Path(__file__).parent
FAILED = 1
SIZE = (6, 9, 4)

Act = Callable[[Host], object]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The effect that does one thing wrong."""
    target = tmp_path_factory.mktemp("effect") / "misbehaving.ofx"
    return native.compile_c(sorted(HERE.glob("misbehaving*.c")), target, "-shared", "-fPIC", "-Wl,-Bsymbolic")


@pytest.fixture(autouse=True)
def _behave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test's misdeed reach another."""
    monkeypatch.delenv("MISBEHAVE", raising=False)
    monkeypatch.delenv("MISBEHAVE_DURING", raising=False)


@pytest.fixture
def plate() -> NDArray[np.float32]:
    """Pixels that are all different."""
    return np.random.default_rng(4).normal(size=SIZE).astype(np.float32)


def inverted(plate: NDArray[np.float32], amount: float = 1.0) -> NDArray[np.float32]:
    """Return what the effect makes of a plate."""
    return np.concatenate([np.float32(amount) - plate[..., :3], plate[..., 3:]], axis=2)


def visit(binary: Path) -> None:
    """Load the effect, create an instance, and end both."""
    with Host(binary) as host:
        host.create()


def render(host: Host) -> object:
    """Render one frame."""
    plate = np.full(SIZE, 0.25, np.float32)
    return host.create().render({"Source": Picture(plate)})


def render_twice(host: Host) -> object:
    """Render the same frame twice with one instance, which is told to fail."""
    effect = host.create()
    effect.set("mode", "fail")
    plate = np.full(SIZE, 0.25, np.float32)
    return [effect.render({"Source": Picture(plate)}) for _ in range(2)]


def render_part(host: Host) -> object:
    """Render a window that leaves a margin."""
    plate = np.full(SIZE, 0.25, np.float32)
    return host.create().render({"Source": Picture(plate)}, window=(2, 2, 5, 4))


def press(host: Host) -> object:
    """Press the button of the second instance."""
    host.create()
    return host.create().press("button")


def create_again(host: Host) -> object:
    """Create an instance after the end of another."""
    host.destroy(host.create())
    return host.create()


WRONGS: list[tuple[str, Act, str, Mode]] = [
    ("unknown property", Host.create, "PreMultiplication_Output is no property", STRICT),
    ("wrong type", Host.create, "SupportsTiles is a int, not a string", STRICT),
    ("wrong index", Host.create, "has no index 5", STRICT),
    ("read only", Host.create, "OfxPropType .* not the plug-in's to set", STRICT),
    ("clip in describe", Host.create, "outside of DescribeInContext", STRICT),
    ("filter clip", Host.create, "clip AlphaHint of a Filter is not optional", MLT),
    ("no range", Host.create, "amount has no Min, Max, DisplayMin, DisplayMax", RESOLVE),
    ("default", Host.create, "the default of parameter amount, 5.0, is outside", STRICT),
    ("animates", Host.create, "flag does not say whether it animates", STRICT),
    ("duplicate parameter", Host.create, "parameter amount is defined twice", STRICT),
    ("crashing type", Host.create, "which makes hosts crash", STRICT),
    ("duplicate clip", Host.create, "clip Source is defined twice", STRICT),
    ("set in create", Host.create, "amount was set outside of InstanceChanged", NUKE),
    ("image in create", Host.create, "CreateInstance: clipGetImage", STRICT),
    ("hidden", Host.create, "stays so in this host", NUKE),
    ("dead effect", create_again, "handle of a Descriptor or Effect is dead", STRICT),
    ("filter components", lambda host: host.create(FILTER), "other components of Output|does not support", STRICT),
    ("other instance", press, "of another instance was set", STRICT),
    ("out of range", press, "amount was set to 7.0", STRICT),
    ("garbage pointer", press, "has garbage there", RESOLVE),
    ("dialog", press, "a dialog in a host without a user: hello", MLT),
    ("wrong kind", press, "is a PropertySet's where a", STRICT),
    ("past the row", render, "memory around the image of clip Output", STRICT),
    ("before the image", render, "memory around the image of clip Output", STRICT),
    ("writes source", render, "the image of clip Source was written", STRICT),
    ("past the window", render_part, "1 pixels outside the render window", STRICT),
    ("value in render", render, "paramGetValue of amount", STRICT),
    ("unwritten", render, "9 pixels in the render window were not written", STRICT),
    ("set in render", render, "Render: paramSetValue: .*amount was set outside", STRICT),
    ("set at time in render", render, "Render: paramSetValueAtTime: .*amount was set outside", STRICT),
    ("dead image", render_twice, "propGetInt: the handle of a PropertySet is dead", STRICT),
    ("released twice", render, "clipReleaseImage: .* is dead", STRICT),
    ("leak", render, "the image of clip Source was not released", STRICT),
    ("foreign thread", render, "on a thread that is not the host's", STRICT),
    ("progress", render, "progress in a host without a user", MLT),
    ("format", render_twice, "a message has the format 'it is 100% wrong'", STRICT),
    ("same message", render_twice, "the same persistent message again", NUKE),
]  # fmt: skip

# ASan ends the process itself when this happens.
SEEN_BY_ASAN = "past the row"


@pytest.mark.parametrize(("wrong", "act", "sentence", "mode"), WRONGS, ids=[one[0] for one in WRONGS])
def test_wrong_is_seen(
    binary: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, act: Act, sentence: str, mode: Mode
) -> None:
    """Whatever is done wrong raises an AssertionError that says so, and the same without the wrong does not."""
    if native.is_sanitized() and wrong == SEEN_BY_ASAN:
        pytest.skip("ASan ends the process")
    with Host(binary, mode) as host:
        act(host)
    monkeypatch.setenv("MISBEHAVE", wrong)
    with pytest.raises(AssertionError, match=sentence), Host(binary, mode) as host:
        act(host)


@pytest.mark.parametrize("wrong", ["socket", "thread", "process"])
@pytest.mark.parametrize(
    "during",
    ["OfxActionLoad", "OfxActionDescribe", "OfxImageEffectActionDescribeInContext", "OfxActionCreateInstance"],
)
def test_a_scan_leaves_no_traces(binary: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, during: str) -> None:
    """A socket, a thread or a process of a plug-in that is only looked at is seen."""
    monkeypatch.setenv("MISBEHAVE", wrong)
    monkeypatch.setenv("MISBEHAVE_DURING", during)
    with pytest.raises(AssertionError, match=f"{during}: it (opened .*socket|started a {wrong})"):
        visit(binary)


@pytest.mark.parametrize("mode", MODES, ids=[mode.label for mode in MODES])
def test_an_effect_passes_in_every_mode(binary: Path, plate: NDArray[np.float32], mode: Mode) -> None:
    """An effect that does nothing wrong renders whole and in part, is edited and ended without a fault."""
    with Host(binary, mode) as host:
        effect = host.create()
        whole = effect.render({"Source": Picture(plate)})
        effect.set("amount", 3)
        part = effect.render({"Source": Picture(plate)}, window=(2, 1, 5, 3))
    assert host.faults == []
    assert whole.status == part.status == 0
    black = np.concatenate([inverted(plate)[..., :3], np.zeros((*SIZE[:2], 1), np.float32)], axis=2)
    np.testing.assert_array_equal(whole.pixels, black if mode is RESOLVE_BLACK else inverted(plate))
    np.testing.assert_array_equal(part.pixels[3:5, 2:5, :3], inverted(plate, 3)[3:5, 2:5, :3])
    assert np.isnan(part.pixels).sum() == 4 * (6 * 9 - 2 * 3)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (STRICT, "hint 0 0 OfxBitDepthFloat, scale 0.5, rows 156, api 1, page , messages 1, wired 1"),
        (NUKE, "hint 0 0 OfxBitDepthFloat, scale 0.5, rows 208, api 1, page , messages 1, wired 1"),
        (RESOLVE, "hint 1 0 OfxBitDepthFloat, scale 0.5, rows 144, api 1, page Color, messages 0, wired 1"),
        (RESOLVE_BLACK, "hint 1 4 OfxBitDepthFloat, scale 0.5, rows 144, api 1, page Color, messages 0, wired 1"),
        (FUSION, "hint 0 0 OfxBitDepthNone, scale 2, rows 160, api 0, page , messages 0, wired 1"),
        (MLT, "hint 0 0 OfxBitDepthFloat, scale 0.5, rows -144, api 1, page , messages 1, wired 1"),
    ],
    ids=lambda value: value.label if isinstance(value, Mode) else "",
)
def test_modes_tell_what_their_hosts_tell(binary: Path, plate: NDArray[np.float32], mode: Mode, told: str) -> None:
    """A plug-in that looks at its host sees the quirks that the mode is for, and a new wire once."""
    with Host(binary, mode) as host:
        effect = host.create()
        effect.press("look", {"Source": Picture(plate)}, scale=(0.5, 0.5))
        messages = effect.press("look", {"Source": Picture(plate)}, scale=(0.5, 0.5))
    assert [message.text for message in messages] == [told]


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("padding", [0, 4, 100])
def test_images_lie_where_they_say(binary: Path, plate: NDArray[np.float32], flipped: bool, padding: int) -> None:
    """Images with their own bounds, padding and direction of rows come out as the pixels that they are."""
    hint = Picture(np.full((2, 3), 0.5, np.float32), at=(-1, 4), flipped=not flipped)
    source = Picture(plate, at=(-2, 3), padding=padding, flipped=flipped)
    with Host(binary) as host:
        result = host.create().render({"Source": source, "AlphaHint": hint}, bounds=(-3, 2, 8, 10))
    expected = np.zeros((8, 11, 4), np.float32)
    expected[1:7, 1:10] = inverted(plate)
    expected[4:6, 2:5, 3] = 0.5
    np.testing.assert_array_equal(result.pixels, expected)


@pytest.mark.skipif(native.is_sanitized(), reason="ASan ends the process")
def test_who_reads_past_an_image_shows_it(
    binary: Path, monkeypatch: pytest.MonkeyPatch, plate: NDArray[np.float32]
) -> None:
    """What lies around an image is not a number, so that a hint read beyond its bounds is in the picture."""
    monkeypatch.setenv("MISBEHAVE", "reads past")
    with Host(binary) as host:
        hint = Picture(np.ones((2, 3), np.float32))
        result = host.create().render({"Source": Picture(plate), "AlphaHint": hint})
    assert np.isnan(result.pixels[..., 3]).any()


def test_values_go_there_and_back(binary: Path, plate: NDArray[np.float32]) -> None:
    """A button sets a double, a boolean and a string; a test's keys are seen at their time."""
    with Host(binary) as host:
        effect = host.create()
        effect.press("button")
        assert [effect.value(name) for name in ("amount", "flag", "note")] == [2.5, True, "pressed"]
        effect.set("amount", 1, time=1.0)
        effect.set("amount", 2, time=5.0)
        for time, amount in ((1.0, 1), (4.0, 1), (5.0, 2)):
            pixels = effect.render({"Source": Picture(plate)}, time=time).pixels
            np.testing.assert_array_equal(pixels, inverted(plate, amount))


def test_strings_are_good_until_the_next_call(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A string that a plug-in keeps is spoiled by its next call of the host."""
    monkeypatch.setenv("MISBEHAVE", "string kept")
    with Host(binary) as host:
        effect = host.create()
        effect.press("button")
        assert effect.value("note") == "spoiled"


@pytest.mark.parametrize("count", [1, 8])
def test_eight_threads(binary: Path, count: int) -> None:
    """One instance or eight render on eight threads at once, each what it was asked for."""

    def work(at: int) -> bool:
        plate = np.full((20, 30, 4), at, np.float32)
        result = effects[at % count].render({"Source": Picture(plate)}, time=float(at))
        return np.array_equal(result.pixels, inverted(plate))

    with Host(binary) as host, ThreadPoolExecutor(8) as pool:
        effects: list[Effect] = [host.create(GENERAL) for _ in range(count)]
        assert all(pool.map(work, range(64)))


def test_many_frames_at_once(binary: Path) -> None:
    """A range of frames comes back in order."""
    frames = [{"Source": Picture(np.full(SIZE, at, np.float32))} for at in range(16)]
    with Host(binary, SILHOUETTE) as host:
        results = host.create().render_range(frames)
    assert [float(result.pixels[0, 0, 0]) for result in results] == [1.0 - at for at in range(16)]


def test_abort_after_some_calls(binary: Path, plate: NDArray[np.float32]) -> None:
    """A render hears no as often as asked, then yes, and what it left undone is no fault."""
    with Host(binary) as host:
        effect = host.create()
        whole = effect.render({"Source": Picture(plate)})
        cut = effect.render({"Source": Picture(plate)}, abort_after=2)
    assert (whole.status, whole.abort_calls) == (0, SIZE[0])
    assert (cut.status, cut.abort_calls) == (FAILED, 3)
    assert np.isnan(cut.pixels).sum() == 4 * 9 * 4


def test_abort_by_a_flag(binary: Path, plate: NDArray[np.float32]) -> None:
    """A flag that is set ends a render at its first look."""
    flag = threading.Event()
    flag.set()
    with Host(binary) as host:
        assert host.create().render({"Source": Picture(plate)}, abort=flag).abort_calls == 1


def test_questions_have_answers(binary: Path, plate: NDArray[np.float32]) -> None:
    """Preferences, identity, regions: what the plug-in answered is what the test gets."""
    pictures = {"Source": Picture(plate, at=(4, 8))}
    with Host(binary) as host:
        effect = host.create()
        assert effect.preferences() == {"OfxImageEffectPropPreMultiplication": UNPREMULTIPLIED}
        assert effect.region_of_definition(pictures, scale=(0.5, 0.5)) == (8, 16, 26, 28)
        assert effect.regions_of_interest(pictures) == {"Source": (4, 8, 13, 14)}
        assert effect.identity(pictures) is None
        effect.set("mode", "Source")
        assert effect.identity(pictures) == "Source"
        result = effect.render(pictures)
    assert result.identity == "Source"
    np.testing.assert_array_equal(result.pixels, plate)


def test_a_failure_is_told(binary: Path, plate: NDArray[np.float32]) -> None:
    """The status and the words of a failed render reach the test."""
    with Host(binary, FUSION) as host:
        effect = host.create()
        effect.set("mode", "Fail")
        result = effect.render({"Source": Picture(plate)})
    assert result.status == FAILED
    assert [message.text for message in result.messages] == ["told to fail"]


def test_a_host_that_cannot_find_it_says_so(binary: Path) -> None:
    """A host whose contexts the effect lacks loads it not."""
    mode = replace(STRICT, contexts=("OfxImageEffectContextRetimer",))
    with pytest.raises(AssertionError, match="knows none of the contexts"), Host(binary, mode):
        pass
