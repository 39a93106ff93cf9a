"""The C client finds the runtime folder by the same rule as Python does, and refuses those that Python refuses."""

import ctypes
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import native
from corridorkey_server import rendezvous

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the table's paths begin with a slash")

TABLE = Path(__file__).parent.parent / "contract" / "runtime_folder.json"
CASES = json.loads(TABLE.read_text(encoding="utf-8"))["cases"]
OK, DOWN, UNSAFE = 0, -2, -4
ROOM = 4096
LIMIT = 103 if sys.platform == "darwin" else 107
SAME = "set CKEY_RUNTIME to a folder of yours, the same for every program."

Exists = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The library."""
    files = [native.BRIDGE / "client" / name for name in ("folder.c", "sentence.c", "system_posix.c")]
    path = native.compile_c(files, tmp_path_factory.mktemp("folder") / "code.so", "-shared", "-fPIC")
    code = ctypes.CDLL(str(path))
    code.ck_last_sentence.restype = ctypes.c_char_p
    code.ck_folder_find.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint32, Exists, ctypes.c_char_p)
    code.ck_folder_path.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    return code


@pytest.fixture
def folder() -> Iterator[Path]:
    """A sound runtime folder, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder:
        yield Path(folder)


def find(code: ctypes.CDLL, environ: dict[str, str], user: int, existing: list[str]) -> tuple[int, str, str]:
    """Return what ck_folder_find says, the folder, and the sentence."""
    given, folder = environ.get("CKEY_RUNTIME"), ctypes.create_string_buffer(ROOM)
    runtime = None if given is None else os.fsencode(given)
    said = code.ck_folder_find(runtime, None, user, Exists(lambda path: os.fsdecode(path) in existing), folder)
    return said, os.fsdecode(folder.value), os.fsdecode(code.ck_last_sentence())


def path_in(
    code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path | str, name: str = "lease"
) -> tuple[int, str]:
    """Return what ck_folder_path says with this CKEY_RUNTIME, and the path or the sentence."""
    monkeypatch.setenv("CKEY_RUNTIME", str(folder))
    path = ctypes.create_string_buffer(ROOM)
    said = code.ck_folder_path(name.encode(), path)
    return said, os.fsdecode(code.ck_last_sentence() if said == UNSAFE else path.value)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_folder_is_as_the_table_says(code: ctypes.CDLL, case: dict) -> None:
    """Each case gives its folder, or is refused with its words."""
    said, folder, sentence = find(code, case["environ"], case["uid"], case["existing"])
    if "error" in case:
        assert said == UNSAFE
        assert case["error"] in sentence
    else:
        assert (said, folder) == (OK, case["folder"])


def test_folder_without_end_is_refused(code: ctypes.CDLL) -> None:
    """The longest path that fits is taken, one more byte is not, and slashes at the end do not count."""
    longest = "/" + "x" * (ROOM - 2)
    assert find(code, {"CKEY_RUNTIME": longest + "///"}, 7, [])[:2] == (OK, longest)
    said, _, sentence = find(code, {"CKEY_RUNTIME": longest + "x"}, 7, [])
    assert (said, sentence.split("; ")[1]) == (
        UNSAFE,
        "set CKEY_RUNTIME to a shorter path, the same for every program.",
    )


def test_path_in_a_sound_folder(code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """It is the daemon's own path."""
    said, path = path_in(code, monkeypatch, f"{folder}/", "control")
    assert (said, path) == (OK, str(rendezvous.here().control_path))


def test_path_without_the_variable(code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's number, and what the machine has, lead where the daemon's own rule leads."""
    monkeypatch.delenv("CKEY_RUNTIME", raising=False)
    path = ctypes.create_string_buffer(ROOM)
    assert code.ck_folder_path(b"lease", path) in (OK, DOWN)
    assert os.fsdecode(path.value) == rendezvous.here().lease


def test_missing_folder_means_no_daemon(code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """It is no reason to worry the artist with folders."""
    assert path_in(code, monkeypatch, folder / "a" / "b")[0] == DOWN


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o704, 0o770, 0o1777])
def test_open_folder_is_refused(code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path, mode: int) -> None:
    """Any right of others is too much."""
    folder.chmod(mode)
    said = path_in(code, monkeypatch, folder)
    folder.chmod(0o700)
    assert said == (UNSAFE, f"{folder} is open to other users; {SAME}")


def test_link_is_refused(code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A link is refused to a sound folder and to nothing: who made it may turn it elsewhere."""
    for target in (folder, folder / "nothing"):
        link = folder / f"to-{target.name}"
        link.symlink_to(target)
        assert path_in(code, monkeypatch, link) == (UNSAFE, f"{link} is a symbolic link; {SAME}")
        assert path_in(code, monkeypatch, f"{link}/") == (UNSAFE, f"{link} is a symbolic link; {SAME}")


def test_file_is_refused(code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A file where the folder should be is named as such, and one above it as unreadable."""
    file = folder / "file"
    file.touch(0o600)
    assert path_in(code, monkeypatch, file) == (UNSAFE, f"{file} is not a folder; {SAME}")
    assert path_in(code, monkeypatch, file / "run") == (UNSAFE, f"{file / 'run'} cannot be read; {SAME}")


def test_foreign_folder_is_refused(code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What another user made in advance is not entered, even if it is shut to all others."""
    foreign = Path("/")
    if os.getuid() == 0:
        foreign = folder / "foreign"
        foreign.mkdir(0o700)
        os.chown(foreign, 65534, 65534)
    assert path_in(code, monkeypatch, foreign) == (UNSAFE, f"{foreign} belongs to another user; {SAME}")


def test_path_too_long_for_a_socket_is_refused(
    code: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """The longest path at which a socket can listen is taken, and one more byte is not."""
    deep = folder / ("x" * (LIMIT - len(str(folder)) - len("//lease")))
    deep.mkdir(0o700)
    said, path = path_in(code, monkeypatch, deep)
    assert (said, len(path)) == (OK, LIMIT)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    too_deep = deep.with_name(deep.name + "x")
    too_deep.mkdir(0o700)
    said, sentence = path_in(code, monkeypatch, too_deep)
    assert said == UNSAFE
    assert "too long; set CKEY_RUNTIME to a shorter path" in sentence
