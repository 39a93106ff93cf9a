"""The wheel, installed in a clean environment, is all that a user needs."""

import ctypes
import json
import os
import platform
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from corridorkey_models import __version__
from corridorkey_server.host_files import gizmo_files

pytestmark = pytest.mark.soak

NO_NETWORK = """import sys

def refuse(event, arguments):
    if event.startswith("socket."):
        raise OSError("there is no network")

sys.addaudithook(refuse)
"""
"""Loaded by Python before anything else where it lies on its path as sitecustomize.py."""

IMPORT_ALL = """import importlib, importlib.metadata, json, pkgutil, sys
import corridorkey_models, corridorkey_server

for package in corridorkey_models, corridorkey_server:
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
files = {name: module.__file__ for name, module in sys.modules.items() if name.startswith("corridorkey_")}
names = importlib.metadata.packages_distributions()
loaded = {name for module in sys.modules for name in names.get(module, ())}
print(json.dumps({"path": sys.path, "files": files, "distributions": sorted(loaded)}))
"""


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
def metadata(wheel: Path) -> PathDistribution:
    """What the wheel says about itself."""
    return PathDistribution(zipfile.Path(wheel, f"corridorkey_comp-{__version__}.dist-info/"))


@pytest.fixture(scope="module")
def environment(
    root: Path, wheel: Path, metadata: PathDistribution, rounds: int, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An environment that holds the wheel and what it depends on, and nothing of the checkout.

    In soak pip gets it all from where users do; else the dependencies are those that the tests themselves have.
    """
    folder = tmp_path_factory.mktemp("wheel") / "env"
    venv.create(folder)
    if rounds > 1:
        pip(folder, "install", "-q", "-c", root / "constraints.txt", wheel)
    else:
        pip(folder, "install", "-q", "--no-deps", "--no-index", wheel)
        link(needed(metadata), next(folder.glob("lib/python*/site-packages")))
    return folder


@pytest.fixture(scope="module")
def binaries(environment: Path) -> Path:
    """The folder with the environment's commands."""
    return environment / "bin"


def pip(environment: Path, *words: object) -> None:
    """Run the tests' own pip for another environment."""
    command = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def requirements(metadata: Distribution, extras: Iterable[str] = ()) -> list[Requirement]:
    """Return what has to be installed on this machine for a distribution with these extras."""
    found = map(Requirement, metadata.requires or ())
    wanted = ("", *extras)
    return [one for one in found if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in wanted)]


def needed(metadata: Distribution) -> list[Distribution]:
    """Return what a distribution depends on, and what that depends on, as it is installed here."""
    found: dict[tuple[str, frozenset[str]], Distribution] = {}
    missing = requirements(metadata)
    while missing:
        one = missing.pop()
        key = canonicalize_name(one.name), frozenset(one.extras)
        if key not in found:
            found[key] = distribution(one.name)
            missing += requirements(found[key], one.extras)
    return list(found.values())


def link(distributions: Iterable[Distribution], folder: Path) -> None:
    """Make distributions, and no other that lies beside them, importable from `folder`, too."""
    for one in distributions:
        for name in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
            if not (folder / name).exists():  # some share a folder
                (folder / name).symlink_to(Path(str(one.locate_file(name))))


def run(binaries: Path, folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the installed ckey in `folder`, away from the checkout."""
    environment = {"PATH": os.environ["PATH"], "CKEY_MODELS": str(folder / "models"), "HOME": str(folder)}
    environment |= {name: os.environ[name] for name in ("CKEY_RUNTIME", "OMP_WAIT_POLICY")} | more
    command = [str(binaries / "ckey"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.timeout(900)
def test_what_the_wheel_requires_is_all_that_it_imports(
    root: Path, metadata: PathDistribution, environment: Path, tmp_path: Path
) -> None:
    """It requires what pyproject.toml says, and with that alone each of its modules is imported, and from the wheel."""
    said = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    required = {(canonicalize_name(one.name), one.specifier) for one in requirements(metadata)}
    assert required == {(canonicalize_name(one.name), one.specifier) for one in map(Requirement, said)}
    pip(environment, "check")
    command = [str(environment / "bin" / "python"), "-I", "-c", IMPORT_ALL]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stderr
    facts = json.loads(ran.stdout)
    assert not [path for path in facts["path"] if Path(path).is_relative_to(root)]
    assert all(Path(file).is_relative_to(environment) for file in facts["files"].values())
    assert {"corridorkey_server", "corridorkey_models", "corridorkey_server.cli"} <= facts["files"].keys()
    assert {name for name, _ in required} <= {canonicalize_name(name) for name in facts["distributions"]}


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
    """One wheel for every system: every file of the bundle and every library as they were built, fuse and node."""
    assert wheel.name.endswith("-py3-none-any.whl")
    built = {path.relative_to(natives).as_posix(): path for path in natives.rglob("*") if path.is_file()}
    del built["stamp"]
    fuse = root / "resolve_fuse"
    built |= {
        f"fuse/{path.relative_to(fuse).as_posix()}": path for end in ("fuse", "lua") for path in fuse.rglob(f"*.{end}")
    }
    assert "fuse/CorridorKey.fuse" in built
    gizmo = root / "nuke_gizmo"
    built |= {f"nuke/{path.relative_to(gizmo).as_posix()}": path for path in gizmo_files(gizmo)}
    assert {"nuke/CorridorKey.gizmo", "nuke/live/CorridorKeyLive.gizmo", "nuke/init.py"} <= built.keys()
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
def test_the_installed_command_installs_the_node_offline(binaries: Path, tmp_path: Path) -> None:
    """From the wheel alone and without a network: node, menus and a package that loads, and all gone again."""
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    offline = {"PYTHONPATH": str(tmp_path), "CKEY_RUNTIME": str(tmp_path / "run")}
    installed = run(binaries, tmp_path, "install", "nuke", **offline)
    assert installed.returncode == 0, installed.stderr
    node = tmp_path / ".nuke" / "CorridorKey"
    assert (node / "CorridorKey.gizmo").is_file()
    assert (node / "ckey.path").read_text() == f"{binaries / 'ckey'}\n"
    script = f"import sys; sys.path.insert(0, {str(node / 'python')!r})\n"
    script += "import corridorkey_nuke; from corridorkey_nuke.starter import find_command\n"
    script += "print(corridorkey_nuke.VERSION, find_command())"
    ran = subprocess.run([binaries / "python", "-I", "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [__version__, str(binaries / "ckey")]
    assert run(binaries, tmp_path, "uninstall", "nuke", **offline).returncode == 0
    assert not list((tmp_path / ".nuke").iterdir())


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
