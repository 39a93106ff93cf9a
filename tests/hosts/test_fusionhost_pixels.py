"""Images and workers of the fake Fusion: the same pixels in every kind, and none that may not be touched."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fusionhost import (
    BROKEN_WORKERS,
    DECEPTIVE_SCAN_LINES,
    KINDS,
    NO_FFI,
    NO_WORKER_FFI,
    POINTER,
    POISON,
    REQUIRE_FFI,
    SCAN_LINES,
    TABLE,
    Fusion,
    Kind,
    Picture,
)
from small_fuse import BEGIN, COPY, GOOD, PRECALC, PROMISE, SET, SMALL, WORK, Write, faults, inverted, shown


@pytest.mark.parametrize(
    "kind", [*(one for one in KINDS if one.worker_ffi != "broken"), NO_FFI], ids=lambda one: one.label
)
def test_good_fuse(write: Write, plate: NDArray[np.float32], kind: Kind) -> None:
    """A fuse that does all right gives the same pixels at every output in every kind whose workers have PixPtr."""
    with Fusion(kind, write().parent) as fusion:
        tool = fusion.create(write())
        tool.set("Amount", 0.5)
        result = tool.process({"Input": Picture(plate)})
        assert result.error is None
        for output in result.outputs.values():
            np.testing.assert_array_equal(output, inverted(plate, 0.5))
        assert fusion.faults == []


@pytest.mark.parametrize("kind", [POINTER, TABLE], ids=lambda one: one.label)
@pytest.mark.parametrize("shape", [(6, 9, 4), (6, 9)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_depths(write: Write, plate: NDArray[np.float32], dtype: type, shape: tuple[int, ...], kind: Kind) -> None:
    """Pixels of every depth read as parts of one in float32, an image without color as alpha, by PixPtr and by Crop."""
    most = 1.0 if np.issubdtype(dtype, np.floating) else float(np.iinfo(dtype).max)
    pixels = (np.abs(plate[tuple(slice(size) for size in shape)] if len(shape) == 3 else plate[:, :, 0]) * 40).astype(
        dtype
    )
    values = pixels.astype(np.float32) / np.float32(most)
    want = values if values.ndim == 3 else np.stack([0 * values] * 3 + [values], axis=2)
    np.testing.assert_array_equal(shown(write(Process=GOOD), Picture(pixels), kind), inverted(want))
    np.testing.assert_array_equal(shown(write(Process=BEGIN + COPY + SET), Picture(pixels), kind), want)


@pytest.mark.parametrize("depth", range(1, 9))
def test_writes_convert(write: Write, plate: NDArray[np.float32], depth: int) -> None:
    """PixPtr and Crop store floats alike in images of every depth."""
    plate[0, 0] = [np.nan, np.inf, -np.inf, np.nan]
    like = {"IMDP_128bitFloat": str(depth)}
    promise = PRECALC.replace(*like.popitem())
    results = []
    for work in (WORK.replace("amount - pixel.R", "pixel.R"), COPY):
        begin = BEGIN.replace("IMDP_128bitFloat", str(depth))
        results.append(shown(write(PreCalcProcess=promise, Process=begin + work + SET), Picture(plate)))
    np.testing.assert_array_equal(*results)
    assert not np.array_equal(results[0], np.full_like(plate, POISON))


def test_bottom_up(write: Write, plate: NDArray[np.float32]) -> None:
    """Pixel 0, 0 is the lower left one, for GetPixel, SetPixel and PixPtr; what nobody writes is poison."""
    process = BEGIN + "at:GotoXY(1, 0)\n at:GetNextPixel(one)\n new:SetPixel(2, 0, one)\n"
    process += "image:GetPixel(3, 5, one)\n new:SetPixel(0, 5, one)" + SET
    want = np.full_like(plate, POISON)
    want[5, 2], want[0, 0] = plate[5, 1], plate[0, 3]
    np.testing.assert_array_equal(shown(write(Process=process), Picture(plate)), want)


@pytest.mark.parametrize("kind", [POINTER, TABLE], ids=lambda one: one.label)
@pytest.mark.parametrize(
    ("act", "fault"),
    [
        ("at:GotoXY(0, 4)\n at:GetNextPixel(one)", "outside the data window"),
        ("at:GotoXY(-1, 0)\n at:GetNextPixel(one)", "outside the data window"),
        ("new:SetPixel(0, -1, one)", "outside the data window"),
        ("image:GetPixel(5, 0, one)", "past the end of its row"),
        ("at:GotoXY(4, 0)\n at:NextPixel()\n at:GetNextPixel(one)", "past the end of its row"),
        ("at:GetNextPixel(one)", "before GotoXY"),
        ("at:GotoXY(0, 0)\n pcall(at.GetNextPixel, at, nil)", "without a Pixel"),
        ("at:GotoXY(0, 0)\n at:SetNextPixel(one)", "an input image was written"),
        (f"local none = {PROMISE}\n none:GetPixel(0, 0, one)", "an image without data was touched"),
        ("if kept then kept:GetPixel(0, 0, one) end\n kept = image", "was freed was touched"),
        ("Out:Set(req, new)\n new:SetPixel(0, 0, one)", "written after it was set"),
    ],
)
def test_pixel_misdeeds(write: Write, act: str, fault: str, kind: Kind) -> None:
    """A pixel that may not be touched is not, whoever tries: that is a fault, and no crash."""
    path = write(Process=f"{BEGIN}{act}{SET}")
    found = faults(path, lambda tool: tool.process(SMALL), kind)
    assert fault in found


def test_data_window(write: Write, plate: NDArray[np.float32]) -> None:
    """An image has only the pixels in its data window, and so has one that is like it; an output shows 0 for others."""
    picture = Picture(plate, data_window=(2, 1, 5, 4))
    window = BEGIN + "local box = image.DataWindow\n new:SetPixel(box.left, box.bottom, one)" + SET
    result = shown(write(Process=window), picture)
    assert np.argwhere(result[..., 0] == 0).shape[0] == plate[..., 0].size - 9 + 1
    with Fusion(POINTER, write().parent) as fusion:
        fusion.create(write()).process({"Input": picture})
        assert "outside the data window" in fusion.take_faults()[0]
    whole = "local whole = { IMG_Like = image, IMG_Depth = 8, IMG_DataWindow = image.ImageWindow"
    promise = (
        f"local image = In:GetValue(req)\n{whole}, IMG_NoData = true }}\n for _, out in ipairs({{ Other, Out }}) do"
    )
    promise += " out:Set(req, Image(whole)) end"
    path = write(PreCalcProcess=promise, Process=f"{BEGIN}{whole} }}\n new = Image(whole)\n{COPY}{SET}")
    want = np.zeros_like(plate)
    want[2:5, 2:5] = plate[2:5, 2:5]
    np.testing.assert_array_equal(shown(path, picture), want)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (POINTER, "cdata nil"),
        (REQUIRE_FFI, "nil cdata"),
        (NO_WORKER_FFI, "nil nil"),
        (BROKEN_WORKERS, "cdata nil no PixPtr"),
    ],
    ids=lambda one: getattr(one, "label", None),
)
def test_worker_ffi(write: Write, kind: Kind, found: str) -> None:
    """Kinds differ in how a worker finds FFI, and in whether PixPtr works there."""
    tell = """self:DoMultiProcess(nil, { picture = image }, 1, function()
        local direct = ffi and type(ffi.new("int")) or "nil"
        local module = require and type(require("ffi").new("int")) or "nil"
        print(direct .. " " .. module .. (pcall(PixPtr, picture, Pixel()) and "" or " no PixPtr"))
    end)"""
    path = write(Process=BEGIN + tell + SET)
    with Fusion(kind, path.parent) as fusion:
        assert fusion.create(path).process(SMALL).lines == [found]


def test_worker_errors(write: Write, plate: NDArray[np.float32]) -> None:
    """A row whose function raises is not done, the others are, and the console has the error once."""
    path = write(Process=GOOD.replace("to:GotoXY", "assert(y ~= 2 and y ~= 3, 'no row')\n to:GotoXY"))
    with Fusion(POINTER, path.parent) as fusion:
        result = fusion.create(path).process({"Input": Picture(plate)})
        want = inverted(plate)
        want[2:4] = POISON
        np.testing.assert_array_equal(result.outputs["Output"], want)
        assert [line.rpartition(": ")[2] for line in result.lines] == ["no row"]


def test_workers_at_once(write: Write) -> None:
    """Workers run at the same time, each with its own globals, which a later call does not have any more."""
    meet = """local meeting = ffi.new("volatile int[2]")
    local where = tonumber(ffi.cast("uintptr_t", ffi.cast("void *", meeting)))
    self:DoMultiProcess(function() mine = ffi.cast("volatile int *", address) end, { address = where }, 2, function(i)
        mine[i] = 1
        local before = os.clock()
        while mine[1 - i] == 0 do assert(os.clock() - before < 20, "alone") end
        mine = nil
    end)
    self:DoMultiProcess(nil, {}, 2, function() assert(not pcall(function() return mine end)) end)"""
    path = write(Process=BEGIN + meet + SET)
    with Fusion(POINTER, path.parent) as fusion:
        result = fusion.create(path).process(SMALL)
        assert (result.error, result.lines) == (None, [])


@pytest.mark.parametrize("kind", [*SCAN_LINES, *DECEPTIVE_SCAN_LINES], ids=lambda one: one.label)
def test_scan_lines(write: Write, plate: NDArray[np.float32], kind: Kind) -> None:
    """GetScanLine leads to what its kind says, and the picture is the same for PixPtr."""
    np.testing.assert_array_equal(shown(write(), Picture(plate), kind), inverted(plate))
    first = "ffi.cast('float **', a)[0][0]" if kind.scan_lines == "rows" else "ffi.cast('float *', a)[0]"
    probe = f"local a = image:GetScanLine()\n print(tostring(ffi.typeof(a)), {first})"
    path = write(Process=BEGIN + probe + SET)
    with Fusion(kind, path.parent) as fusion:
        result = fusion.create(path).process({"Input": Picture(plate)})
        assert result.error is None
        text, value = result.lines[0].split("\t")
        assert text == ("ctype<unsigned char **>" if kind.scan_lines == "rows" else "ctype<unsigned char *>")
        other = np.frombuffer(b"\xa5" * 4, np.float32)[0]
        wrong = {"top_down": plate[0, 0, 0], "wrong": 0.0, "wrong_inputs": other}
        want = wrong.get(kind.scan_lines, plate[-1, 0, 0])
        assert float(value) == pytest.approx(want, rel=1e-6)


def test_a_copy_of_the_pixels(write: Write, plate: NDArray[np.float32]) -> None:
    """What is written to the copy that GetScanLine gives is not in the image, and the next one does not have it."""
    look = """local function first() return ffi.cast("float *", new:GetScanLine()) end
    first()[0] = 3
    print(first()[0])
    one.R, one.G, one.B, one.A = 5, 6, 7, 8
    new:SetPixel(0, 0, one)
    print(first()[0])"""
    path = write(Process=BEGIN + look + SET)
    with Fusion(replace(POINTER, scan_lines="copy"), path.parent) as fusion:
        result = fusion.create(path).process({"Input": Picture(plate)})
        assert result.lines == [str(POISON), "5"]
        output = result.outputs["Output"]
        assert output is not None
        assert output[-1, 0].tolist() == [5, 6, 7, 8]


def test_rows_are_padded_in_large_images(write: Write) -> None:
    """What a small image shows does not hold for a larger one."""
    second = "ffi.cast('float *', image:GetScanLine())[4 * image.Width]"
    path = write(Process=f"{BEGIN} print({second}) {SET}")
    with Fusion(replace(POINTER, scan_lines="padded_large"), path.parent) as fusion:
        tool = fusion.create(path)
        for width, follows in ((8, True), (9, False)):
            pixels = np.zeros((2, width, 4), np.float32)
            pixels[0] = 0.5  # the upper row
            assert (tool.process({"Input": Picture(pixels)}).lines == ["0.5"]) == follows


def test_a_freed_image_has_no_scan_lines(write: Write) -> None:
    """An image of an earlier call leads nowhere."""
    act = "if kept then kept:GetScanLine() end\n kept = image"
    path = write(Process=BEGIN + act + SET)
    kind = replace(POINTER, scan_lines="bottom_up")
    assert "GetScanLine of an image that was freed" in faults(path, lambda tool: tool.process(SMALL), kind)


@pytest.mark.parametrize(("parts", "runs"), [("once", [1] * 9), ("twice", [2] * 9), ("lost", [1] * 6 + [0, 1, 1])])
def test_parts(write: Write, parts: str, runs: list[int]) -> None:
    """Kinds differ in what becomes of the parts of a job."""
    path = write(Process=BEGIN + "self:DoMultiProcess(nil, {}, 9, function(i) print(i) end)" + SET)
    with Fusion(replace(POINTER, parts=parts), path.parent) as fusion:
        result = fusion.create(path).process(SMALL)
        assert [result.lines.count(str(index)) for index in range(9)] == runs
        assert result.jobs == 1


def test_no_scan_lines(write: Write) -> None:
    """A host without GetScanLine may be asked for it; what else an image has not is an error."""
    path = write(Process=BEGIN + "print(image.GetScanLine, (pcall(function() return image.Getscanline end)))" + SET)
    with Fusion(POINTER, path.parent) as fusion:
        lines = fusion.create(path).process(SMALL).lines
        assert lines == ["nil\tfalse"]


@pytest.mark.parametrize("layout", ["bottom_up", "padded"])
def test_stray_write(write: Write, layout: str) -> None:
    """A write past an image, or between its rows, is seen."""
    stray = "ffi.cast('float *', new:GetScanLine())[image.Width * 4 * %s] = 1"
    path = write(Process=BEGIN + stray % ("1" if layout == "padded" else "image.Height") + SET)
    assert "memory around an image was written" in faults(path, kind=replace(POINTER, scan_lines=layout))


def test_init(write: Write) -> None:
    """The first function runs once in each worker; one that raises leaves that worker's parts undone."""
    begin = "self:DoMultiProcess(function() print('begun') end, {}, 5, function(i) print('part') end)"
    fail = "self:DoMultiProcess(function() error('no') end, {}, 5, function(i) print('part') end)"
    path = write(Process=BEGIN + begin + fail + SET)
    with Fusion(replace(POINTER, workers=3), path.parent) as fusion:
        lines = fusion.create(path).process(SMALL).lines
        assert sorted(lines[:-1]) == ["begun"] * 3 + ["part"] * 5
        assert lines[-1].endswith("no")
