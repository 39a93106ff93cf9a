"""Programs started from within a host, with small programs standing in for `ckey` and for the desktop's own."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import native

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

OK, WAITING, REFUSED = 0, 1, -1
PATIENCE = 20.0
PYTHON = f"#!{sys.executable} -S\nimport json, os, signal, subprocess, sys, time\n"
HOSTS_OWN = (
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "DYLD_"),
    *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "QT_PLUGIN_PATH"),
)
KEPT = {
    "OCIO": "/studio/config.ocio",
    "LD_LIBRARY_PATHS": "a",
    "PYTHONPATHS": "b",
    "XLD_PRELOAD": "c",
    "CKEY_RUNTIME": "",
}

WITHOUT_CLOSE_RANGE = """
#include <sys/syscall.h>
#undef SYS_close_range
#include "{source}"
"""
"""starter_posix.c for a kernel that closes descriptors one by one."""

CLOSED = """
import ctypes, sys
for number in (0, 1, 2):
    __import__("os").close(number)
code, starter = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
code.ck_last_sentence.restype = ctypes.c_char_p
assert code.ck_starter_begin(sys.argv[2].encode(), ctypes.byref(starter)) == 0
while (status := code.ck_starter_poll(starter, 1000)) == 1:
    pass
code.ck_starter_end(starter)
open(sys.argv[3], "wb").write(b"%d %s" % (status, code.ck_last_sentence()))
"""
"""A host that has closed its standard descriptors, as some daemons do."""


class Starter:
    """One `ckey start` on its way."""

    def __init__(self, code: ctypes.CDLL, path: Path | str) -> None:
        """Begin it."""
        self._code, self._starter = code, ctypes.c_void_p()
        assert code.ck_starter_begin(str(path).encode(), ctypes.byref(self._starter)) == 0

    def poll(self, wait_ms: int) -> int:
        """Wait for its end."""
        return int(self._code.ck_starter_poll(self._starter, wait_ms))

    def finish(self) -> int:
        """Wait as long as it takes and return how it ended."""
        until = time.monotonic() + PATIENCE
        while (status := self.poll(100)) == WAITING:
            assert time.monotonic() < until, "it does not end"
        return status

    def end(self) -> None:
        """Stop and forget it."""
        self._code.ck_starter_end(self._starter)

    @property
    def why(self) -> str:
        """The sentence for the artist."""
        return str(self._code.ck_last_sentence().decode())


def load(folder: Path, source: Path) -> ctypes.CDLL:
    """Compile the starter and open it."""
    files = [source, native.BRIDGE / "plugin" / "starter_text.c", native.BRIDGE / "client" / "sentence.c"]
    code = ctypes.CDLL(str(native.compile_c(files, folder / "starter.so", "-shared", "-fPIC")))
    code.ck_last_sentence.restype = ctypes.c_char_p
    return code


SOURCE = native.BRIDGE / "plugin" / "starter_posix.c"


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The code, as the plug-in has it."""
    return load(tmp_path_factory.mktemp("starter"), SOURCE)


