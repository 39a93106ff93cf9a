"""When the network runs: only for what it sees; and all that it is told reaches the daemon."""

import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.params import PARAMS, Param, Stage
from corridorkey_models.synthetic import ShotSpec, render
from corridorkey_server.client import Client
from corridorkey_server.rendezvous import Rendezvous
from daemons import EchoDaemon, Pixels, stamped
from ofx_shots import ODD, effect_of, solid, wired
from ofxhost import NUKE, Host, Picture

# For each parameter a value that changes what the network sees of `odd_hint`, or what it is.
PREDICTED: dict[str, float | str | bool] = {
    "screen": "blue",
    "working_space": "srgb",
    "hint_source": "chroma",
    "hint_channel": "red",
    "hint_invert": True,
    "hint_erode": 4.0,
    "hint_blur": 3.0,
    "overscan": True,
}
NOT_OF_THE_PROCEDURAL = {"quality", "refiner_scale"}


def shot(frame: int = 0) -> tuple[Pixels, Pixels]:
    """Return plate and hint of a small synthetic frame."""
    truth = render(ShotSpec(width=ODD[0], height=ODD[1]), frame)
    return truth.plate.astype(np.float32), truth.hint.astype(np.float32)


def another(param: Param) -> float | str | bool:
    """Return a value that a parameter does not have by default."""
    if param.kind == "choice":
        return param.choices[1 if param.default == param.choices[0] else 0]
    if param.kind == "bool":
        return not param.default
    assert param.low is not None
    assert param.high is not None
    default = float(param.default)
    return (default + (param.low if param.low != default else param.high)) / 2


def change_each(stages: set[Stage], plug_in: Path, client: Client, frame: int) -> dict[str, bool]:
    """Render with a change of one parameter at a time; return of which of them the prediction was kept."""
    plate, hint = shot(frame)
    odd_hint = np.dstack((hint * 0.5, hint[::-1], hint, hint))
    pictures = {"Source": Picture(solid(plate), at=(-8, -6)), "AlphaHint": Picture(odd_hint, at=(-8, -6))}
    kept = {}
    for param in (param for param in PARAMS if param.stage in stages and param.name not in NOT_OF_THE_PROCEDURAL):
        value = PREDICTED.get(param.name, another(param))
        with Host(plug_in, NUKE) as host:
            effect_of(host).render(pictures, extent=(140.0, 80.0))
            before = client.status()["frames"]
            result = effect_of(host, **{param.name: value}).render(pictures, extent=(140.0, 80.0))
            after = client.status()["frames"]
        assert result.status == 0, result.messages
        assert after["keyed"] == before["keyed"] + 1
        kept[param.name] = after["kept"] == before["kept"] + 1
    return kept


@pytest.mark.slow
def test_finishing_does_not_run_the_network_again(plug_in: Path, keying: Client) -> None:
    """A change of what is done behind the network reuses its prediction, for every such parameter."""
    kept = change_each({Stage.FINISH, Stage.VIEW}, plug_in, keying, 21)
    assert {"despill", "despeckle", "matte_grow", "output"} <= set(kept)
    assert [name for name, was_kept in kept.items() if not was_kept] == []


@pytest.mark.slow
def test_what_the_network_sees_runs_it_again(plug_in: Path, keying: Client) -> None:
    """Nothing is reused that a change makes wrong."""
    kept = change_each({Stage.PREDICT}, plug_in, keying, 22)
    assert set(kept) == set(PREDICTED)
    assert [name for name, was_kept in kept.items() if was_kept] == []


@contextmanager
def tapped(daemon: Rendezvous, folder: Path) -> Iterator[bytearray]:
    """Stand before a daemon in a folder of its own, for one connection; yields all that is said to the daemon."""
    folder.mkdir(mode=0o700)
    (folder / "lease").symlink_to(daemon.lease)
    listener, far, heard = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX), bytearray()
    listener.bind(str(folder / "control"))
    listener.listen()
    far.connect(str(daemon.control_path))

    def carry(source: socket.socket, target: socket.socket, note: bytearray) -> None:
        while data := source.recv(65536):
            note.extend(data)
            target.sendall(data)

    def serve(threads: ThreadPoolExecutor) -> None:
        near, _ = listener.accept()
        with near:
            answers = threads.submit(carry, far, near, bytearray())
            try:
                carry(near, far, heard)
            finally:
                far.shutdown(socket.SHUT_RDWR)
                answers.exception(10)

    with listener, far, ThreadPoolExecutor(2) as threads:
        serving = threads.submit(serve, threads)
        yield heard
        listener.shutdown(socket.SHUT_RDWR)
        serving.exception(10)


@pytest.mark.parametrize(
    ("params", "packed"),
    [
        ({}, b"\xa7quality\xa4full"),
        ({"quality": "half"}, b"\xa7quality\xa4half"),
        ({"refiner_scale": 0.5}, b"\xadrefiner_scale\xcb" + struct.pack(">d", 0.5)),
    ],
    ids=["default", "quality", "refiner"],
)
def test_what_the_procedural_keyer_has_no_use_for_is_sent(
    params: dict[str, object], packed: bytes, plug_in: Path, echo: EchoDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quality, full by default, and the refiner's strength stand in the request."""
    plate, hint = stamped(ODD, 1, 1)
    folder = echo.place.folder.parent / "tap"
    monkeypatch.setenv("CKEY_RUNTIME", str(folder))
    with tapped(echo.place, folder) as heard, Host(plug_in, NUKE) as host:
        assert effect_of(host, **params).render(wired(NUKE, plate, hint)).status == 0
    assert packed in heard
