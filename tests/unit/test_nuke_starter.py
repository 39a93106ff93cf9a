"""`ckey start` run from within Nuke, with small programs standing in for `ckey`."""

import json
import os
import re
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import native
import nuke_package
from corridorkey_nuke.failure import Refusal, Stopped
from corridorkey_nuke.starter import HOSTS_OWN, clean_environment, find_command, find_command_in, start
from corridorkey_server.install_files import write_command
from daemons import eventually, is_alive

NOT_FOUND = "ckey was not found; run `ckey start` in a terminal, or `ckey install nuke` again."
PYTHON = f"#!{sys.executable} -S\nimport json, os, signal, subprocess, sys, time\n"


def script(path: Path, text: str, *, executable: bool = True) -> Path:
    """Write a program."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o700 if executable else 0o600)
    return path


def ignore(_waited: float) -> None:
    """Wait for as long as it takes."""


def why(path: Path, **how: Any) -> str:
    """Return the sentence with which a start fails."""
    with pytest.raises(Refusal) as caught:
        start(ignore, str(path), **how)
    return str(caught.value)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as the installer leaves it."""
    folder = tmp_path / "CorridorKey"
    folder.mkdir()
    return folder


def find(installed: Path, *folders: object) -> str:
    """Return the `ckey` that is found with a PATH of these folders."""
    return find_command_in(installed, {"PATH": ":".join(map(str, folders))})


def test_the_ckey_that_installed_is_run(installed: Path, tmp_path: Path) -> None:
    """What the installer wrote down goes before what is on PATH, also with other line ends."""
    ours, other = script(tmp_path / "våra" / "ckey", ""), script(tmp_path / "bin" / "ckey", "")
    write_command(installed, ours)
    assert find(installed, other.parent) == str(ours)
    (installed / "ckey.path").write_bytes(os.fsencode(ours) + b"\r\nmore\n")
    assert find(installed, other.parent) == str(ours)


@pytest.mark.parametrize(
    "written",
    [b"", b"\n", b"ckey\n", b"./ckey\n", b"/nowhere/ckey\n", b"/\n", b"/a\0b\n", b"/" + b"x" * 9000, b"\xff\n"],
)
def test_path_is_searched_otherwise(installed: Path, tmp_path: Path, written: bytes) -> None:
    """If what was written down is no program, PATH is asked; what is relative there does not count."""
    other = script(tmp_path / "bin" / "ckey", "")
    (installed / "ckey.path").write_bytes(written)
    assert find(installed, "", ".", "bin", tmp_path / "none", other.parent) == str(other)
    other.chmod(0o600)
    with pytest.raises(Refusal) as caught:
        find(installed, other.parent)
    assert str(caught.value) == NOT_FOUND


def test_a_folder_called_ckey_is_none(installed: Path, tmp_path: Path) -> None:
    """Only a file is a program; without a file that names it and without PATH there is none."""
    (tmp_path / "bin" / "ckey").mkdir(parents=True)
    with pytest.raises(Refusal):
        find(installed, tmp_path / "bin")
    with pytest.raises(Refusal):
        find_command_in(installed, {})


def test_the_file_lies_where_the_installer_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed folder is the one that has `python`, in which the package lies."""
    monkeypatch.setenv("PATH", "")
    assert not (nuke_package.FOLDER.parent / "ckey.path").exists()
    with pytest.raises(Refusal):
        find_command()


def test_the_installed_package_finds_it(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the package runs the `ckey` that stands in the folder that it was copied to."""
    ours = script(tmp_path / "bin" / "ckey", "")
    write_command(installed, ours)
    copied = installed / "python" / "corridorkey_nuke" / "starter.py"
    monkeypatch.setitem(find_command.__globals__, "__file__", str(copied))
    assert find_command() == str(ours)