@pytest.fixture(scope="module", params=["close_range", "one by one"])
def any_code(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The code on this kernel, and as it is on an older one."""
    folder = tmp_path_factory.mktemp("any")
    source = SOURCE
    if request.param == "one by one":
        source = folder / "older.c"
        source.write_text(WITHOUT_CLOSE_RANGE.format(source=SOURCE))
    return load(folder, source)


@pytest.fixture
def begin(code: ctypes.CDLL) -> Iterator[Callable[[Path], Starter]]:
    """Begins programs and ends them when the test does."""
    begun: list[Starter] = []

    def starts(path: Path) -> Starter:
        begun.append(Starter(code, path))
        return begun[-1]

    yield starts
    for starter in begun:
        starter.end()


def script(path: Path, text: str, *, executable: bool = True) -> Path:
    """Write a program."""
    path.write_text(text)
    path.chmod(0o700 if executable else 0o600)
    return path


def eventually(told: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE
    while not told():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.01)


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on, empty if there is no such process."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def lives(pid: int) -> bool:
    """Whether a process is there and is not merely waiting to be taken in."""
    return (stat(pid) or ["Z"])[0] != "Z"


def zombies() -> list[int]:
    """Return the children of this process that have ended and were not taken in."""
    found = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in found if stat(pid)[:2] == ["Z", str(os.getpid())]]


@contextmanager
def handled(number: signal.Signals, how: signal.Handlers) -> Iterator[None]:
    """Treat a signal in another way for a while."""
    before = signal.signal(number, how)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_program_that_succeeds(begin: Callable[[Path], Starter], tmp_path: Path) -> None:
    """`path start` is run; its end with code 0 is success, however often it is asked for, and leaves no zombie."""
    ckey = script(tmp_path / "ckey", f'#!/bin/sh\necho "$@" > {tmp_path}/words\necho ckey: a notice\n')
    starter = begin(ckey)
    assert [starter.finish(), starter.poll(0), starter.poll(10)] == [OK, OK, OK]
    assert (tmp_path / "words").read_text() == "start\n"
    assert zombies() == []


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("printf 'starting\\nckey: no checkpoint; run it.\\n' >&2", "no checkpoint; run it."),
        ("printf 'no new line at the end' >&2", "no new line at the end"),
        ("echo above; printf 'the last\\n\\n\\r\\n'", "the last"),
        ("printf '10%%\\r100%%\\r'", "100%"),
        ("true", "`ckey start` failed and said nothing; run it in a terminal."),
        ("printf '%05000d\\n' 7", "0" * 3199),
        ("printf 'disk full: %s %%s\\n' /tmp", "disk full: /tmp %s"),
    ],
)
def test_a_program_that_fails(begin: Callable[[Path], Starter], tmp_path: Path, said: str, heard: str) -> None:
    """Its last line is the reason, from standard output or error, whole or cut to what fits, without `ckey: `."""
    starter = begin(script(tmp_path / "ckey", f"#!/bin/sh\n{said}\nexit 1\n"))
    assert starter.finish() == REFUSED
    assert starter.why == heard
    assert starter.poll(0) == REFUSED
    assert zombies() == []


def test_a_program_that_is_killed(begin: Callable[[Path], Starter], tmp_path: Path) -> None:
    """The end by a signal is a failure."""
    starter = begin(script(tmp_path / "ckey", "#!/bin/sh\necho half way\nkill -9 $$\n"))
    assert starter.finish() == REFUSED
    assert starter.why == "half way"


@pytest.mark.parametrize("text", [None, "#!/nowhere/python\n", "neither a script nor a program"])
def test_a_program_that_cannot_be_run(begin: Callable[[Path], Starter], tmp_path: Path, text: str | None) -> None:
    """No file, no interpreter, no program: it failed, and the artist is told what to do."""
    path = tmp_path / "ckey"
    starter = begin(path if text is None else script(path, text))
    assert starter.finish() == REFUSED
    assert starter.why == "`ckey` cannot be run; install CorridorKey again."


def test_megabytes_of_words(begin: Callable[[Path], Starter], tmp_path: Path) -> None:
    """A program that talks without end is not kept waiting, nor is whoever waits for it; its last line is heard."""
    talk = "for _ in range(200): os.write(1, b'x' * 30000 + b'\\n')\n"
    talk += "os.write(2, b'ckey: enough; stop.\\n')\nos._exit(3)\n"
    starter = begin(script(tmp_path / "ckey", PYTHON + talk))
    assert starter.finish() == REFUSED
    assert starter.why == "enough; stop."


def test_waiting_has_a_limit(begin: Callable[[Path], Starter], tmp_path: Path) -> None:
    """A program that hangs is waited for as long as was said, and ends when it is asked to."""
    starter = begin(script(tmp_path / "ckey", f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n"))
    eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    began = time.monotonic()
    assert starter.poll(0) == WAITING
    assert starter.poll(200) == WAITING
    assert 0.15 < time.monotonic() - began < 5
    assert lives(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("ignores", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"])
def test_a_program_that_hangs_is_ended(code: ctypes.CDLL, tmp_path: Path, ignores: str) -> None:
    """Ending stops it with what it started, if need be by force; what has left its session, as a daemon has, stays."""
    hang = (
        ignores + "sleep = ['sleep', '600']\n"
        "inner, outer = subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)\n"
        f"open('{tmp_path}/new', 'w').write(json.dumps([os.getpid(), inner.pid, outer.pid]))\n"
        f"os.rename('{tmp_path}/new', '{tmp_path}/pids')\n"
        "time.sleep(600)\n"
    )
    starter = Starter(code, script(tmp_path / "ckey", PYTHON + hang))
    eventually((tmp_path / "pids").exists)
    own, inner, outer = json.loads((tmp_path / "pids").read_text())
    began = time.monotonic()
    starter.end()
    assert time.monotonic() - began < 5
    eventually(lambda: not lives(own) and not lives(inner))
    assert lives(outer)
    os.kill(outer, signal.SIGKILL)
    assert zombies() == []


def test_nothing_is_ended_twice(code: ctypes.CDLL, tmp_path: Path) -> None:
    """A starter that never was is ended as well, and one whose program is done kills nothing."""
    code.ck_starter_end(None)
    starter = Starter(code, script(tmp_path / "ckey", "#!/bin/sh\n"))
    assert starter.finish() == OK
    starter.end()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("echo the daemon runs", OK),
        ("exit 1", OK),
        ("echo ckey: no checkpoint >&2; exit 1", REFUSED),
        ("echo ckey: a notice; echo the daemon runs", OK),
        ("(sleep 0.2; echo ckey: no checkpoint) & exit 1", REFUSED),
    ],
)
def test_a_host_that_takes_children_in_itself(
    begin: Callable[[Path], Starter], tmp_path: Path, text: str, status: int
) -> None:
    """Where SIGCHLD is ignored nobody learns the exit code: what was said last tells."""
    with handled(signal.SIGCHLD, signal.SIG_IGN):
        starter = begin(script(tmp_path / "ckey", f"#!/bin/sh\n{text}\n"))
        assert starter.finish() == status
    assert status == OK or starter.why == "no checkpoint"


def test_other_children_of_the_host_are_left_alone(begin: Callable[[Path], Starter], tmp_path: Path) -> None:
    """The host's own children are not taken in, whether they end before or after ours."""
    with subprocess.Popen(["false"]) as others:
        eventually(lambda: others.pid in zombies())
        assert begin(script(tmp_path / "ckey", "#!/bin/sh\n")).finish() == OK
        assert others.wait() == 1


def told(any_code: ctypes.CDLL, tmp_path: Path, program: str) -> object:
    """Run a program that says `answer`, and return what it said."""
    ckey = script(tmp_path / "ckey", PYTHON + program + f"\njson.dump(answer, open('{tmp_path}/answer', 'w'))\n")
    starter = Starter(any_code, ckey)
    assert starter.finish() == OK, starter.why
    starter.end()
    return json.loads((tmp_path / "answer").read_text())


def test_the_environment_is_clean(code: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a host sets for its own libraries is gone; all else arrives as it is, and the host's own stays."""
    kept = {name: value for name, value in os.environ.items() if name not in HOSTS_OWN}
    for name in HOSTS_OWN:
        monkeypatch.setenv(name, "/host")
    for name, value in KEPT.items():
        monkeypatch.setenv(name, value)
    environment = told(code, tmp_path, "answer = dict(os.environ)")
    assert isinstance(environment, dict)
    assert environment.items() >= (kept | KEPT).items()
    assert not environment.keys() & set(HOSTS_OWN)
    assert os.environ["PYTHONHOME"] == "/host"


def test_no_descriptor_gets_in(any_code: ctypes.CDLL, tmp_path: Path) -> None:
    """It has nothing as standard input, one pipe for its words, and not one descriptor of the host."""
    look = (
        "folder = '/proc/self/fd/'\n"
        "open_ones = [name for name in os.listdir(folder) if os.path.lexists(folder + name)]\n"
        "answer = {name: os.readlink(folder + name) for name in open_ones}"
    )
    with (tmp_path / "secret").open("w") as secret:
        leaks = [os.dup(secret.fileno()), os.dup2(secret.fileno(), 900)]
        for leak in leaks:
            os.set_inheritable(leak, True)
        found = told(any_code, tmp_path, look)
        for leak in leaks:
            os.close(leak)
    assert isinstance(found, dict)
    assert sorted(found) == ["0", "1", "2"]
    assert found["0"] == "/dev/null"
    assert found["1"] == found["2"]
    assert found["1"].startswith("pipe:")


def test_the_host_keeps_no_descriptor(code: ctypes.CDLL, tmp_path: Path) -> None:
    """After many programs, also such as cannot be run or were stopped, the host has as many descriptors as before."""
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for path in (script(tmp_path / "ckey", "#!/bin/sh\n"), tmp_path / "none") * 5:
        starter = Starter(code, path)
        starter.finish()
        starter.end()
    Starter(code, script(tmp_path / "hangs", "#!/bin/sh\nexec sleep 600\n")).end()
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_signals_are_as_usual(code: ctypes.CDLL, tmp_path: Path) -> None:
    """What the host ignores or blocks is neither in the program, which has a session of its own."""
    # What the shell does itself: while it starts another program, it blocks signals.
    look = f"#!/bin/sh\nwhile read line; do echo $line; done < /proc/$$/status > {tmp_path}/status\n"
    look += f"read line < /proc/$$/stat; echo $line > {tmp_path}/stat\n"
    ignored = handled(signal.SIGINT, signal.SIG_IGN), handled(signal.SIGTERM, signal.SIG_IGN)
    mask = {signal.SIGUSR1, signal.SIGCHLD, signal.SIGTERM}
    with handled(signal.SIGPIPE, signal.SIG_IGN), ignored[0], ignored[1]:
        before = signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        starter = Starter(code, script(tmp_path / "ckey", look))
        assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == mask
        assert starter.finish() == OK
        starter.end()
    lines = (tmp_path / "status").read_text().splitlines()
    signals = {words[0]: int(words[1], 16) for words in map(str.split, lines) if words[0] in ("SigBlk:", "SigIgn:")}
    # Signals 32 and 33 are the C library's own: nobody else can set them.
    assert {name: mask & ~(3 << 31) for name, mask in signals.items()} == {"SigBlk:": 0, "SigIgn:": 0}
    pid, _, _, _, group, session, *_ = (tmp_path / "stat").read_text().split()
    assert pid == group == session


def test_a_host_without_standard_descriptors(code: ctypes.CDLL, tmp_path: Path) -> None:
    """Where 0, 1 and 2 are free the pipe takes their numbers, and the last words are heard all the same."""
    ckey = script(tmp_path / "ckey", "#!/bin/sh\ncat\necho ckey: heard >&2\nexit 1\n")
    command = [sys.executable, "-c", CLOSED, code._name, str(ckey), str(tmp_path / "result")]
    subprocess.run(command, timeout=60, check=True)
    assert (tmp_path / "result").read_text() == "-1 heard"


def find(code: ctypes.CDLL, bundle: Path | None, room: int = 4096) -> str | None:
    """Return the command that ck_find_command finds."""
    path = ctypes.create_string_buffer(room)
    found = code.ck_find_command(None if bundle is None else str(bundle).encode(), path, ctypes.c_size_t(room))
    assert found in (0, -1)
    return path.value.decode() if found == 0 else None


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The folder of a bundle."""
    folder = tmp_path / "CorridorKey.ofx.bundle"
    (folder / "Contents" / "Resources").mkdir(parents=True)
    return folder


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one `ckey` on PATH: files and folders that are none come before it."""
    for name in ("folder", "text", "true"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "ckey").mkdir()
    script(tmp_path / "text" / "ckey", "", executable=False)
    script(tmp_path / "ckey", "#!/bin/sh\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".::relative:/none:{tmp_path}/folder:{tmp_path}/text:{tmp_path}/true")
    return script(tmp_path / "true" / "ckey", "#!/bin/sh\n")


def test_ckey_is_found_on_path(code: ctypes.CDLL, on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first program of that name that PATH has by an absolute path; without PATH, none."""
    assert find(code, None) == str(on_path)
    assert find(code, None, room=len(str(on_path)) + 1) == str(on_path)
    assert find(code, None, room=len(str(on_path))) is None
    for path in ("", ".", str(on_path), "x" * 5000):
        monkeypatch.setenv("PATH", path)
        assert find(code, None) is None
    monkeypatch.delenv("PATH")
    assert find(code, None) is None


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nmore\n"])
def test_ckey_is_the_one_that_the_bundle_names(
    code: ctypes.CDLL, on_path: Path, bundle: Path, tmp_path: Path, ending: str
) -> None:
    """The first line of ckey.path counts before PATH; the file does not stay open."""
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    own = script(tmp_path / "own ckey", "#!/bin/sh\n")
    (bundle / "Contents" / "Resources" / "ckey.path").write_bytes(f"{own}{ending}".encode())
    assert find(code, bundle) == str(own) != str(on_path)
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("line", [None, "", "\n", "ckey", "/none/ckey", "/tmp", "/" * 5000])
def test_a_bundle_that_names_no_program(code: ctypes.CDLL, on_path: Path, bundle: Path, line: str | None) -> None:
    """Without the file, or with one that is out of date, PATH counts."""
    if line is not None:
        (bundle / "Contents" / "Resources" / "ckey.path").write_text(line)
    assert find(code, bundle) == str(on_path)


def test_a_file_is_shown(code: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """xdg-open gets the path, is no child of the host, leaves no zombie and has a clean environment; nobody waits."""
    show = (
        f"open('{tmp_path}/new', 'w').write(json.dumps([sys.argv[1:], os.getpid(), 'PYTHONHOME' in os.environ]))\n"
        f"os.rename('{tmp_path}/new', '{tmp_path}/shown')\n"
        "time.sleep(600)\n"
    )
    script(tmp_path / "xdg-open", PYTHON + show)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", "/host")
    page = script(tmp_path / "a page.html", "", executable=False)
    assert code.ck_show_file(str(page).encode()) == 0
    assert zombies() == []
    eventually((tmp_path / "shown").exists)
    words, pid, dirty = json.loads((tmp_path / "shown").read_text())
    parent, os_session = int(stat(pid)[1]), os.getsid(pid)
    os.kill(pid, signal.SIGKILL)
    assert words == [str(page)]
    assert not dirty
    assert parent != os.getpid()
    assert os_session != os.getsid(0)
    eventually(lambda: not lives(pid))
    assert zombies() == []


def test_a_file_that_cannot_be_shown(code: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing and a desktop that shows none are two reasons."""
    monkeypatch.setenv("PATH", str(tmp_path))
    page = tmp_path / "100%s.html"
    assert code.ck_show_file(str(page).encode()) == -1
    assert code.ck_last_sentence().decode() == f"{page} is missing; install the plug-in again."
    page.touch()
    assert code.ck_show_file(str(page).encode()) == -1
    assert code.ck_last_sentence().decode() == f"this desktop has no xdg-open; open {page} yourself."
