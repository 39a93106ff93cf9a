"""`ckey pull` and `ckey models` where the environment is wrong: network settings, and folders that cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from corridorkey_server import cli

ACCEPT = ["pull", "green", "--accept-license"]


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty models folder, and no hub."""
    monkeypatch.setenv("CKEY_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def _ckey(arguments: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `ckey` in a process of its own, as the client of the hub reads its settings once."""
    program = [sys.executable, "-m", "corridorkey_server.cli", *arguments]
    outside = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    outside["HF_ENDPOINT"] = "http://127.0.0.1:1"
    return subprocess.run(
        program, env={**outside, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "setting,value",
    [
        ("ALL_PROXY", "nonsense://"),
        ("HTTPS_PROXY", "nonsense://"),
        ("HTTPS_PROXY", "http://[::1"),
        ("SSL_CERT_FILE", "/nosuch"),
        ("HF_ENDPOINT", "http://[::1"),
        ("HF_ENDPOINT", "nosuch"),
        ("HF_ENDPOINT", "http://127.0.0.1:99999"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "abc"),
        ("HF_HUB_ETAG_TIMEOUT", ""),
        ("HF_HUB_ETAG_TIMEOUT", "-1"),
    ],
)
def test_network_setting_with_a_slip(setting: str, value: str) -> None:
    """Whatever is wrong with a setting for the network, one sentence names it."""
    ran = _ckey(ACCEPT, **{setting: value})
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("ckey: ")
    assert setting in ran.stderr.splitlines()[-1]


def test_proxy_that_is_away() -> None:
    """A SOCKS proxy, with or without the package it needs, is named where it cannot be used."""
    ran = _ckey(ACCEPT, ALL_PROXY="socks5://127.0.0.1:1")
    assert ran.returncode in (1, 2)
    assert "Traceback" not in ran.stderr
    assert "ALL_PROXY" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "environment,words",
    [
        ({"NO_PROXY": "localhost"}, "network or HF_ENDPOINT"),
        ({"HTTPS_PROXY": "http://127.0.0.1:1"}, "network or HF_ENDPOINT"),
        ({"HTTP_PROXY": "127.0.0.1:2"}, "through the proxy 127.0.0.1:2; check the network or HTTP_PROXY"),
        ({"HTTP_PROXY": "127.0.0.1:2", "NO_PROXY": "127.0.0.1"}, "network or HF_ENDPOINT"),
    ],
)
def test_what_does_not_answer_is_found_at_once(environment: dict[str, str], words: str) -> None:
    """Only the proxy for the hub's own address counts, and the client's half minute of trying is never begun."""
    ran = _ckey(ACCEPT, **environment)
    assert ran.returncode == 1
    assert words in ran.stderr.splitlines()[-1]
    assert "thrown while requesting" not in ran.stderr


_AS_NOBODY = """
import os, sys
from corridorkey_models.convert import load_network
from corridorkey_models.errors import CorridorKeyError
from corridorkey_server import cli
import corridorkey_models.download, corridorkey_server.commands.models, corridorkey_server.commands.pull
if os.getuid() == 0:
    os.setuid(65534)
print([cli.main(["models"]), cli.main(["models", "--verify"]), cli.main(["pull", "green", "--accept-license"])])
try:
    load_network("green")
except CorridorKeyError as error:
    print(error)
"""


def test_models_folder_of_somebody_else(tmp_path: Path) -> None:
    """A folder that this user may not look into is a sentence for each command, not a traceback."""
    folder = tmp_path / "models"
    folder.mkdir(mode=0o700 if os.getuid() == 0 else 0o000)
    environment = {**os.environ, "CKEY_MODELS": str(folder / "inside")}
    ran = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY], env=environment, capture_output=True, text=True, check=True
    )
    codes, sentence = ran.stdout.splitlines()[-2:]
    assert codes == "[2, 2, 2]"
    assert ran.stderr.count("Permission denied") == 3
    assert ran.stderr.count("set CKEY_MODELS") == 3
    assert "green.safetensors cannot be read (Permission denied)" in sentence


@pytest.mark.parametrize("folder", ["~nosuch/x", "/tmp/" + 300 * "a"])
@pytest.mark.parametrize("arguments", [["models"], ACCEPT])
def test_models_folder_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str, arguments: list[str]
) -> None:
    """A slip in CKEY_MODELS is named by each command."""
    monkeypatch.setenv("CKEY_MODELS", folder)
    assert cli.main(arguments) == 2
    assert "set CKEY_MODELS" in capsys.readouterr().err.splitlines()[-1]
