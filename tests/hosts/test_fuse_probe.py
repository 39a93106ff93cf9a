"""The probe for volunteers: it prints one block a press in every kind of Fusion, and is a wire otherwise."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusionhost import (
    APP_STORE,
    BROKEN_WORKERS,
    KINDS,
    NO_FFI,
    NO_WORKER_FFI,
    ONE_BASED,
    POINTER,
    SCAN_LINES,
    Fusion,
    Kind,
    Picture,
    Tool,
)
from fusionhost.images import Image
from fusionhost.workers import Workers

BEGIN, END = "==== CorridorKey probe begins ====", "==== CorridorKey probe ends ===="
OUTPUTS = ("Output", "Second", "Third")


@pytest.fixture(scope="module")
def probe(root: Path) -> Path:
    """The probe's file."""
    return root / "resolve_fuse" / "CorridorKeyProbe.fuse"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Fusion]:
    """The kind of host that has everything, and no module of ours."""
    with Fusion(POINTER, modules=tmp_path) as fusion:
        yield fusion


def plate(dtype: Any = np.float32) -> Picture:
    """Return a picture in which no two pixels are the same."""
    ramp = np.linspace(0, 1, 24 * 17 * 4).reshape(17, 24, 4)
    most = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return Picture((ramp * most).astype(dtype))


def block_of(lines: list[str]) -> list[str]:
    """Return the lines between the two marks, which are there once, at both ends."""
    assert (lines.count(BEGIN), lines.count(END)) == (1, 1)
    assert (lines[0], lines[-1]) == (BEGIN, END)
    return lines[1:-1]


def answer(block: list[str], question: str) -> str:
    """Return what the block says to the one line that begins so."""
    (said,) = [line.removeprefix(f"{question}: ") for line in block if line.startswith(f"{question}: ")]
    return said


def part_of(block: list[str], name: str) -> list[str]:
    """Return the part of the block that begins with this name."""
    start = block.index(f"-- {name}") + 1
    after = (at for at in range(start, len(block)) if block[at].startswith("-- "))
    return block[start : next(after, len(block))]


def ask(tool: Tool, **pictures: Picture | None) -> list[str]:
    """Press the button, let the tool render, and return the block; None is wired and has no image."""
    tool.press("RunProbe")
    result = tool.process({"Input": plate(), **pictures})
    assert result.error is None
    return block_of(result.lines)


def test_loading_it_does_nothing(host: Fusion, probe: Path) -> None:
    """Registering touches nothing of the host, and a tool that was only made has printed nothing."""
    assert host.register(probe)["id"] == "CorridorKeyProbe"
    host.create(probe)
    assert not host.lines


def test_no_input_is_called_as_a_member(host: Fusion, probe: Path) -> None:
    """The label has another name than self.Status, which tells whether the frame is stopped."""
    inputs = host.create(probe).inputs
    assert "StatusLine" in inputs
    assert not inputs.keys() & {"Name", "Status", "Comp"}


@pytest.mark.parametrize("kind", [*KINDS, NO_FFI, APP_STORE], ids=lambda kind: kind.label)
def test_it_prints_one_block_a_press(kind: Kind, probe: Path, tmp_path: Path) -> None:
    """Frames before and after a press print nothing, and all three outputs are the input in any case."""
    with Fusion(kind, modules=tmp_path) as fusion:
        tool = fusion.create(probe)
        for is_pressed in (False, True, False):
            if is_pressed:
                tool.press("RunProbe")
            result = tool.process({"Input": plate()})
            assert result.error is None
            assert bool(result.lines) == is_pressed
            if is_pressed:
                assert answer(block_of(result.lines), "jit.version").startswith("LuaJIT 2.")
            for name in OUTPUTS:
                np.testing.assert_array_equal(result.outputs[name], plate().pixels)


def test_a_saved_press_is_none(host: Fusion, probe: Path) -> None:
    """A comp that was saved after a press prints nothing when it is loaded, and once when the button is pressed."""
    tool = host.create(probe)
    tool.set("Revision", 4711)
    assert not tool.process({"Input": plate()}).lines
    assert answer(ask(tool), "a global of NotifyChanged") == "true"


def test_a_press_is_seen_without_a_common_state(host: Fusion, probe: Path) -> None:
    """Where Process does not see what NotifyChanged assigned, the revision that it set tells of the press."""
    tool = host.create(probe)
    tool.process({"Input": plate()})
    tool.set("Revision", 4711)
    block = block_of(tool.process({"Input": plate()}).lines)
    assert answer(block, "a global of NotifyChanged") == "false"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_images_of_all_depths_pass(dtype: type, host: Fusion, probe: Path) -> None:
    """Pictures of any depth come out as they went in, in their data window, while the block is printed, too."""
    picture = plate(dtype)
    expected = np.zeros(picture.pixels.shape, np.float32)
    inside = picture.pixels[2:15, 3:20].astype(np.float32)
    expected[2:15, 3:20] = inside / (1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max)
    tool = host.create(probe)
    tool.press("RunProbe")
    result = tool.process({"Input": replace(picture, data_window=(3, 2, 20, 15))})
    assert (result.error, bool(block_of(result.lines))) == (None, True)
    for name in OUTPUTS:
        np.testing.assert_allclose(result.outputs[name], expected, atol=1e-7)


