"""Asks a real Nuke what CorridorKey's node relies on: `nuke -t tests/hosts/nuke_smoke.py`.

Prints one line a question, to be sent with an issue, and ends with 1 if the node would not work in this Nuke. Writes
only into a folder of its own, which it removes. Where `ckey start` runs a daemon for this user three frames are keyed.
"""

from __future__ import annotations

import shutil
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nuke

GIZMO = Path(__file__).resolve().parents[2] / "nuke_gizmo"
OFX_CLASS = "OFXcorridorkey.comp_v1"
WIDTH, HEIGHT = 64, 36
CHANNELS = ("A", "B", "G", "R", "ck_hint.alpha")
FRAMES = (1, 2, 3)
ROW = (0.0,) * (WIDTH // 2) + (0.5,) * (WIDTH // 2)


class Wrong(Exception):
    """This Nuke is not as the node needs it."""


def attribute(name: str, kind: str, value: bytes) -> bytes:
    """Return an attribute of an EXR header."""
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value


def write_exr(path: Path, settings: str) -> None:
    """Write a keyed frame, uncompressed, in which all channels are ROW in each line."""
    box = struct.pack("<4i", 0, 0, WIDTH - 1, HEIGHT - 1)
    channels = b"".join(name.encode() + b"\0" + struct.pack("<iiii", 2, 0, 1, 1) for name in CHANNELS) + b"\0"
    head = struct.pack("<ii", 20000630, 2)
    head += attribute("channels", "chlist", channels) + attribute("compression", "compression", b"\0")
    head += attribute("corridorkey/settings", "string", settings.encode())
    head += attribute("dataWindow", "box2i", box) + attribute("displayWindow", "box2i", box)
    head += attribute("lineOrder", "lineOrder", b"\0") + attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    head += attribute("screenWindowCenter", "v2f", bytes(8)) + attribute("screenWindowWidth", "float", b"\0\0\x80?")
    row = struct.pack(f"<{WIDTH}f", *ROW) * len(CHANNELS)
    first = len(head) + 1 + 8 * HEIGHT
    places = [first + line * (8 + len(row)) for line in range(HEIGHT)]
    lines = b"".join(struct.pack("<ii", line, len(row)) + row for line in range(HEIGHT))
    path.write_bytes(head + b"\0" + struct.pack(f"<{HEIGHT}Q", *places) + lines)


@contextmanager
def made(*nodes: Any) -> Iterator[Any]:
    """Give nodes, which are deleted at the end."""
    try:
        yield nodes[0] if len(nodes) == 1 else nodes
    finally:
        for node in nodes:
            nuke.delete(node)


def expect(holds: object, otherwise: str) -> None:
    """Tell what is wrong if something does not hold."""
    if not holds:
        raise Wrong(otherwise)


def line_of(error: Exception) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split())


def all_nodes() -> list[Any]:
    """Return the nodes of the script."""
    return list(nuke.allNodes())


def plate() -> Any:
    """Return a small picture to key."""
    node = nuke.nodes.Constant(format="ckey_smoke")
    for index, value in enumerate((0.1, 0.6, 0.15, 1)):
        node["color"].setValue(value, index)
    return node


def node_of(name: str = "CorridorKey") -> Any:
    """Make the node as the menu does."""
    for selected in nuke.selectedNodes():
        selected.setSelected(False)
    return nuke.createNode(name, inpanel=False)


def set_range(node: Any) -> None:
    """Let a node key and show three frames; an expression would keep what it says."""
    for knob, frame in (("first", FRAMES[0]), ("last", FRAMES[-1])):
        node[knob].clearAnimated()
        node[knob].setValue(frame)


def keyed_node(folder: Path) -> Any:
    """Make a node whose frames are keyed with its settings."""
    node = node_of()
    set_range(node)
    node["working_space"].setValue("linear_rec709")
    node["file"].setValue((folder / "keyed.%04d.exr").as_posix())
    for frame in FRAMES:
        write_exr(folder / f"keyed.{frame:04d}.exr", node["settings"].evaluate())
    node.node("CacheRead")["reload"].execute()
    return node


def render(node: Any, path: Path, frame: int = 1) -> None:
    """Render a node as a farm does, by a Write behind it, into a file whose last line is easy to read."""
    with made(nuke.nodes.Write(file=path.as_posix(), channels="rgba", raw=True)) as write:
        for knob, value in (("file_type", "exr"), ("datatype", "32 bit float"), ("compression", "none")):
            write[knob].setValue(value)
        write.setInput(0, node)
        nuke.execute(write, frame, frame, 1)
    expect(path.exists(), "the render ended and wrote nothing")


