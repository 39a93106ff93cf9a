"""The command `ckey` as processes of their own, for tests: each finds the daemon of the folder that it is given."""

import os
import subprocess
import sys
from pathlib import Path

CKEY = (sys.executable, "-m", "corridorkey_server.cli")
HEAVY = ("torch", "numpy", "OpenImageIO", "OpenEXR", "scipy", "rich")

_SCRIPT = """import sys
from corridorkey_server.cli import main
code = main(sys.argv[1:])
sys.stderr.write("loaded: " + " ".join(sys.modules) + "\\n")
sys.exit(code)
"""


def ckey(runtime: Path, *words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run `ckey` to its end."""
    command = [*CKEY, *map(str, words)]
    return subprocess.run(
        command, env=_environment(runtime), capture_output=True, text=True, cwd=cwd, timeout=120, check=False
    )


def start_ckey(runtime: Path, *words: object, **environment: str) -> "subprocess.Popen[str]":
    """Start `ckey`; what it says is to be read."""
    command, pipe = [*CKEY, *map(str, words)], subprocess.PIPE
    return subprocess.Popen(command, env=_environment(runtime) | environment, stdout=pipe, stderr=pipe, text=True)


def loaded_by(runtime: Path, *words: object) -> tuple[int, set[str]]:
    """Run `ckey`, and return its exit code and which heavy packages it loaded."""
    command = [sys.executable, "-c", _SCRIPT, *map(str, words)]
    ran = subprocess.run(command, env=_environment(runtime), capture_output=True, text=True, timeout=120, check=False)
    loaded = ran.stderr.rpartition("loaded: ")[2].split()
    assert "corridorkey_server.cli" in loaded, ran.stderr
    return ran.returncode, set(HEAVY) & set(loaded)


def _environment(runtime: Path) -> dict[str, str]:
    return os.environ | {"CKEY_RUNTIME": str(runtime)}
