"""A real Nuke, where there is one, is as the node needs it; and the script that asks it works."""

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from corridorkey_server.host_files import find_gizmo
from corridorkey_server.install_nuke import install
from corridorkey_server.rendezvous import Rendezvous
from nukehost import NukeHost

NUKE = os.environ.get("CKEY_NUKE") or shutil.which("nuke") or shutil.which("Nuke")
SCRIPT = Path(__file__).parent / "nuke_smoke.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of Nuke with the node installed."""
    install(find_gizmo(), tmp_path / "nuke", tmp_path / "ckey")
    return tmp_path / "nuke"


@pytest.mark.skipif(not NUKE, reason="no Nuke: set CKEY_NUKE to its program, or put it on PATH; it needs a licence")
@pytest.mark.timeout(600)
def test_a_real_nuke_is_as_the_node_needs_it(folder: Path) -> None:
    """With the node on NUKE_PATH every question is answered with ok."""
    environment = os.environ | {"NUKE_PATH": str(folder)}
    command = [str(NUKE), "-t", str(SCRIPT)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "found by Nuke" in ran.stdout


def asked(folder: Path | None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Ask our own Nuke, and return the answers."""
    with NukeHost(gui=False) as host:
        if folder:
            host.start_up(folder)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        assert not host.nuke.allNodes()
    said = capsys.readouterr().out
    assert ended.value.code == 0, said
    return said.splitlines()


def test_the_questions_can_be_asked(
    folder: Path, real_daemon: Rendezvous, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has a licence gets answers and no faults of the script: our own Nuke gives all of them."""
    monkeypatch.setenv("CKEY_RUNTIME", str(real_daemon.folder))
    answers = asked(folder, capsys)
    assert any(line.endswith("found by Nuke") for line in answers)
    assert any("Keyed 3 frames. / 3 were keyed already." in line for line in answers)


@pytest.mark.usefixtures("nowhere")
def test_they_need_no_daemon_and_no_installation(capsys: pytest.CaptureFixture[str]) -> None:
    """Without either the rest is asked all the same."""
    answers = asked(None, capsys)
    assert any("left out: no CorridorKey daemon runs" in line for line in answers)
    assert answers[-1].split(" of ")[0] == answers[-1].split(" of ")[1]