def fails(node: Any, path: Path) -> str:
    """Return what a render says that has to fail, empty if it does not."""
    try:
        render(node, path)
    except RuntimeError as error:
        return str(error)
    return ""


def the_package_is_found(_folder: Path) -> str:
    """Where it was installed, Nuke has run its init.py, whose paths are relative."""
    how = "found by Nuke" if find_spec("corridorkey_nuke") else "not installed, taken from the checkout"
    for path in (GIZMO, GIZMO / "live", GIZMO / "python"):
        nuke.pluginAppendPath(path.as_posix())
    import corridorkey_nuke  # noqa: PLC0415 - not there before

    return f"{corridorkey_nuke.VERSION}, {how}"


def the_node_is_made(_folder: Path) -> str:
    """A .gizmo file whose root is a Group gives a Group with everything in it."""
    with made(node_of()) as node:
        names = {child.name() for child in node.nodes()}
        missing = {"EngineExport", "CacheRead", "State", "SettingsCheck", "OutputSwitch", "Output1"} - names
        expect(not missing, f"it lacks {sorted(missing)}")
        inputs = node.maximumInputs() if hasattr(node, "maximumInputs") else node.maxInputs()
        return f"{node.Class()} {node.name()}, {inputs} inputs"


def classes_are_told(_folder: Path) -> str:
    """`hasattr(nuke.nodes, ...)` is how menu.py finds out whether Live works."""
    known, unknown = hasattr(nuke.nodes, "Read"), hasattr(nuke.nodes, "OFXcorridorkey.none_v1")
    live = hasattr(nuke.nodes, OFX_CLASS)
    expect(known, "it denies a class that there is")
    return f"Read {known}, a class that there is not {unknown}, {OFX_CLASS} {live}"


def gui_is_told(_folder: Path) -> str:
    """`$gui` in an expression is 0 in a terminal, which is what makes the live node render Cached."""
    with made(nuke.nodes.Switch()) as switch:
        switch["which"].setExpression("$gui && 1 ? 0 : 1")
        expect(switch["which"].value() == 1, "a terminal counts as a GUI")
    return "0"


def the_settings_are_read(folder: Path) -> str:
    """Tcl in a knob reads the metadata of the inner Read and compares them with the settings."""
    with made(keyed_node(folder)) as node:
        settings, state = node["settings"].evaluate(), node.node("State")
        found = state["keyed_with"].evaluate()
        expect(found == settings, f"metadata gives {found!r}, the settings are {settings!r}")
        expect(not state["stale"].value(), "a frame that was just keyed is stale")
        node["despill"].setValue(0.25)
        expect(state["stale"].value(), "a changed knob does not make it stale")
        return str(settings)


def a_keyed_frame_renders(folder: Path) -> str:
    """A render in a terminal shows the file, with nothing of ours at work."""
    with made(plate(), keyed_node(folder)) as (source, node):
        node.setInput(0, source)
        render(node, folder / "rendered.exr")
        line = (folder / "rendered.exr").read_bytes()[-16 * WIDTH :]
        alpha = struct.unpack(f"<{WIDTH}f", line[: 4 * WIDTH])
        expect(alpha == ROW, f"alpha goes from {alpha[0]:g} to {alpha[-1]:g}, not from {ROW[0]:g} to {ROW[-1]:g}")
    return "alpha as in the file"


def a_stale_frame_stops(folder: Path) -> str:
    """Assert stops the render, and its message names the node."""
    with made(plate(), keyed_node(folder)) as (source, node):
        node.setInput(0, source)
        node["despill"].setValue(0.25)
        said = fails(node, folder / "stale.exr")
        expect(said, "an old frame was rendered")
        expect(node.name() in said, f"the message is not filled in: {said}")
        return said


def a_missing_frame_stops(folder: Path) -> str:
    """A frame that was never keyed is an error and no black."""
    with made(plate(), keyed_node(folder)) as (source, node):
        node.setInput(0, source)
        (folder / "keyed.0001.exr").unlink()
        node.node("CacheRead")["reload"].execute()
        said = fails(node, folder / "missing.exr")
        expect(said, "a missing frame was rendered")
        return said


