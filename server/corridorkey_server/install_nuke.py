"""Puts the node into a folder that Nuke reads, and takes it away again.

It is FOLDER/CorridorKey, and a few marked lines in FOLDER/init.py that tell Nuke of it. All else in that file is the
artist's and stays as it is, to the byte. A folder called Cattery needs no lines: Nuke looks into it by itself.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from corridorkey_models import __version__
from corridorkey_models.errors import InputError

from .host_files import gizmo_files
from .install_files import (
    IDENTIFIER,
    Installed,
    make,
    move_all,
    refusals,
    refuse_link,
    workspace,
    write,
    write_command,
)

NAME = "CorridorKey"

_OURS = f"{IDENTIFIER}.nuke"
_MANIFEST = "manifest.json"
_CATTERY = "cat.json"
_HIDDEN = "cat"  # its name until the node is in place: Nuke walks a Cattery to the bottom for files called cat.json
_LINE = f"nuke.pluginAddPath('./{NAME}')"
_BEGIN, _END = f"# >>> {NAME} >>>", f"# <<< {NAME} <<<"
_LINES = (
    f"{_BEGIN} `ckey install nuke` wrote these lines, `ckey uninstall nuke` removes them.",
    "import nuke",
    _LINE,
    _END,
)
_BLOCK = re.compile(rf"^{_BEGIN}[^\n]*\n(?:(?!{_BEGIN})[^\n]*\n)*?{_END}\r?(?:\n|\Z)".encode(), re.MULTILINE)
_MARK = re.compile(rf"^(?:{_BEGIN}|{_END})".encode(), re.MULTILINE)
_BY_HAND = re.compile(rf"""^[ \t]*nuke\.pluginAddPath\(\s*['"](?:\./)?{NAME}/?['"]""".encode(), re.MULTILINE)


def user_folder(environ: Mapping[str, str], home: Path, platform: str = sys.platform) -> Path:
    """Return the folder of this user that Nuke reads; on Windows Nuke follows HOME where that is set."""
    named = environ.get("HOME") if platform == "win32" else None
    return Path(named or home) / ".nuke"


def install(gizmo: Path, folder: Path, command: Path, version: str = __version__) -> tuple[Installed, Installed | None]:
    """Copy the node into `folder`, made if need be, tell Nuke of it there, and return it and what it replaces.

    Whatever fails, what was there stays. All is written first; then names change, and init.py, which is never missing,
    last. So a process that is killed in between leaves the version that was there or none that Nuke would load, and
    doing it again completes it.

    Args:
        gizmo: the folder with the node, as `host_files.find_gizmo` gives it.
        folder: the user's own, one that NUKE_PATH names, or a Cattery.
        command: the `ckey` that starts the daemon.
        version: of the node.

    Raises:
        InputError: the folder may not be written to, something that is not ours has the node's name, or init.py is none
            that lines can be put into.
        ResourceError: the disk is full or failed.
    """
    with refusals(folder, is_system=False):
        before, script = find_installed(folder), _Script(folder)
        text = script.text if _is_cattery(folder) else script.told()
        script.refuse_link(text)
        with workspace(folder) as work:
            _write_node(gizmo, work, command, version)
            script.prepare(text, work)
            moves = [
                *_moves_out(before, work),
                (work / NAME, folder / NAME),
                (work / _HIDDEN, folder / NAME / _CATTERY),
            ]
            move_all(moves)
            try:
                script.change(text, work)
            except OSError:
                move_all([(target, source) for source, target in reversed(moves)])
                raise
    return Installed(folder / NAME, version), before


def uninstall(folder: Path) -> Installed | None:
    """Remove our node and its lines from `folder`, and return what it was; None if there was neither.

    Raises:
        InputError: what lies there is not ours, or may not be removed.
        ResourceError: the disk failed.
    """
    with refusals(folder, is_system=False):
        before, script = find_installed(folder), _Script(folder)
        text = script.untold()
        if before is None and text == script.text:
            return None
        script.refuse_link(text)
        with workspace(folder) as work:
            make(work)
            script.prepare(text, work)
            script.change(text, work)
            move_all(_moves_out(before, work))
            shutil.rmtree(work)
    return before or Installed(script.path, "")


def find_installed(folder: Path) -> Installed | None:
    """Return our node in `folder`, None if there is none.

    Raises:
        InputError: what has its name is a link, or not ours; or `folder` is the node's own.
    """
    path = folder / NAME
    if _version(folder) is not None:
        raise InputError(f"{folder} is {NAME} itself; name the folder that holds it, {folder.parent}.")
    refuse_link(path)
    if not path.exists():
        return None
    version = _version(path)
    if version is None:
        raise InputError(f"{path} is not what ckey installed; move it away and try again.")
    return Installed(path, version)


def explain(folder: Path, environ: Mapping[str, str], home: Path, platform: str = sys.platform) -> Sequence[str]:
    """Return lines that tell which Nuke sees a node in `folder`, and what is needed for it."""
    if _is_cattery(folder):
        return ("Nuke 14 and newer find it there where they read the folder that holds this Cattery.",)
    separator = ";" if platform == "win32" else ":"
    named = [Path(name) for name in environ.get("NUKE_PATH", "").split(separator) if name]
    if folder in (user_folder(environ, home, platform), *named):
        return (f"Nuke reads {folder}; its init.py names the node.",)
    return (f"Nuke reads {folder} once NUKE_PATH names it; its init.py names the node.",)


class _Script:
    """The init.py of a folder.

    Attributes:
        text: what it holds; None if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "init.py"
        self.text = self.path.read_bytes() if self.path.exists() else None

    def told(self) -> bytes:
        """Return its text with our lines, once and as they are today, or with the line that somebody wrote by hand.

        Raises:
            InputError: it is no Python script, or a part of our lines is there.
        """
        text, found = self.untold(), _BLOCK.findall(self.text or b"")
        if b"\0" in (text or b""):
            raise InputError(f"{self.path} is no Python script that Nuke reads; save it as UTF-8 and try again.")
        if text is None:
            return _block(b"") + b"\n"
        if _BY_HAND.search(text):
            return text
        if self.text and len(found) == 1 and found[0].rstrip() == _block(self.text):
            return self.text
        # The last line of a text without an end gives its place, and its lack of an end, to ours: so `untold` knows.
        end = _end(text)
        return text + _block(text) + end if text.endswith(b"\n") else text + (end if text else b"") + _block(text)

    def untold(self) -> bytes | None:
        """Return its text without our lines; None if it was made for those.

        Raises:
            InputError: a part of our lines is there.
        """
        text = self.text
        while text and (found := _BLOCK.search(text)):
            head, tail = text[: found.start()], text[found.end() :]
            if not found[0].endswith(b"\n"):
                head = head.removesuffix(b"\n").removesuffix(b"\r")
            text = head + tail
            if not text and found[0].endswith(b"\n"):
                return None
        if text and _MARK.search(text):
            raise InputError(f"{self.path} has only a part of {NAME}'s lines; remove that part and try again.")
        return text

    def refuse_link(self, text: bytes | None) -> None:
        """Refuse a link where another text is needed: what it leads to may be somebody else's, or shared.

        Raises:
            InputError: it is one.
        """
        if text != self.text and self.path.is_symlink():
            raise InputError(
                f"{self.path} is a link to {self.path.readlink()}; change that file by hand, the line is {_LINE}."
            )

    def prepare(self, text: bytes | None, work: Path) -> None:
        """Write another text into `work`, with the rights of what is there."""
        if text is None or text == self.text:
            return
        write(work / self.path.name, text)
        if self.text is not None:
            shutil.copymode(self.path, work / self.path.name)
            _give(work / self.path.name, self.path.stat())

    def change(self, text: bytes | None, work: Path) -> None:
        """Put what was prepared in the place of what is there, at once; remove that if the text is None."""
        if text is None and self.text is not None:
            self.path.unlink()
        elif text != self.text:
            (work / self.path.name).replace(self.path)


def _end(text: bytes) -> bytes:
    return b"\r\n" if b"\r\n" in text else b"\n"


def _block(text: bytes) -> bytes:
    """Return our lines with the line ends of a text; the last has none."""
    return _end(text).join(line.encode() for line in _LINES)


def _is_cattery(folder: Path) -> bool:
    return folder.name.lower() == "cattery"


def _version(path: Path) -> str | None:
    """Return the version of a node's folder, None if it is not ours."""
    try:
        facts = json.loads((path / _MANIFEST).read_bytes())
        return str(facts["version"]) if facts["identifier"] == _OURS else None
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _write_node(gizmo: Path, work: Path, command: Path, version: str) -> None:
    for path in gizmo_files(gizmo):
        place = work / (_HIDDEN if path.name == _CATTERY else NAME / path.relative_to(gizmo))
        make(place.parent)
        write(place, path.read_bytes())
    write_command(work / NAME, command)
    manifest = {"identifier": _OURS, "version": version}
    write(work / NAME / _MANIFEST, f"{json.dumps(manifest)}\n".encode())


def _moves_out(before: Installed | None, work: Path) -> list[tuple[Path, Path]]:
    """Return how what is installed goes into `work`."""
    if before is None:
        return []
    cat = before.path / _CATTERY
    return [*([(cat, work / "old cat")] if cat.exists() else []), (before.path, work / "old")]


def _give(path: Path, owner: os.stat_result) -> None:
    """Give a file to another owner, where this user may do so and the system has such."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.chown(path, owner.st_uid, owner.st_gid)