def test_a_program_that_succeeds(tmp_path: Path) -> None:
    """`ckey start` is run; its end with code 0 is success."""
    waits: list[float] = []
    ckey = script(tmp_path / "ckey", f'#!/bin/sh\necho "$@" > {tmp_path}/words\nsleep 0.4\necho the daemon runs\n')
    start(waits.append, str(ckey))
    assert (tmp_path / "words").read_text() == "start\n"
    assert waits == sorted(waits)
    assert len(waits) >= 3
    assert 0.15 < waits[-1] < 5


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("printf 'starting\\nckey: no checkpoint; run it.\\n' >&2", "no checkpoint; run it."),
        ("printf 'no new line at the end' >&2", "no new line at the end"),
        ("echo above; printf 'the last\\n\\n\\r\\n'", "the last"),
        ("printf '10%%\\r100%%\\r'", "100%"),
        ("true", "`ckey start` failed and said nothing; run it in a terminal."),
        ("printf '%05000d\\n' 7", "0" * 4096),
        ("printf '\\377\\n'", "\ufffd"),
    ],
)
def test_a_program_that_fails(tmp_path: Path, said: str, heard: str) -> None:
    """Its last line is the reason, from standard output or error, whole or cut to what fits, without `ckey: `."""
    assert why(script(tmp_path / "ckey", f"#!/bin/sh\n{said}\nexit 1\n")) == heard


def test_a_program_that_is_killed(tmp_path: Path) -> None:
    """The end by a signal is a failure."""
    assert why(script(tmp_path / "ckey", "#!/bin/sh\necho half way\nkill -9 $$\n")) == "half way"


@pytest.mark.parametrize("text", [None, "#!/nowhere/python\n", "\0 no program"])
def test_a_program_that_cannot_be_run(tmp_path: Path, text: str | None) -> None:
    """No file, no interpreter, no program: the artist is told what to do."""
    path = tmp_path / "ckey"
    if text is not None:
        script(path, text)
    assert why(path) == f"{path} cannot be run; install CorridorKey again."


def test_megabytes_of_words(tmp_path: Path) -> None:
    """A program that talks without end is not kept waiting, nor is whoever waits for it; its last line is heard."""
    talk = "for _ in range(200): os.write(1, b'x' * 30000 + b'\\n')\n"
    talk += "os.write(2, b'ckey: enough; stop.\\n')\nos._exit(3)\n"
    assert why(script(tmp_path / "ckey", PYTHON + talk)) == "enough; stop."


