"""Where the files for hosts are found, in a checkout and in an installed package."""

import platform
import sys
from pathlib import Path

import pytest

from commands import loaded_by
from corridorkey_models.errors import InputError
from corridorkey_server.host_files import (
    BUNDLE,
    FUSE,
    GIZMO,
    find_bundle,
    find_fuse,
    find_gizmo,
    find_libraries,
    find_library,
    gizmo_files,
    system_name,
)
from small_gizmo import NODE, NOT_NUKES

LIBRARY = "lib/linux-x86_64/libcorridorkey.so"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The package's folder in a checkout without anything built."""
    package = tmp_path / "server" / "corridorkey_server"
    for folder in (package, tmp_path / "ofx_bridge"):
        folder.mkdir(parents=True)
    return package


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package's folder in an installation without anything for hosts."""
    package = tmp_path / "lib" / "site-packages" / "corridorkey_server"
    package.mkdir(parents=True)
    return package


def put(folder: Path) -> None:
    """Put a bundle and a library there."""
    (folder / BUNDLE).mkdir(parents=True)
    (folder / LIBRARY).parent.mkdir(parents=True)
    (folder / LIBRARY).touch()


def test_a_checkout_has_what_make_built(checkout: Path) -> None:
    """Both are found in build/native."""
    native = checkout.parent.parent / "build" / "native"
    put(native)
    assert find_bundle(checkout) == native / BUNDLE
    assert find_library(checkout, "linux-x86_64") == native / LIBRARY
    assert find_libraries(checkout) == native / "lib"


def test_an_installation_has_what_the_wheel_brought(installed: Path) -> None:
    """Both are found beside the package's modules."""
    put(installed / "hosts")
    assert find_bundle(installed) == installed / "hosts" / BUNDLE
    assert find_library(installed, "linux-x86_64") == installed / "hosts" / LIBRARY
    assert find_libraries(installed) == installed / "hosts" / "lib"


def test_the_fuse_is_found(checkout: Path, installed: Path) -> None:
    """In a checkout it is a source and needs no building; in an installation it lies with the rest."""
    for package, folder in ((checkout, checkout.parent.parent / "resolve_fuse"), (installed, installed / "hosts/fuse")):
        folder.mkdir(parents=True)
        with pytest.raises(
            InputError, match=r"this (checkout|installation) lacks .*; (restore it|install .* again)\.$"
        ):
            find_fuse(package)
        (folder / FUSE).touch()
        assert find_fuse(package) == folder


def test_the_node_for_nuke_is_found(checkout: Path, installed: Path) -> None:
    """It is a source, too, and of its folder Nuke needs what is named here."""
    for package, folder in ((checkout, checkout.parent.parent / "nuke_gizmo"), (installed, installed / "hosts/nuke")):
        folder.mkdir(parents=True)
        with pytest.raises(
            InputError, match=r"this (checkout|installation) lacks .*; (restore it|install .* again)\.$"
        ):
            find_gizmo(package)
        for name in (*NODE, *NOT_NUKES):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        assert find_gizmo(package) == folder
        assert {path.relative_to(folder).as_posix() for path in gizmo_files(folder)} == NODE


def test_what_is_missing_is_told_with_the_way_to_get_it(checkout: Path, installed: Path) -> None:
    """A checkout is to be built, an installation to be repaired."""
    for find in (find_bundle, find_library, find_libraries):
        with pytest.raises(InputError, match=r"^this checkout has no built plug-in; run `make ofx`\.$"):
            find(checkout)
        with pytest.raises(
            InputError, match=r"^this installation lacks its plug-ins; install corridorkey-comp again\.$"
        ):
            find(installed)


def test_a_system_that_nothing_is_built_for_is_told(checkout: Path) -> None:
    """The sentence names those that there are."""
    put(checkout.parent.parent / "build" / "native")
    with pytest.raises(InputError, match=r"no CorridorKey library for freebsd-riscv64; use one of: linux-x86_64, "):
        find_library(checkout, "freebsd-riscv64")


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("darwin", "arm64", "macos"),
        ("darwin", "x86_64", "macos"),
        ("win32", "AMD64", "windows-x86_64"),
        ("linux", "riscv64", "linux-riscv64"),
    ],
)
def test_each_system_has_its_name(system: str, machine: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's words for systems and processors become those of the folders."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = system_name()
    monkeypatch.undo()
    assert found == name


def test_this_checkout_is_complete(natives: Path) -> None:
    """What `make ofx` built is what the package finds, for this machine."""
    assert find_bundle() == natives / BUNDLE
    assert find_library().is_relative_to(natives)
    assert find_libraries() == natives / "lib"
    assert (find_fuse() / "Modules" / "Lua" / "corridorkey_params.lua").is_file()
    assert (find_gizmo() / GIZMO).is_file()


def test_installing_loads_nothing_heavy(natives: Path, runtime: Path, tmp_path: Path) -> None:
    """`ckey install` and `ckey uninstall` do not wait for torch or numpy."""
    assert natives.is_dir()
    for command in ("install", "uninstall"):
        for what in ("ofx", "fuse", "nuke"):
            assert loaded_by(runtime, command, what, "--to", tmp_path) == (0, set())
