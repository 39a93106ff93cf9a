"""Rows between a host's images and a slot's planes, against numpy's own arithmetic."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import native
from corridorkey_models import color
from corridorkey_models.hint import select_channel
from corridorkey_models.keyed import Keyed
from corridorkey_models.params import PARAMS, Params
from corridorkey_models.view import preview

CANARY = np.float32(-77.25)
ODD_VALUES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 65504.0, 1e-42, -3.5], np.float32)
INTERRUPTED = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
HINT_CHANNELS = ("auto", "alpha", "red", "green", "blue", "luminance")
OUTPUTS = ("premultiplied", "foreground", "matte", "hint", "checker")

Pixels = NDArray[np.float32]
Corners = tuple[int, int, int, int]


class Box(ctypes.Structure):
    """ck_box."""

    _fields_ = [(name, ctypes.c_int) for name in ("x1", "y1", "x2", "y2")]


class Image(ctypes.Structure):
    """ck_image."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("row_bytes", ctypes.c_ssize_t),
        ("bounds", Box),
        ("channels", ctypes.c_int),
    ]


class Checker(ctypes.Structure):
    """ck_checker."""

    _fields_ = [("even", ctypes.c_float), ("odd", ctypes.c_float), ("square", ctypes.c_int)]


@dataclass(frozen=True)
class HostImage:
    """An image as hosts have them: [height, width, channels] from the bottom up, in memory with padding around."""

    pixels: Pixels
    memory: Pixels
    corner: tuple[int, int]
    upside_down: bool

    @property
    def bounds(self) -> Corners:
        """The image's bounds: x1, y1, x2, y2."""
        (x, y), (height, width) = self.corner, self.pixels.shape[:2]
        return x, y, x + width, y + height

    @property
    def c(self) -> Image:
        """The ck_image."""
        return Image(self.pixels.ctypes.data, self.pixels.strides[0], Box(*self.bounds), self.pixels.shape[2])

    def window(self, x1: int, y1: int, x2: int, y2: int) -> Pixels:
        """Return the pixels of a box, 0 outside the image."""
        shown = np.zeros((y2 - y1, x2 - x1, self.pixels.shape[2]), np.float32)
        left, bottom, right, top = self.bounds
        for y in range(max(y1, bottom), min(y2, top)):
            for x in range(max(x1, left), min(x2, right)):
                shown[y - y1, x - x1] = self.pixels[y - bottom, x - left]
        return shown

    def padding_is_whole(self) -> bool:
        """Whether nothing was written beside the pixels."""
        _, width, channels = self.pixels.shape
        border = self.memory.copy()
        border[1:-1, channels : channels * (1 + width)] = CANARY
        return bool((border == CANARY).all())


def host_image(content: Pixels, corner: tuple[int, int] = (0, 0), upside_down: bool = False) -> HostImage:
    """Return an image of `content` [height, width, channels] whose first pixel is at `corner`."""
    height, width, channels = content.shape
    memory = np.full((height + 2, (width + 2) * channels + 1), CANARY, np.float32)
    inner = memory[1:-1, channels : channels * (1 + width)]
    pixels = np.lib.stride_tricks.as_strided(
        inner, (height, width, channels), (inner.strides[0], 4 * channels, 4), writeable=True
    )
    pixels = pixels[::-1] if upside_down else pixels
    pixels[:] = content
    return HostImage(pixels, memory, corner, upside_down)