def test_it_reads_what_was_written(host: Fusion, probe: Path) -> None:
    """The block tells what a mask and images of each depth read as, and where the first row of a picture is."""
    pixels = np.zeros((17, 24), np.float32)
    pixels[-1, 0], pixels[8, 12] = 0.5, 0.25
    block = ask(host.create(probe), Hint=Picture(pixels))
    assert answer(block, "depth 5") == "R 0.25098 G 0.501961 B 0.74902 A 0.376471"
    assert answer(block, "depth 4") == "R 0 G 0 B 0 A 0.375"
    assert answer(block, "depth 8") == "R 0.25 G 0.5 B 0.75 A 0.375"
    assert [line for line in block if line.startswith("lowest left and middle pixel")][1].endswith(
        ": R 0 G 0 B 0 A 0.5, R 0 G 0 B 0 A 0.25"
    )


def test_it_tells_wired_inputs_from_others(host: Fusion, probe: Path) -> None:
    """An input that nothing leads to, one with an image and one that is over by now answer each in their way."""
    tool = host.create(probe)
    hint = part_of(ask(tool, Hint=plate()), "Hint")
    assert (answer(hint, "it:GetConnectedOutput()"), answer(hint, "GetValue")) == ("Output", "userdata Image")
    unwired = part_of(ask(tool), "Too Short")
    assert (answer(unwired, "it:GetConnectedOutput()"), answer(unwired, "GetValue")) == ("nil", "nil")
    over = part_of(ask(tool, TooShort=None), "Too Short")
    assert (answer(over, "it:GetConnectedOutput()"), answer(over, "GetValue")) == ("Output", "nil")


def test_it_reads_no_pixel_of_an_empty_image(host: Fusion, probe: Path) -> None:
    """An image whose data window is empty has no pixel that could be read."""
    block = ask(host.create(probe), TooShort=replace(plate(), data_window=(5, 5, 5, 5)))
    said = answer(part_of(block, "Too Short"), "lowest left and middle pixel of its data window")
    assert said == "none, its data window is empty"


@pytest.mark.parametrize("rendering", [False, True])
def test_it_tells_each_frame_if_told(rendering: bool, host: Fusion, probe: Path) -> None:
    """With the box ticked, frames tell in a line whether Fusion renders, in a comp where nobody pressed the button."""
    tool = host.create(probe)
    tool.set("TellEachFrame", 1)
    for frame in (7.0, 8.0):
        (line,) = tool.process({"Input": plate()}, frame, rendering=rendering).lines
        assert line.startswith(f"CorridorKey probe, frame {frame:g}: ")
        assert f'self.Comp:GetAttrs("COMPB_Rendering") {str(rendering).lower()}, ' in line


def test_it_counts_workers(probe: Path, tmp_path: Path) -> None:
    """The block tells how many states a host's workers have, and that an error there loses its row alone."""
    with Fusion(replace(POINTER, workers=3), modules=tmp_path) as fusion:
        block = ask(fusion.create(probe))
    assert answer(block, "how many") == "3 states; of 128 chunks 0 did not arrive; Process went on"
    assert answer(block, "indices of 4 calls") == "0 1 2 3"
    assert "8 questions, 8 answers" in block
    assert answer(block, "writes by address") == "128 of 128 numbers arrived, index 0 to 127"
    assert answer(block, "functions of one name") == "first second"
    assert answer(block, "a worker fails") == "Process went on, rows 0 1 3 4 5 6 7"


def test_it_stays_in_its_memory_where_parts_count_from_one(probe: Path, tmp_path: Path) -> None:
    """A host that counts parts of work from 1 is told as such; nothing is written past an image or the memory."""
    with Fusion(ONE_BASED, modules=tmp_path) as fusion:
        block = ask(fusion.create(probe))
    assert answer(block, "indices of 4 calls") == "1 2 3 4"
    assert answer(block, "writes by address") == "128 of 128 numbers arrived, index 1 to 128"
    assert answer(block, "functions of one name") == "first second"
    assert answer(block, "a worker fails") == "Process went on, rows 1 3 4 5 6 7 8"


