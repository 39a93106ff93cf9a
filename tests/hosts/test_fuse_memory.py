"""The way past Fusion's pointers: off unless asked for, and used only where Fusion's own pointers agree with it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lupa import luajit20, luajit21

from corridorkey_models.keyed import Masks
from corridorkey_server.client import Client
from fuse_shots import FUSE, ODD, PARAMS, assert_keyed, check_good, expected, inside, opened, shot, wired
from fusionhost import DECEPTIVE_SCAN_LINES, POINTER, SCAN_LINES, Kind, Picture
from ofx_shots import grey, solid

pytestmark = pytest.mark.usefixtures("client_library")

layouts = pytest.mark.parametrize("kind", [*SCAN_LINES, *DECEPTIVE_SCAN_LINES], ids=lambda kind: kind.label)
KNOWN = ("bottom_up", "top_down")


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for it."""
    monkeypatch.setenv("CKEY_FUSE_FAST", "1")


def without_pointers(kind: Kind) -> Kind:
    """Return a kind whose PixPtr works in no worker, so that only memory is a way there."""
    return replace(kind, label=f"{kind.label}-only", worker_ffi="broken")


@layouts
@pytest.mark.usefixtures("fast")
def test_wherever_memory_lies_the_key_is_the_same(kind: Kind, keying: Client) -> None:
    """Rows from below, from above, with gaps, in a table, or elsewhere: what is not understood is not used."""
    plate, hint = shot(ODD)
    solid_part, garbage = hint[::-1] * np.float32(0.5), hint[:, ::-1] * np.float32(0.5)
    mattes = {"SolidMatte": Picture(grey(solid_part)), "GarbageMatte": Picture(garbage)}
    with opened(kind) as (_, tool):
        plain = tool.process(wired(plate, hint))
        masked = tool.process(wired(plate, hint) | mattes)
    assert_keyed(plain, keying.key(plate, hint, PARAMS))
    assert_keyed(masked, keying.key(plate, hint, PARAMS, Masks(solid_part, garbage)))


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("layout", KNOWN)
def test_memory_of_a_part_of_a_frame_is_not_used(layout: str, keying: Client) -> None:
    """Images that hold a part of the frame, plates or hints, lie in memory as nobody has looked at."""
    plate, hint = shot(ODD)
    window = (7, 5, 150, 80)
    with opened(replace(POINTER, scan_lines=layout)) as (_, tool):
        for cropped in ("Input", "AlphaHint"):
            pictures = wired(plate, hint)
            whole = pictures[cropped]
            assert whole is not None
            result = tool.process(pictures | {cropped: replace(whole, data_window=window)})
            used = (inside(plate, window) if cropped == "Input" else plate, inside(hint, window))
            keyed = keying.key(*used, PARAMS)
            for name, pixels in expected(keyed).items():
                want = inside(pixels, window) if cropped == "Input" else pixels
                assert np.array_equal(result.outputs[name], want), (cropped, name)


@layouts
@pytest.mark.usefixtures("fast", "echo")
def test_it_is_used_where_it_is_understood(kind: Kind) -> None:
    """Workers in which PixPtr fails are of use only with memory that is understood; the status tells which it was."""
    with opened(without_pointers(kind)) as (_, tool):
        check_good(tool)
        is_used = kind.scan_lines in (*KNOWN, "wrong_inputs")  # for what comes out
        assert ("through one thread" not in tool.status) == is_used


@layouts
@pytest.mark.usefixtures("echo")
def test_it_is_off_unless_asked_for(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable, or with another value, memory is not looked at."""
    for value in ("", "0", "yes"):
        monkeypatch.setenv("CKEY_FUSE_FAST", value)
        with opened(without_pointers(kind)) as (_, tool):
            check_good(tool)
            assert "through one thread" in tool.status


TYPES = """
    package.path, ffi, pictures = ..., require("ffi"), 3
    local rows, memory = require("corridorkey_rows"), ffi.new("float[64]")
    address = tonumber(ffi.cast("uintptr_t", memory))
    marks, scan, scan_2, scan_3, stride, stride_2, stride_3 = address, address, address, address, 16, 16, 16
    height, length, first, band, left, count, step, square, even, odd = 1, 4, 0, 1, 0, 1, 4, 4, 0, 1
    local function types()
        return tonumber(ffi.typeof("struct { int one; }"))
    end
    local function work(times)
        for _ = 1, times do
            rows.begin_at_address()
            rows.take_luminance(0)
            rows.give_checker(0)
            rows.give_premultiplied(0)
        end
    end
    work(10)
    local before = types()
    work(2000)
    return types() - before
"""
"""Runs what workers run, and returns how many types there are more in the end; asking takes two by itself."""


@pytest.mark.parametrize("lua", [luajit20, luajit21], ids=["2.0", "2.1"])
def test_a_lua_state_gathers_no_types(lua: Any) -> None:
    """A state keeps C types for ever and holds 65536: a pass leaves none behind."""
    assert lua.LuaRuntime().execute(TYPES, str(FUSE / "Modules" / "Lua" / "?.lua")) < 10


@pytest.mark.usefixtures("fast")
def test_values_that_are_no_numbers_arrive(keying: Client) -> None:
    """NaN and infinities agree with themselves: a plate that has them at its corners is no stranger."""
    plate, hint = shot(ODD)
    plate[0, 0], plate[-1, -1] = np.nan, np.inf
    with opened(replace(POINTER, scan_lines="bottom_up")) as (_, tool):
        result = tool.process({"Input": Picture(solid(plate)), "AlphaHint": Picture(grey(hint))})
    assert_keyed(result, keying.key(plate, hint, PARAMS))