def noise(height: int, width: int, channels: int, odd: bool = True) -> Pixels:
    """Return pixels below 0 and above 1, with a few that are odd."""
    random = np.random.default_rng(height * 1000 + width * 10 + channels)
    values = random.normal(0.5, 1, (height, width, channels)).astype(np.float32)
    if odd:
        values[random.random(values.shape) < 0.2] = 0
        np.putmask(values, random.random(values.shape) < 0.2, random.choice(ODD_VALUES, values.shape))
    return values


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The code, as the plug-in has it."""
    return build(tmp_path_factory.mktemp("pixels"))


def build(folder: Path, *flags: str) -> ctypes.CDLL:
    """Compile the code with `flags`."""
    source = native.BRIDGE / "plugin" / "pixels.c"
    library = ctypes.CDLL(str(native.compile_c([source], folder / "pixels.so", "-shared", "-fPIC", *flags)))
    library.ck_box_intersect.restype = Box
    library.ck_box_intersect.argtypes = [Box, Box]
    library.ck_box_is_empty.argtypes = [Box]
    library.ck_checker_make.restype = Checker
    library.ck_hint_resolve.argtypes = [ctypes.c_void_p, Box, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    library.ck_stream.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    library.ck_clear.argtypes = [ctypes.c_void_p, Box]
    library.ck_image_cut.argtypes = [ctypes.c_void_p, Box]
    return library


def at(array: Pixels) -> ctypes.c_void_p:
    """Return where an array is."""
    return ctypes.c_void_p(array.ctypes.data)


def guarded(count: int) -> tuple[Pixels, Pixels]:
    """Return `count` floats to be written, and them with one more on either side that must not be."""
    memory = np.full(count + 2, CANARY, np.float32)
    return memory[1:-1], memory


def read_rows(code: ctypes.CDLL, image: Image, box: Corners) -> Pixels:
    """Return what ck_read_row reads of a box: [height, width, 4]."""
    x1, y1, x2, y2 = box
    rows = []
    for y in range(y1, y2):
        row, memory = guarded(4 * (x2 - x1))
        code.ck_read_row(ctypes.byref(image), y, x1, x2, at(row))
        assert memory[0] == memory[-1] == CANARY
        rows.append(row.reshape(-1, 4))
    return np.array(rows, np.float32).reshape(y2 - y1, x2 - x1, 4)


def read_channel(code: ctypes.CDLL, image: HostImage, box: Corners, wanted: str, step: int = 1) -> Pixels:
    """Return what a client takes as hint from a box: [height, width]."""
    x1, y1, x2, y2 = box
    channel = code.ck_hint_resolve(ctypes.byref(image.c), Box(*box), HINT_CHANNELS.index(wanted), None, None)
    rows = []
    for y in range(y1, y2):
        row, memory = guarded(step * (x2 - x1))
        code.ck_read_channel(ctypes.byref(image.c), y, x1, x2, channel, at(row), step)
        spaces = np.delete(row, np.s_[::step]) if step > 1 else row[:0]
        assert memory[0] == memory[-1] == CANARY
        assert (spaces == CANARY).all()
        rows.append(row[::step])
    return np.array(rows, np.float32).reshape(y2 - y1, x2 - x1)


def same_bits(one: Pixels, other: Pixels) -> bool:
    """Whether two arrays agree to the last bit; one NaN is as good as another."""
    alike = one.view(np.uint32) == other.view(np.uint32)
    return one.shape == other.shape and bool((alike | (np.isnan(one) & np.isnan(other))).all())


def as_rgba(window: Pixels, inside: Pixels) -> Pixels:
    """Return a window of 1, 3 or 4 channels as RGBA; `inside`: 1 where the image is."""
    if window.shape[2] == 4:
        return window
    if window.shape[2] == 3:
        return np.concatenate([window, inside], axis=2)
    return np.concatenate([np.zeros((*window.shape[:2], 3), np.float32), window], axis=2)


sides = st.integers(1, 9)
corners = st.tuples(st.integers(-7, 7), st.integers(-7, 7))
boxes = st.tuples(st.integers(-12, 12), st.integers(-12, 12), st.integers(0, 20), st.integers(0, 20)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
images = st.builds(
    lambda height, width, channels, corner, upside_down: host_image(
        noise(height, width, channels), corner, upside_down
    ),
    sides,
    sides,
    st.sampled_from([1, 3, 4]),
    corners,
    st.booleans(),
)


@given(one=boxes, other=boxes)
def test_boxes_meet_where_they_have_pixels_in_common(code: ctypes.CDLL, one: Corners, other: Corners) -> None:
    """The common box holds the pixels that are in both; without any it is all 0 and empty."""
    both = code.ck_box_intersect(Box(*one), Box(*other))
    found = both.x1, both.y1, both.x2, both.y2

    def pixels(box: Corners) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}

    assert pixels(found) == pixels(one) & pixels(other)
    assert bool(code.ck_box_is_empty(both)) == (found == (0, 0, 0, 0))


@given(image=images, box=boxes)
def test_rows_are_read_and_0_outside(code: ctypes.CDLL, image: HostImage, box: Corners) -> None:
    """Wherever a window lies, it holds the image's bits where that is, and 0 elsewhere; nothing else is touched."""
    there = host_image(np.ones((*image.pixels.shape[:2], 1), np.float32), image.corner)
    assert same_bits(read_rows(code, image.c, box), as_rgba(image.window(*box), there.window(*box)))
    assert image.padding_is_whole()


