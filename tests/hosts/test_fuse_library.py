"""What the fuse needs beside itself: its modules, the client library, FFI; where one is missing a sentence tells it."""

from pathlib import Path

import pytest

from fuse_shots import AT_ONCE, FUSE, GOOD, SLACK, check_failed, check_nothing, opened
from fusionhost import APP_STORE, NO_FFI, POINTER, Fusion, pixels

pytestmark = pytest.mark.usefixtures("client_library")


def check_refused(words: str) -> None:
    """Check that the tool says so of the library that CKEY_LIBRARY names."""
    with opened() as (_, tool):
        check_failed(tool, tool.process(GOOD), words, AT_ONCE)


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CKEY_LIBRARY names is used or told, and nothing else is looked for."""
    monkeypatch.setenv("CKEY_LIBRARY", "/nowhere/lib.so")
    check_refused("CKEY_LIBRARY names /nowhere/lib.so, which is not there; correct it, or unset it.")


def test_a_library_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The system's own words say what is wrong with the file."""
    broken = tmp_path / "libcorridorkey.so"
    broken.write_text("no library")
    monkeypatch.setenv("CKEY_LIBRARY", str(broken))
    check_refused(f"the CorridorKey library {broken} cannot be loaded (")


def test_another_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is not ours is told apart."""
    monkeypatch.setenv("CKEY_LIBRARY", pixels.library())
    check_refused("is not of this fuse's version; run `ckey install fuse`")


def test_nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without CKEY_LIBRARY the installed places are looked at, and the sentence names the first."""
    monkeypatch.delenv("CKEY_LIBRARY")
    monkeypatch.setenv("HOME", str(tmp_path))
    with opened() as (_, tool):
        check_failed(tool, tool.process(GOOD), "the CorridorKey library was not found", AT_ONCE)
        assert "run `ckey install fuse`, then restart the host." in tool.status


def test_the_library_beside_the_fuse(monkeypatch: pytest.MonkeyPatch, client_library: Path, tmp_path: Path) -> None:
    """What lies in the host's folder for fuses is found."""
    monkeypatch.delenv("CKEY_LIBRARY")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "Fuses" / "CorridorKey" / client_library.parent.name
    folder.mkdir(parents=True)
    (folder / client_library.name).symlink_to(client_library)
    with Fusion(POINTER, FUSE / "Modules" / "Lua", tmp_path / "Fuses") as fusion:
        tool = fusion.create(FUSE / "CorridorKey.fuse")
        monkeypatch.setenv("CKEY_RUNTIME", str(tmp_path / "none"))
        check_failed(tool, tool.process(GOOD), "no CorridorKey daemon runs", SLACK)


def test_a_host_without_ffi() -> None:
    """Such a host is told what works instead."""
    with opened(NO_FFI) as (_, tool):
        check_failed(tool, tool.process(GOOD), "has no FFI", AT_ONCE)


def test_the_app_store_edition() -> None:
    """A sandboxed host is told which one works."""
    with opened(APP_STORE) as (_, tool):
        check_failed(tool, tool.process(GOOD), "App Store's", AT_ONCE)


def test_modules_of_another_version(tmp_path: Path) -> None:
    """A fuse that finds older modules, such as those of another folder, does not use them."""
    for module in (FUSE / "Modules" / "Lua").glob("*.lua"):
        text = module.read_text().replace("INTERFACE = 1", "INTERFACE = 0")
        (tmp_path / module.name).write_text(text)
    with Fusion(POINTER, tmp_path) as fusion:
        tool = fusion.create(FUSE / "CorridorKey.fuse")
        assert "not of this fuse's version; run `ckey install fuse`" in tool.status
        check_nothing(tool.process(GOOD), AT_ONCE)


def test_missing_modules(tmp_path: Path) -> None:
    """A fuse without its modules says so in its panel and in the console, and makes no image."""
    with Fusion(POINTER, tmp_path) as fusion:
        tool = fusion.create(FUSE / "CorridorKey.fuse")
        assert "modules are not in Modules/Lua" in tool.status
        result = tool.process(GOOD)
        check_nothing(result, AT_ONCE)
        assert "run `ckey install fuse`" in result.lines[0]
