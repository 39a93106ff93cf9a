"""The wheel, installed in a clean environment, is all that a user needs."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from corridorkey_models import __version__


@pytest.fixture(scope="module")
def binaries(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and what it depends on, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(root)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    bin_folder = folder / "env" / "bin"
    install = [bin_folder / "python", "-m", "pip", "install", "-q", "-c", root / "constraints.txt", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return bin_folder


def run(binaries: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the installed ckey in `folder`, away from the checkout."""
    environment = {"PATH": os.environ["PATH"], "CKEY_MODELS": str(folder / "models"), "HOME": str(folder)}
    environment |= {"CKEY_RUNTIME": os.environ["CKEY_RUNTIME"]}
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