@given(image=images, cut=boxes, box=boxes)
def test_what_is_cut_off_an_image_is_0(code: ctypes.CDLL, image: HostImage, cut: Corners, box: Corners) -> None:
    """Within the box an image keeps its bits, and it is read as if it ended there; its memory stays as it is."""
    before = image.memory.copy()
    left = host_image(np.ones((cut[3] - cut[1], cut[2] - cut[0], 1), np.float32), cut[:2]).window(*box) == 1
    there = host_image(np.ones((*image.pixels.shape[:2], 1), np.float32), image.corner).window(*box)
    expected = np.where(left, as_rgba(image.window(*box), there), np.float32(0))
    kept = image.c
    code.ck_image_cut(ctypes.byref(kept), Box(*cut))
    assert same_bits(read_rows(code, kept, box), expected)
    assert same_bits(image.memory, before)


@given(image=images, box=boxes)
def test_rows_are_written_inside_only(code: ctypes.CDLL, image: HostImage, box: Corners) -> None:
    """An image takes the channels that it has from a row, where it is; all else stays."""
    x1, y1, x2, y2 = box
    before, rows = image.pixels.copy(), noise(max(y2 - y1, 1), max(x2 - x1, 1), 4)
    for y in range(y1, y2):
        code.ck_write_row(ctypes.byref(image.c), y, x1, x2, at(np.ascontiguousarray(rows[y - y1])))
    code.ck_stream_end()
    picture = host_image(rows[: y2 - y1, : x2 - x1] if y2 > y1 and x2 > x1 else rows, (x1, y1))
    written = picture.window(*image.bounds)[..., {1: [3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[before.shape[2]]]
    inside = host_image(np.ones((y2 - y1, x2 - x1, 1), np.float32), (x1, y1)).window(*image.bounds)
    assert same_bits(image.pixels.copy(), np.where(inside == 1, written, before))
    assert image.padding_is_whole()


@given(image=images, box=boxes)
def test_what_is_cleared_is_transparent_black(code: ctypes.CDLL, image: HostImage, box: Corners) -> None:
    """The window's part of an image is 0 in every channel afterwards, and all else as it was."""
    before = image.pixels.copy()
    code.ck_clear(ctypes.byref(image.c), Box(*box))
    x1, y1, x2, y2 = box
    inside = host_image(np.ones((y2 - y1, x2 - x1, 1), np.float32), (x1, y1)).window(*image.bounds)
    assert same_bits(image.pixels.copy(), np.where(inside == 1, np.float32(0), before))
    assert image.padding_is_whole()


@pytest.mark.parametrize("limits", [(-(2**31), 2**31 - 1), (2**31 - 9, 2**31 - 1), (-(2**31), -(2**31) + 8)])
def test_bounds_of_any_size_are_read(code: ctypes.CDLL, limits: tuple[int, int]) -> None:
    """An image with bounds at the ends of an int does not make the arithmetic overflow: elsewhere it is 0."""
    line = np.zeros((1, 8, 4), np.float32)
    image = Image(line.ctypes.data, 128, Box(limits[0], 5, limits[1], 6), 4)
    row = np.ones(16, np.float32)
    code.ck_read_row(ctypes.byref(image), 4, -2, 2, at(row))
    assert (row == 0).all()


@pytest.mark.parametrize("width", [0, 1, 2, 3, 4, 5, 7, 64, 67])
def test_unpremultiplied_rows(code: ctypes.CDLL, width: int) -> None:
    """Colour is divided by alpha in float32 where alpha is neither 0 nor 1; alpha stays."""
    rows, memory = guarded(4 * width)
    given_rows = noise(1, max(width, 1), 4)[0, :width]
    given_rows[: width // 2, 3] = np.resize(np.array([0, 1, 0.5, -0.0], np.float32), width // 2)
    rows[:] = given_rows.ravel()
    code.ck_unpremultiply_row(at(rows), width)
    alpha = given_rows[:, 3:]
    with np.errstate(all="ignore"):
        expected = np.where((alpha == 0) | (alpha == 1), given_rows[:, :3], given_rows[:, :3] / alpha)
    assert same_bits(rows.reshape(-1, 4), np.concatenate([expected, alpha], axis=1))
    assert memory[0] == memory[-1] == CANARY


@settings(max_examples=200)
@given(image=images, box=boxes.filter(lambda box: box[2] > box[0] and box[3] > box[1]), step=st.integers(1, 5))
@pytest.mark.parametrize("wanted", HINT_CHANNELS)
def test_hints_are_those_that_python_chooses(
    code: ctypes.CDLL, image: HostImage, box: Corners, step: int, wanted: str
) -> None:
    """Of any image and any window the hint is, bit for bit, the channel that select_channel takes of that picture."""
    if wanted == "alpha" and image.pixels.shape[2] == 3:
        return
    with np.errstate(all="ignore"):
        expected, _ = select_channel(image.window(*box), wanted)
    assert same_bits(read_channel(code, image, box, wanted, step), np.ascontiguousarray(expected))


def opaque_matte() -> Pixels:
    """A matte as a painting program saves it: grey, and opaque."""
    return np.concatenate([np.repeat(noise(5, 7, 1, odd=False), 3, axis=2), np.ones((5, 7, 1), np.float32)], axis=2)


def spoiled(change: Callable[[Pixels], None]) -> Pixels:
    """Return an opaque matte after a change."""
    picture = opaque_matte()
    change(picture)
    return picture


def put(channel: int | slice, value: float) -> Callable[[Pixels], None]:
    """Return what changes one pixel in the last row."""

    def change(picture: Pixels) -> None:
        picture[-1, -1, channel] = value

    return change


@pytest.mark.parametrize(
    ("picture", "box"),
    [
        (opaque_matte(), (0, 0, 7, 5)),
        (opaque_matte(), (2, 1, 6, 4)),
        (opaque_matte(), (-1, 0, 7, 5)),
        (opaque_matte(), (0, 0, 7, 6)),
        (opaque_matte(), (20, 20, 22, 22)),
        (spoiled(put(1, 0.123)), (0, 0, 7, 5)),
        (spoiled(put(2, 0.123)), (0, 0, 7, 5)),
        (spoiled(put(2, 0.123)), (0, 0, 6, 5)),
        (spoiled(put(3, 0.999)), (0, 0, 7, 5)),
        (spoiled(put(3, np.nan)), (0, 0, 7, 5)),
        (spoiled(put(slice(0, 3), np.nan)), (0, 0, 7, 5)),
        (np.ones((5, 7, 4), np.float32), (0, 0, 7, 5)),
        (spoiled(lambda picture: picture[..., :3].fill(1.0)), (0, 0, 7, 5)),
        (np.zeros((5, 7, 4), np.float32), (0, 0, 7, 5)),
    ],
)
def test_opaque_mattes_are_found_as_python_finds_them(code: ctypes.CDLL, picture: Pixels, box: Corners) -> None:
    """Grey with a solid alpha is the matte, unless it is white all over or the window sticks out of it."""
    image = host_image(picture)
    expected, _ = select_channel(image.window(*box), "auto")
    assert same_bits(read_channel(code, image, box, "auto"), np.ascontiguousarray(expected))


def test_alpha_of_a_picture_without_one_is_1(code: ctypes.CDLL) -> None:
    """Whoever asks for it anyway gets 1 where the image is, as in a row that is read."""
    image = host_image(noise(3, 4, 3))
    expected = np.pad(np.ones((3, 4), np.float32), 1)
    assert same_bits(read_channel(code, image, (-1, -1, 5, 4), "alpha"), expected)


def test_the_search_can_be_interrupted(code: ctypes.CDLL) -> None:
    """The caller is asked before each row of the search, and ends it."""
    picture, asked = host_image(opaque_matte()), []

    def interrupted(state: int) -> int:
        asked.append(state)
        return len(asked) == 3

    asks = INTERRUPTED(interrupted)
    call = ctypes.cast(asks, ctypes.c_void_p)
    found = code.ck_hint_resolve(ctypes.byref(picture.c), Box(0, 0, 7, 5), 0, call, ctypes.c_void_p(99))
    assert asked == [99, 99, 99]
    assert HINT_CHANNELS[found] == "alpha"


def compose(code: ctypes.CDLL, output: str, keyed: Pixels, hint: Pixels, linear: bool, left: int = 0) -> Pixels:
    """Return what ck_compose_row shows of [height, width, 4] from the pixel `left` on."""
    checker = code.ck_checker_make(keyed.shape[1], linear)
    rows = []
    for top, (line, grey) in enumerate(zip(keyed[:, left:], hint[:, left:], strict=True)):
        row, memory = guarded(line.size)
        code.ck_compose_row(
            OUTPUTS.index(output),
            at(np.ascontiguousarray(line)),
            at(np.ascontiguousarray(grey)) if output == "hint" else None,
            len(line),
            left,
            top,
            ctypes.byref(checker),
            at(row),
        )
        assert memory[0] == memory[-1] == CANARY
        rows.append(row.reshape(-1, 4))
    return np.array(rows)


def expect(output: str, keyed: Pixels, hint: Pixels) -> Pixels:
    """Return what an output shows, in numpy."""
    foreground, matte = keyed[..., :3], keyed[..., 3:]
    one = np.ones_like(matte)
    with np.errstate(all="ignore"):
        shown = {
            "premultiplied": [foreground * matte, matte],
            "foreground": [foreground, matte],
            "matte": [matte, matte, matte, one],
            "hint": [hint[..., None]] * 3 + [one],
        }[output]
    return np.concatenate(shown, axis=2)


def test_choices_are_in_the_order_of_the_table() -> None:
    """The enums of pixels.h list the words of the parameter table, which are permanent."""
    choices = {param.name: param.choices for param in PARAMS}
    assert choices["hint_channel"] == HINT_CHANNELS
    assert choices["output"] == (*OUTPUTS, "plate")


@pytest.mark.parametrize("output", ["premultiplied", "foreground", "matte", "hint"])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 67])
def test_outputs_are_numpys_to_the_last_bit(code: ctypes.CDLL, output: str, width: int) -> None:
    """Each output is made of the foreground and the matte as numpy makes it, whatever the values."""
    keyed, hint = noise(3, width, 4), noise(3, width, 1)[..., 0]
    assert same_bits(compose(code, output, keyed, hint, linear=True), expect(output, keyed, hint))


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize(("width", "left"), [(1, 0), (131, 0), (131, 17), (390, 5)])
def test_the_checkerboard_is_that_of_previews(code: ctypes.CDLL, width: int, left: int, linear: bool) -> None:
    """Over black, half and solid mattes it shows what view.py shows, encoded as the foreground is; it is opaque."""
    keyed = np.abs(noise(30, width, 4, odd=False)).clip(0, 1)
    keyed[..., 3] = np.resize(np.array([0, 0, 0.5, 1], np.float32), width)
    shown = compose(code, "checker", keyed, keyed[..., 3], linear, left)
    foreground, matte = keyed[..., :3], keyed[..., 3]
    params = Params(working_space="linear_rec709", output="checker")
    behind = preview(Keyed(np.zeros_like(foreground), np.zeros_like(matte), None), foreground, params)[..., :1]
    greys = color.srgb_decode(behind) if linear else behind
    expected = foreground * matte[..., None] + greys * (1 - matte[..., None])
    np.testing.assert_allclose(shown[..., :3], expected[:, left:], atol=3e-7)
    assert (shown[..., 3] == 1).all()


@given(width=st.integers(1, 32768))
def test_squares_of_the_checkerboard(code: ctypes.CDLL, width: int) -> None:
    """Squares are 64 pixels at a width of 1920, rounded as Python rounds, and never below 4; the greys are exact."""
    for linear in (False, True):
        checker = code.ck_checker_make(width, linear)
        greys = np.array([0.15, 0.55], np.float32)
        assert checker.square == max(4, round(64 * width / 1920))
        expected = color.srgb_decode(greys) if linear else greys
        np.testing.assert_allclose([checker.even, checker.odd], expected, rtol=0, atol=1e-7)


@given(size=st.integers(0, 6000), to=st.integers(0, 70), start=st.integers(0, 70))
def test_streaming_copies_exactly(code: ctypes.CDLL, size: int, to: int, start: int) -> None:
    """Any number of bytes from anywhere to anywhere arrives, and nothing beside it is touched."""
    source = np.resize(np.arange(251, dtype=np.uint8), 6100)
    target = np.full(6200, 255, np.uint8)
    code.ck_stream(target.ctypes.data + to, source.ctypes.data + start, size)
    code.ck_stream_end()
    assert (target[to : to + size] == source[start : start + size]).all()
    assert (target[:to] == 255).all()
    assert (target[to + size :] == 255).all()


@pytest.mark.parametrize("flags", [("-O3",), ("-O3", "-march=native", "-ffp-contract=off")])
def test_every_build_gives_the_same_bits(tmp_path_factory: pytest.TempPathFactory, flags: tuple[str, ...]) -> None:
    """A build for another machine, one that could fuse products and sums, sums luminance and colours alike."""
    built = build(tmp_path_factory.mktemp("built"), *flags)
    image, keyed = host_image(noise(9, 301, 3)), noise(9, 301, 4)
    with np.errstate(all="ignore"):
        expected, _ = select_channel(image.pixels.copy(), "luminance")
    assert same_bits(read_channel(built, image, image.bounds, "luminance"), expected)
    premultiplied = compose(built, "premultiplied", keyed, keyed[..., 3], linear=True)
    assert same_bits(premultiplied, expect("premultiplied", keyed, keyed[..., 3]))