def the_inner_write_executes(folder: Path) -> str:
    """A Write in a Group with an expression in `disable` runs when asked to, and calls back on the main thread."""
    calls, main = [], threading.current_thread()

    def called() -> None:
        calls.append((nuke.thisNode().name(), int(nuke.frame()), threading.current_thread() is main))

    with made(plate(), node_of()) as (source, node):
        node.setInput(0, source)
        export = node.node("EngineExport")
        expect(export["disable"].value(), "it is not disabled when nobody exports")
        node["exchange"].setValue((folder / "exchange.%04d.exr").as_posix())
        node["exporting"].setValue(True)
        nuke.addAfterFrameRender(called, nodeClass="Write")
        try:
            nuke.execute(export, FRAMES[0], FRAMES[-1], 1, nuke.views()[:1])
        finally:
            nuke.removeAfterFrameRender(called, nodeClass="Write")
    written = sorted(path.name for path in folder.glob("exchange.*"))
    expect(len(written) == len(FRAMES), f"it wrote {written}")
    expect([call[1] for call in calls] == list(FRAMES), f"callbacks were {calls}")
    return f"{len(written)} files, callbacks {calls}"


def a_class_that_is_missing(folder: Path) -> str:
    """The live node where the OFX plug-in is not: a placeholder, and Cached renders all the same."""
    text = (GIZMO / "live" / "CorridorKeyLive.gizmo").read_text().replace(OFX_CLASS, "OFXcorridorkey.none_v1")
    (folder / "missing_class.nk").write_text(text)
    before = {one.fullName() for one in all_nodes()}
    try:
        nuke.nodePaste((folder / "missing_class.nk").as_posix())
        said = "loads"
    except RuntimeError as error:
        said = f"loads and says: {line_of(error)}"
    (node,) = (one for one in all_nodes() if one.fullName() not in before)
    with made(plate(), node) as (source, _):
        live = node.node("Live")
        said += f"; Live is {live.Class() if live else 'left out'}"
        node["working_space"].setValue("linear_rec709")
        node["file"].setValue((folder / "live.%04d.exr").as_posix())
        write_exr(folder / "live.0001.exr", node["settings"].evaluate())
        node.setInput(0, source)
        render(node, folder / "live_rendered.exr")
    return said + "; Cached renders"


def three_frames_are_keyed(folder: Path) -> str:
    """The whole way, where a daemon runs: export, keying, reading back; a second time nothing is keyed."""
    import corridorkey_nuke  # noqa: PLC0415 - see the first question
    from corridorkey_nuke.failure import Refusal  # noqa: PLC0415
    from corridorkey_nuke.session import Session  # noqa: PLC0415

    try:
        Session(name="nuke_smoke").close()
    except Refusal as error:
        return f"left out: {error}"
    with made(plate(), node_of()) as (source, node):
        node.setInput(0, source)
        set_range(node)
        corridorkey_nuke.key_range(node)
        first = node["status"].value()
        render(node, folder / "keyed_rendered.exr")
        corridorkey_nuke.key_range(node)
        return f"{first} / {node['status'].value()}"


CHECKS: list[Callable[[Path], str]] = [
    the_package_is_found,
    the_node_is_made,
    classes_are_told,
    gui_is_told,
    the_settings_are_read,
    a_keyed_frame_renders,
    a_stale_frame_stops,
    a_missing_frame_stops,
    the_inner_write_executes,
    a_class_that_is_missing,
    three_frames_are_keyed,
]


def edition() -> str:
    """Return which Nuke this is."""
    kinds = [kind for kind in ("nc", "indie", "nukex", "studio") if nuke.env.get(kind)]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Nuke {nuke.NUKE_VERSION_STRING} {' '.join(kinds)}, Python {python}, {sys.platform}"


def answer(check: Callable[[Path], str], folder: Path) -> bool:
    """Ask one question, print the answer, and return whether the node works with it."""
    folder.mkdir()
    try:
        said, holds = check(folder), True
    except Exception as error:  # noqa: BLE001 - whatever this Nuke does is an answer
        said, holds = f"{type(error).__name__}: {line_of(error)}", False
    sys.stdout.write(f"{'ok' if holds else 'NO'}  {check.__name__.replace('_', ' ')}: {said}\n")
    return holds


def main() -> int:
    """Ask everything."""
    folder = Path(tempfile.mkdtemp(prefix="ckey-nuke-smoke-"))
    try:
        nuke.addFormat(f"{WIDTH} {HEIGHT} 0 0 {WIDTH} {HEIGHT} 1 ckey_smoke")
        nuke.root()["format"].setValue("ckey_smoke")
        nuke.root()["name"].setValue((folder / "smoke.nk").as_posix())
        sys.stdout.write(f"{edition()}\n")
        held = [answer(check, folder / str(number)) for number, check in enumerate(CHECKS)]
        sys.stdout.write(f"{sum(held)} of {len(held)}\n")
        return 0 if all(held) else 1
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