@pytest.mark.parametrize("kind", [*KINDS, NO_FFI, ONE_BASED], ids=lambda kind: kind.label)
def test_no_worker_fails_but_on_purpose(
    kind: Kind, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever workers lack, the one error in them is that on purpose, and it comes at the end, after all answers."""
    failures: list[str] = []
    run = Workers.run

    def watched(*arguments: Any) -> list[str]:
        found = run(*arguments)
        failures.extend(found)
        return found

    monkeypatch.setattr(Workers, "run", watched)
    with Fusion(kind, modules=tmp_path) as fusion:
        block = ask(fusion.create(probe))
    (failure,) = failures
    assert failure.endswith("this error is on purpose")
    assert failure in block
    assert [line.split(": ")[0] for line in block[-3:] if line != failure] == ["writes by address", "a worker fails"]


def test_it_tells_what_workers_lack(probe: Path, tmp_path: Path) -> None:
    """Without FFI nothing is written by address, without PixPtr nothing through it; all other lines are there."""
    with Fusion(NO_WORKER_FFI, modules=tmp_path) as fusion:
        without_ffi = ask(fusion.create(probe))
    assert answer(without_ffi, "there, ffi") == "nil"
    assert answer(without_ffi, "writes by address") == "0 of 128 numbers arrived"
    with Fusion(BROKEN_WORKERS, modules=tmp_path) as fusion:
        broken = ask(fusion.create(probe))
    assert answer(broken, "there, PixPtr(Report, Pixel())").startswith("error: ")
    assert "R 8 G 5 B 0 A 1" not in answer(broken, "writing in workers")
    assert "R 8 G 5 B 0 A 1" in answer(broken, "writing here")


def test_it_measures(host: Fusion, probe: Path) -> None:
    """Each of the five speeds is a time above zero, and what was written arrived."""
    block = ask(host.create(probe))
    speeds = [float(found[1]) for line in block if (found := re.search(r": ([\d.]+) ns a pixel", line))]
    assert len(speeds) == 5
    assert min(speeds[:4]) > 0
    assert answer(block, "writing in workers").endswith("R 8 G 5 B 0 A 1")


def test_it_tells_what_process_may_set(host: Fusion, probe: Path) -> None:
    """The label changes from within Process, and the second block shows what the first one set."""
    tool = host.create(probe)
    first = ask(tool)
    assert tool.status == "Printed to the console."
    assert answer(first, "SetSource, was and is").split()[0] == "0"
    assert answer(ask(tool), "SetSource, was and is").split()[0] == "1"


def test_it_waits_for_escape_if_told(host: Fusion, probe: Path) -> None:
    """With the box ticked it notices that it is stopped, at once, and tells how."""
    tool, escape = host.create(probe), threading.Event()
    tool.set("WaitForEscape", 1)
    tool.press("RunProbe")
    timer = threading.Timer(1.5, escape.set)
    timer.start()
    start = time.monotonic()
    result = tool.process({"Input": plate()}, abort=escape)
    timer.join()
    block = block_of(result.lines)
    assert answer(block, "Escape").startswith("self.Status became Failed after ")
    assert block[-1] == "-- what may end Process: not tried, the frame was stopped"
    assert time.monotonic() - start < 10
    assert 0 < len(result.progress) <= 10 / 0.05


@pytest.mark.parametrize("kind", SCAN_LINES, ids=lambda kind: kind.label)
def test_it_follows_addresses_if_told(kind: Kind, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CKEY_FUSE_FAST asks for it, it prints what lies where GetScanLine leads to."""
    monkeypatch.setenv("CKEY_FUSE_FAST", "1")
    with Fusion(kind, modules=tmp_path) as fusion:
        floats = answer(ask(fusion.create(probe)), "its first floats").split()
    low, high = [str(number) for number in range(1, 17)], [str(number) for number in range(17, 33)]
    if kind.scan_lines in ("bottom_up", "top_down"):
        assert floats == (low + high if kind.scan_lines == "bottom_up" else high + low)
    elif kind.scan_lines == "padded":
        assert floats[:16] == low
    else:
        assert len(floats) == 16
        assert floats not in (low, high)


@pytest.mark.parametrize("type_", ["uint8_t *", "intptr_t", "int"])
def test_it_follows_nothing_but_pointers(
    type_: str, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where GetScanLine gives a null pointer or a number, the host lives on and the block says so."""
    monkeypatch.setenv("CKEY_FUSE_FAST", "1")
    monkeypatch.setattr(Image, "scan_line", property(lambda image: (0, type_) if image.has_data else None))
    with Fusion(SCAN_LINES[0], modules=tmp_path) as fusion:
        said = answer(ask(fusion.create(probe)), "its first floats")
    assert said.startswith("error: ")
    assert said.endswith("GetScanLine gives no pointer that could be followed")


def test_it_follows_no_address_unasked(probe: Path, tmp_path: Path) -> None:
    """Without CKEY_FUSE_FAST it tells what GetScanLine gives and does not look there."""
    with Fusion(SCAN_LINES[0], modules=tmp_path) as fusion:
        block = ask(fusion.create(probe))
    assert answer(block, "type(it:GetScanLine())") == "cdata"
    assert "its first floats" not in "\n".join(block)


def test_it_does_not_tell_who_asks(host: Fusion, probe: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The home folder is printed as ~, since the block is meant to be shown to everybody."""
    monkeypatch.setenv("HOME", str(tmp_path))
    block = ask(host.create(probe))
    assert str(tmp_path) not in "\n".join(block)
    assert "~" in answer(block, "package.path")
