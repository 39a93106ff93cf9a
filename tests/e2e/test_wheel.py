"""The wheel, installed in a clean environment, is all that a user needs."""

import ctypes
import os
import platform
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from corridorkey_models import __version__

NO_NETWORK = """import sys

def refuse(event, arguments):
    if event.startswith("socket."):
        raise OSError("there is no network")

sys.addaudithook(refuse)
"""
"""Loaded by Python before anything else where it lies on its path as sitecustomize.py."""


@pytest.fixture(scope="module")
def wheel(root: Path, natives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in an environment of its own; what is built for hosts is current already."""
    assert natives.is_dir()
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(root)]
    ran = subprocess.run(build, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def binaries(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and what it depends on, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    venv.create(folder / "env", with_pip=True)
    bin_folder = folder / "env" / "bin"
    install = [bin_folder / "python", "-m", "pip", "install", "-q", "-c", root / "constraints.txt", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return bin_folder


def run(binaries: Path, folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the installed ckey in `folder`, away from the checkout."""
    environment = {"PATH": os.environ["PATH"], "CKEY_MODELS": str(folder / "models"), "HOME": str(folder)}
    environment |= {"CKEY_RUNTIME": os.environ["CKEY_RUNTIME"], **more}
    command = [str(binaries / "ckey"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.timeout(900)
def test_the_installed_command_keys(binaries: Path, tmp_path: Path) -> None:
    """From the wheel alone: the version is ours, the demo keys two frames, and a missing model is a sentence."""
    assert run(binaries, tmp_path, "--version").stdout.strip() == f"ckey {__version__}"
    demo = run(binaries, tmp_path, "demo", "--frames", "2")
    assert demo.returncode == 0, demo.stderr
    assert "alpha, mean absolute difference" in demo.stdout
    assert (tmp_path / "demo" / "contact_sheet.png").stat().st_size > 100_000
    keyed = run(binaries, tmp_path, "key", "demo/plate/plate.####.exr", "-o", "out")
    assert keyed.returncode == 2
    assert "ckey pull green" in keyed.stderr
    assert "Traceback" not in keyed.stderr


def test_the_wheel_carries_what_hosts_load(root: Path, wheel: Path, natives: Path) -> None:
    """One wheel for every system: every file of the bundle and every library as they were built, and the fuse."""
    assert wheel.name.endswith("-py3-none-any.whl")
    built = {path.relative_to(natives).as_posix(): path for path in natives.rglob("*") if path.is_file()}
    del built["stamp"]
    fuse = root / "resolve_fuse"
    built |= {
        f"fuse/{path.relative_to(fuse).as_posix()}": path for end in ("fuse", "lua") for path in fuse.rglob(f"*.{end}")
    }
    assert "fuse/CorridorKey.fuse" in built
    with zipfile.ZipFile(wheel) as archive:
        hosts = {
            name.partition("hosts/")[2]: name for name in archive.namelist() if "corridorkey_server/hosts/" in name
        }
        assert hosts.keys() == built.keys()
        assert all(archive.read(hosts[name]) == path.read_bytes() for name, path in built.items())


@pytest.mark.timeout(900)
def test_the_installed_command_installs_the_plug_in_offline(binaries: Path, tmp_path: Path) -> None:
    """From the wheel alone and without a network: the bundle is in place, loads, and knows which `ckey` to start."""
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    offline = {"PYTHONPATH": str(tmp_path), "CKEY_RUNTIME": str(tmp_path / "run")}
    installed = run(binaries, tmp_path, "install", "ofx", **offline)
    assert installed.returncode == 0, installed.stderr
    bundle = tmp_path / "OFX" / "Plugins" / "CorridorKey.ofx.bundle"
    assert f"CorridorKey {__version__} is installed: {bundle}\n" in installed.stdout
    assert (bundle / "Contents/Resources/ckey.path").read_text() == f"{binaries / 'ckey'}\n"
    folder = "Linux-aarch64" if platform.machine() == "aarch64" else "Linux-x86-64"
    assert ctypes.CDLL(str(bundle / "Contents" / folder / "CorridorKey.ofx")).OfxGetNumberOfPlugins() == 1
    assert run(binaries, tmp_path, "uninstall", "ofx", **offline).returncode == 0
    assert not bundle.exists()
    script = [binaries / "python", "-c", "import socket; socket.socket()"]
    refused = subprocess.run(script, env=offline, capture_output=True, text=True, check=False)
    assert refused.stderr.endswith("OSError: there is no network\n")


@pytest.mark.timeout(900)
def test_the_installed_command_installs_the_fuse_offline(binaries: Path, tmp_path: Path) -> None:
    """From the wheel alone and without a network: fuse, modules and a library that loads, and all gone again."""
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    offline = {"PYTHONPATH": str(tmp_path), "CKEY_RUNTIME": str(tmp_path / "run")}
    to = ("--to", str(tmp_path / "Fusion"))
    installed = run(binaries, tmp_path, "install", "fuse", *to, **offline)
    assert installed.returncode == 0, installed.stderr
    fuse = tmp_path / "Fusion" / "Fuses" / "CorridorKey"
    assert (fuse / "CorridorKey.fuse").is_file()
    assert (fuse / "ckey.path").read_text() == f"{binaries / 'ckey'}\n"
    assert (tmp_path / "Fusion" / "Modules" / "Lua" / "corridorkey_params.lua").is_file()
    machine = "aarch64" if platform.machine() == "aarch64" else "x86_64"
    assert ctypes.CDLL(str(fuse / f"linux-{machine}" / "libcorridorkey.so")).ck_version() == 1
    assert run(binaries, tmp_path, "uninstall", "fuse", *to, **offline).returncode == 0
    assert not [path for path in (tmp_path / "Fusion").rglob("*") if path.is_file()]


@pytest.mark.timeout(900)
def test_the_installed_library_is_found(binaries: Path, tmp_path: Path) -> None:
    """The package knows where its client library lies, and it loads."""
    script = "import ctypes; from corridorkey_server.host_files import find_library as find\n"
    script += "print(find()); print(ctypes.CDLL(str(find())).ck_version())"
    command = [binaries / "python", "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    path, version = ran.stdout.splitlines()
    assert Path(path).is_relative_to(binaries.parent)
    assert version == "1"