def test_a_program_that_never_stops_talking(tmp_path: Path) -> None:
    """However much it says, the wait has its limit."""
    began = time.monotonic()
    ckey = script(tmp_path / "ckey", PYTHON + "while True: os.write(1, b'x' * 30000)\n")
    assert why(ckey, seconds=0.5) == "`ckey start` did not end within 0 s; run it in a terminal."
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("ignores", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"])
def test_a_start_that_nobody_wants_any_more(tmp_path: Path, ignores: str) -> None:
    """Cancelling stops it with what it started, if need be by force; what left its session, as a daemon, stays."""
    hang = (
        ignores + "sleep = ['sleep', '600']\n"
        "inner, outer = subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)\n"
        f"open('{tmp_path}/new', 'w').write(json.dumps([os.getpid(), inner.pid, outer.pid]))\n"
        f"os.rename('{tmp_path}/new', '{tmp_path}/pids')\n"
        "time.sleep(600)\n"
    )

    def cancel(_waited: float) -> None:
        if (tmp_path / "pids").exists():
            raise Stopped

    with pytest.raises(Stopped):
        start(cancel, str(script(tmp_path / "ckey", PYTHON + hang)))
    own, inner, outer = json.loads((tmp_path / "pids").read_text())
    eventually(lambda: not is_alive(own) and not is_alive(inner), "they are gone")
    assert is_alive(outer)
    os.kill(outer, signal.SIGKILL)


def test_a_program_that_closes_its_output(tmp_path: Path) -> None:
    """It is waited for until its end and not until its last word, and costs no core meanwhile."""
    looks: list[float] = []
    ckey = script(tmp_path / "ckey", "#!/bin/sh\nexec >&- 2>&-\nsleep 0.5\nexit 1\n")
    with pytest.raises(Refusal):
        start(looks.append, str(ckey))
    assert 3 < len(looks) < 100


@pytest.mark.parametrize(
    ("text", "heard"),
    [("echo the daemon runs", None), ("echo ckey: no checkpoint >&2; exit 1", "no checkpoint")],
)
def test_a_host_that_takes_children_in_itself(tmp_path: Path, text: str, heard: str | None) -> None:
    """Where SIGCHLD is ignored nobody learns the exit code: what was said last tells."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        ckey = script(tmp_path / "ckey", f"#!/bin/sh\n{text}\n")
        if heard is None:
            start(ignore, str(ckey))
        else:
            assert why(ckey) == heard
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_the_environment_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Nuke sets for its own libraries is gone; all else arrives as it is, and Nuke's own stays."""
    kept = {"OCIO": "/studio/config.ocio", "LD_LIBRARY_PATHS": "a", "PYTHONPATHS": "b", "CKEY_RUNTIME": "/c"}
    gone = [name + "INSERT" if name.endswith("_") else name for name in HOSTS_OWN]
    for name, value in {**kept, **dict.fromkeys(gone, "/host")}.items():
        monkeypatch.setenv(name, value)
    look = f"json.dump(dict(os.environ), open('{tmp_path}/answer', 'w'))\n"
    start(ignore, str(script(tmp_path / "ckey", PYTHON + look)))
    environment = json.loads((tmp_path / "answer").read_text())
    assert environment.items() >= kept.items()
    assert not environment.keys() & set(gone)
    assert os.environ["PYTHONHOME"] == "/host"
    assert clean_environment({"DYLD_": "x", "A": "b"}) == {"A": "b"}


def test_all_starters_agree_on_what_is_the_hosts_own() -> None:
    """The same variables are taken out as in the OFX plug-in."""
    text = (native.BRIDGE / "plugin" / "starter_text.c").read_text()
    names = re.search(r"hosts_own\[\] = \{(.*?)\}", text, re.DOTALL)
    assert names is not None
    assert set(re.findall(r'"(\w+)"', names.group(1))) == set(HOSTS_OWN)


def test_nothing_of_nuke_gets_in_and_nothing_stays(tmp_path: Path) -> None:
    """It has nothing as standard input, one pipe for its words, a session of its own; Nuke has nothing of it after."""
    look = (
        "folder = '/proc/self/fd/'\n"
        "names = [name for name in os.listdir(folder) if os.path.lexists(folder + name)]\n"
        "found = {name: os.readlink(folder + name) for name in names}\n"
        f"json.dump([found, os.getsid(0) == os.getpid()], open('{tmp_path}/answer', 'w'))\n"
    )
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        start(ignore, str(script(tmp_path / "ckey", PYTHON + look)))
    found, leads = json.loads((tmp_path / "answer").read_text())
    assert sorted(found) == ["0", "1", "2"]
    assert (found["0"], leads) == ("/dev/null", True)
    assert found["1"] == found["2"]
    assert found["1"].startswith("pipe:")
    why(tmp_path / "none")
    why(script(tmp_path / "hangs", "#!/bin/sh\nexec sleep 600\n"), seconds=0.2)
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_ckey_that_is_no_absolute_path_is_not_looked_for(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of Nuke may be anybody's: a `ckey` that lies there is not run."""
    monkeypatch.chdir(installed)
    assert stat.S_IMODE(script(installed / "ckey", "").stat().st_mode) == 0o700
    (installed / "ckey.path").write_text("ckey\n")
    with pytest.raises(Refusal):
        find(installed, ".", "")


def test_windows_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the answer is one sentence."""
    monkeypatch.setattr("sys.platform", "win32")
    sentence = why(tmp_path / "ckey.exe")
    monkeypatch.undo()
    assert sentence.endswith("on Windows yet; run `ckey start` in a terminal.")
