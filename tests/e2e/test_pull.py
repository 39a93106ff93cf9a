"""`ckey pull` and `ckey models` against a hub on this machine: first use, bad files, killed pulls."""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from corridorkey_models.checkpoints import CHECKPOINTS, accept, find_installed, known_sha256, record_sha256
from corridorkey_models.download import pull
from corridorkey_models.errors import Cancelled
from corridorkey_server import cli
from small_checkpoint import save_published, small_state_dict

GREEN = CHECKPOINTS["green"]
FIRST, SECOND = (f"/{GREEN.repo}/resolve/main/{name}" for name in GREEN.filenames)
ACCEPT = ["pull", "green", "--accept-license"]


@dataclass
class Hub:
    """What a hub of one's own serves.

    Attributes:
        files: content by path; anything else is not there (404).
        requests: method and path of everything that was asked.
        status: what it answers instead, for instance 503.
        hold_after: bytes after which an answer stops until `release` is set; `held` tells when it does.
        drops: how many more answers break off in their middle.
    """

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200
    hold_after: int | None = None
    drops: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        content, hub = self._head(), self.server.hub
        if hub.hold_after is not None:
            self.wfile.write(content[: hub.hold_after])
            hub.held.set()
            hub.release.wait(60)
        elif hub.drops:
            hub.drops -= 1
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        else:
            self.wfile.write(content)

    def _head(self) -> bytes:
        """Send the header of an answer, and return the body that is due."""
        hub = self.server.hub
        hub.requests.append((self.command, self.path))
        whole = hub.files.get(self.path)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        content = (whole or b"")[start:]
        self.send_response(404 if whole is None else 206 if start else hub.status)
        if whole is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self.send_header("ETag", f'"{sha256(whole[:1000]).hexdigest()}"')
            self.send_header("X-Repo-Commit", 40 * "a")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return content

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub on this machine, that pulls are pointed at."""
    hub = Hub()
    server = _Server(hub)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield hub
    hub.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty models folder."""
    monkeypatch.setenv("CKEY_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as it is published."""
    return save_published(tmp_path_factory.mktemp("published") / "green.pth", small_state_dict())


def _saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _refused(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> str:
    """Return the one sentence that `ckey` ends with; nothing may be installed or left behind."""
    assert cli.main(arguments) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert "ckey: " in last
    folder = Path(os.environ["CKEY_MODELS"])
    if folder.exists():
        assert set(_names(folder)) <= {".lock", "licences.json", "sources.json"}
    return last


def test_first_pull(hub: Hub, models: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terms are shown, progress is plain, the file is where it is said to be, and it verifies."""
    hub.files[FIRST] = published.read_bytes()
    assert cli.main(ACCEPT) == 0
    said = capsys.readouterr()
    assert "paid API" in said.err
    assert "Progress: 100% download" in said.err
    assert said.err.count("Progress") < 70
    assert str(models / "green.safetensors") in said.out
    assert _names(models) == [".lock", "green.safetensors", "licences.json", "sources.json"]
    assert hub.requests == [("HEAD", FIRST), ("GET", FIRST)]

    assert cli.main(["models", "--verify"]) == 0
    listed = capsys.readouterr().out
    for words in ("green: whole", f"{GREEN.repo}/CorridorKey_v1.0.pth", GREEN.licence, "blue: not installed"):
        assert words in listed
    assert sha256(published.read_bytes()).hexdigest() in listed

    asked = len(hub.requests)
    assert cli.main(["pull", "green"]) == 0
    assert "was installed already" in capsys.readouterr().out
    assert len(hub.requests) == asked


def test_file_under_its_other_name(hub: Hub, models: Path, published: Path) -> None:
    """Where the first name is gone, the second is taken and recorded."""
    hub.files[SECOND] = published.read_bytes()
    assert cli.main(ACCEPT) == 0
    found = find_installed("green", models)
    assert found is not None
    assert found.source.endswith("/CorridorKey.pth")
    assert ("HEAD", FIRST) in hub.requests


@pytest.mark.usefixtures("models")
def test_neither_name_is_there(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    """With both names gone, both are named, and how to bring the file by hand."""
    said = _refused(capsys, ACCEPT, 2)
    for words in ("404", *GREEN.filenames, hub.endpoint, "--from FILE"):
        assert words in said


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("status,code,words", [(401, 2, "refuses"), (403, 2, "refuses"), (400, 1, "answered 400")])
def test_hub_refuses(hub: Hub, capsys: pytest.CaptureFixture[str], status: int, code: int, words: str) -> None:
    """A hub that says no is quoted with its status."""
    hub.files[FIRST], hub.status = b"x", status
    assert words in _refused(capsys, ACCEPT, code)


@pytest.mark.usefixtures("models", "hub")
def test_offline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the studio forbids downloads, the way without one is named and nothing is asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "--from FILE" in _refused(capsys, ACCEPT, 1)


@pytest.mark.usefixtures("models")
def test_no_network(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A hub that does not answer is a failure worth trying again."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert "cannot be reached" in _refused(capsys, ACCEPT, 1)


@pytest.mark.usefixtures("models")
def test_transfer_that_breaks_off_is_taken_up(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    """After a broken connection the rest is fetched: the file that arrives is complete, if not the network's."""
    hub.files[FIRST], hub.drops = _saved({"a": torch.zeros(3000)}), 1
    assert "lacks alpha_decoder" in _refused(capsys, ACCEPT, 2)
    assert [method for method, _ in hub.requests] == ["HEAD", "GET", "GET"]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    "content,words",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", "git-LFS pointer"),
        (_saved({"a": torch.zeros(3000)})[:2000], "cut short"),
        (_saved({"a": torch.zeros(3000)}), "lacks alpha_decoder"),
        (bytes(range(256)) * 9, "no torch checkpoint"),
    ],
)
def test_served_file_is_no_checkpoint(hub: Hub, capsys: pytest.CaptureFixture[str], content: bytes, words: str) -> None:
    """A pointer, a stump, another network and noise are each named, and never installed."""
    hub.files[FIRST] = content
    assert words in _refused(capsys, ACCEPT, 2)


def test_wrong_bytes_of_the_right_size(hub: Hub, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that changed since the last pull is refused, with both hashes and the way to accept it."""
    before, after = (_saved({"a": torch.full((100,), value)}) for value in (1.0, 2.0))
    assert len(before) == len(after)
    record_sha256(GREEN, sha256(before).hexdigest(), models)
    hub.files[FIRST] = after
    said = _refused(capsys, ACCEPT, 2)
    for words in (sha256(before).hexdigest(), sha256(after).hexdigest(), "--overwrite"):
        assert words in said
    assert known_sha256(GREEN, models) == sha256(before).hexdigest()
    assert "lacks" in _refused(capsys, [*ACCEPT, "--overwrite"], 2)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("answer", ["\n", "n\n", "", "maybe\n"])
def test_declined_terms(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    """Anything but yes is no: nothing is asked of the hub."""
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    assert "not accepted" in _refused(capsys, ["pull", "green"], 1)
    assert hub.requests == []


@pytest.mark.usefixtures("models")
def test_terms_are_asked_once(hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """After a yes the next pull, of either screen, does not ask again."""
    monkeypatch.setattr(sys, "stdin", _Terminal("y\n"))
    assert "404" in _refused(capsys, ["pull", "green"], 2)
    assert cli.main(["pull", "blue"]) == 2
    assert "accept" not in capsys.readouterr().err
    assert hub.requests[-1][1].endswith("CorridorKeyBlue_1.0.pth")


@pytest.mark.usefixtures("models")
def test_farm_job_cannot_be_asked(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal the option to accept is named, and nothing is downloaded."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert "--accept-license" in _refused(capsys, ["pull", "green"], 2)
    assert hub.requests == []


def test_file_brought_by_hand(hub: Hub, models: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--from` installs without a network, leaves the file alone; --overwrite replaces a damaged copy."""
    arguments = [*ACCEPT, "--from", str(published)]
    assert cli.main(arguments) == 0
    assert published.is_file()
    assert hub.requests == []

    target = models / "green.safetensors"
    with target.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    assert cli.main(["models"]) == 0
    assert cli.main(["models", "--verify"]) == 2
    said = capsys.readouterr()
    assert "green: damaged" in said.out
    assert "ckey pull green --overwrite" in said.err

    assert cli.main([*arguments, "--overwrite"]) == 0
    assert cli.main(["models", "--verify"]) == 0


@pytest.mark.usefixtures("models")
def test_missing_file_brought_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip in the path is an error in words."""
    assert "none.pth cannot be read" in _refused(capsys, [*ACCEPT, "--from", "none.pth"], 2)


def test_cancelled_download(hub: Hub, models: Path) -> None:
    """What a watch raises ends the download, and nothing is left of it."""
    hub.files[FIRST] = bytes(30 << 20)
    accept(GREEN, models)

    def stop(stage: str, fraction: float) -> None:
        raise Cancelled(f"{stage} {fraction}")

    with pytest.raises(Cancelled, match="download"):
        pull(GREEN, folder=models, watch=stop)
    assert _names(models) == [".lock", "licences.json"]


def _start_pull() -> "subprocess.Popen[bytes]":
    program = [sys.executable, "-m", "corridorkey_server.cli", *ACCEPT]
    return subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_killed_pull(hub: Hub, models: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second pull is told to wait; what a killed one leaves is removed by the next."""
    hub.files[FIRST], hub.hold_after = published.read_bytes(), 20 << 20
    process = _start_pull()
    assert hub.held.wait(30)
    assert cli.main(ACCEPT) == 1
    assert "another `ckey pull`" in capsys.readouterr().err

    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert any(name.startswith(".pull-") for name in _names(models))
    assert find_installed("green", models) is None

    hub.hold_after = None
    assert cli.main(ACCEPT) == 0
    assert _names(models) == [".lock", "green.safetensors", "licences.json", "sources.json"]


def test_interrupted_pull(hub: Hub, models: Path, published: Path) -> None:
    """Ctrl-C ends with exit code 1, one line, and nothing left behind."""
    hub.files[FIRST], hub.hold_after = published.read_bytes(), 20 << 20
    process = _start_pull()
    assert hub.held.wait(30)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert _names(models) == [".lock", "licences.json"]
