"""What the knobs of a CorridorKey node do. Each refuses with one sentence, and does nothing then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from . import graph, host, job, keying
from .failure import NoDaemon, Refusal
from .job import Shot
from .outcome import sentence
from .session import Session

_SETTING = re.compile(r"(?:^| )(\w+)=(?!=)")
"""Finds the names in a node's `settings`, whether its Tcl has been evaluated or not."""

_WIRES = ("plate", "hint", "inside", "outside")
_CHANGED = "What feeds the node has changed since it was keyed; press Key Frame Range."
_UNKEYED = "unkeyed"
_KEYING = "Keying."
_unwired: set[str] = set()
"""Nodes that were made in this session and had no plate yet."""


class _Footage(NamedTuple):
    """What a node looks at: frames and views, and the size of an exported frame in bytes."""

    frames: list[int]
    views: list[str]
    frame_bytes: int


def key_range(node: Any) -> None:
    """Key the frames of the node's range that are not keyed yet."""
    _try(_key, node, None)


def key_current(node: Any) -> None:
    """Key the frame that Nuke is at."""
    _try(_key, node, host.frame())


def cancel(node: Any) -> None:
    """Stop keying; frames that are done stay."""
    run = keying.running(node.fullName())
    if run is not None:
        run.stop()
    node["status"].setValue("Stopping." if run is not None else "Nothing is being keyed.")


def clear_cache(node: Any) -> None:
    """Remove the keyed frames that the node shows."""
    _try(_clear, node)


def to_read(node: Any) -> None:
    """Put a Read of the keyed frames beside the node."""
    _try(_read_beside, node)


def on_create(node: Any) -> None:
    """Fill in what a new node can know; does nothing where a script is loaded whose node knows it."""
    if node["exporting"].value():
        node["exporting"].setValue(False)  # the script was saved, or Nuke ended, while frames were exported
    if node["status"].value() == _KEYING and keying.running(node.fullName()) is None:
        node["status"].setValue("Keying was interrupted; press Key Frame Range to go on.")
    if node["settings_hash"].value() != _UNKEYED or node["working_space"].value() != "auto":
        return
    space = job.working_space(*host.root_color())
    if space:
        node["working_space"].setValue(space)
    # Nuke wires a node that is made behind another one only after this.
    _unwired.add(node.fullName())
    _take_range(node)


def _take_range(node: Any) -> None:
    """Give a new node the plate's frames as soon as it has a plate."""
    plate = node.input(0)
    if plate is None or node.fullName() not in _unwired:
        return
    _unwired.discard(node.fullName())
    if node["first"].hasExpression():
        for name, frame in (("first", plate.firstFrame()), ("last", plate.lastFrame())):
            node[name].clearAnimated()  # what an expression drives cannot be set
            node[name].setValue(frame)


def knob_changed(node: Any, knob: Any) -> None:
    """Take the frames of a new node's plate, and say so where other inputs feed a node than when it was keyed."""
    if knob.name() != "inputChange" or keying.running(node.fullName()) is not None:
        return
    _take_range(node)
    known, script = node["upstream"].value(), graph.read_script(node)
    if not known or not script:
        return
    if not known.startswith(script):
        node["status"].setValue(_CHANGED)
    elif node["status"].value() == _CHANGED:
        node["status"].setValue("")


def check_before_render() -> None:
    """Stop a render through CorridorKey nodes whose frames were keyed from something else than what feeds them now.

    Raises:
        RuntimeError: there is such a node.
    """
    if keying.is_exporting():
        return
    for keyer in graph.keyers_above(host.this_node()):
        if _shows_frames(keyer) and _has_changed(keyer):
            raise RuntimeError(
                f"{keyer.fullName()}: what feeds the node has changed since it was keyed; press Key Frame Range in it."
            )


def _shows_frames(node: Any) -> bool:
    """Whether a node's keyed frames are what it gives."""
    knobs = node.knobs()
    is_live = "evaluate" in knobs and knobs["evaluate"].value() == "Live"
    return not is_live and not knobs["disable"].value()


def _has_changed(node: Any) -> bool:
    known, now = str(node["upstream"].value()), graph.read(node)
    return bool(known) and now is not None and keying.stamp(now, known.rpartition("-")[2]) != known


def _try(action: Callable[..., None], node: Any, *arguments: Any) -> None:
    """Do something, or say why not."""
    try:
        action(node, *arguments)
        return
    except Refusal as error:
        words = str(error)
    except OSError as error:
        words = f"{error.filename or 'a file'}: {error.strerror}; see whether it can be written."
    except RuntimeError as error:
        if not host.is_gui():
            raise
        words = f"Nuke says {' '.join(str(error).split()).rstrip('.')}; look at the node in the viewer."
    if keying.running(node.fullName()) is None:
        node["status"].setValue(sentence(words))
    host.tell(f"{node.fullName()}: {words}")


def _key(node: Any, frame: int | None) -> None:
    _refuse_while_busy(node)
    footage = _footage(node, frame)
    _check_file(node)
    space = _working_space(node)
    session = _session(node.fullName())
    try:
        with host.unrecorded(), _kept_on_failure(node, "working_space", "settings_hash", "upstream"):
            node["working_space"].setValue(space)
            order = _order(node, footage, "batch" if frame is None else "preview")
            node["status"].setValue(_KEYING)
    except BaseException:
        if session is not None:
            session.close()
        raise
    keying.Run(order, session).start()


@contextmanager
def _kept_on_failure(node: Any, *names: str) -> Iterator[None]:
    """Give knobs back what they had if nothing comes of it."""
    before = [(node[name], node[name].value()) for name in names]
    try:
        yield
    except BaseException:
        for knob, value in before:
            knob.setValue(value)
        raise


def _order(node: Any, footage: _Footage, priority: str) -> job.Order:
    """Return what is to be keyed, and let the node show it from now on."""
    graph.reload_changed(node)
    upstream, depth = graph.read(node), str(node["depth"].value())
    stamp = keying.stamp(upstream, depth)
    node["settings_hash"].setValue(_version(node, stamp, depth))
    node["upstream"].setValue(stamp)
    script = upstream.script if upstream else ""
    shots, document = _shots(node, footage), host.script()
    return job.Order(node.fullName(), shots, depth, script, stamp, footage.frame_bytes, priority, document)


def _refuse_while_busy(node: Any) -> None:
    if keying.running(node.fullName()) is not None:
        raise Refusal("the node is being keyed; wait for it, or press Cancel.")
    if host.is_rendering():
        raise Refusal("Nuke is rendering; wait until that is done.")


def _footage(node: Any, frame: int | None) -> _Footage:
    """Return what is to be keyed: the node's range, or one frame.

    Raises:
        Refusal: it cannot be keyed as it is wired.
    """
    wired = {name: node.input(index) for index, name in enumerate(_WIRES)}
    plate = wired["plate"]
    if plate is None:
        raise Refusal("there is no plate; wire the footage into the input called plate.")
    size = _size(plate)
    others = {name: _size(wire) for name, wire in wired.items() if wire is not None}
    for name, theirs in others.items():
        if theirs != size:
            raise Refusal("the {} is {}x{}, the plate {}x{}; reformat the {}.".format(name, *theirs, *size, name))
    first, last = (int(node[name].value()) for name in ("first", "last"))
    if first > last:
        raise Refusal(f"the frame range {first}-{last} ends before it begins; set it anew.")
    if frame is not None and not first <= frame <= last:
        raise Refusal(f"frame {frame} is not in the node's frame range {first}-{last}; make that longer.")
    frames = list(range(first, last + 1)) if frame is None else [frame]
    return _Footage(frames, host.views(), 16 * size[0] * size[1] * len(others))


def _size(node: Any) -> tuple[int, int]:
    form = node.format()
    return form.width(), form.height()


def _check_file(node: Any) -> None:
    if "root.name" in str(node["file"].value()) and not host.script():
        raise Refusal("the script was never saved, so keyed frames have no folder; save it, or set the file.")


def _working_space(node: Any) -> str:
    """Return how the node's plate is encoded."""
    space = str(node["working_space"].value())
    if space == "auto":
        management, name, config = host.root_color()
        space = job.working_space(management, name, config)
        if not space:
            raise Refusal(f"the script's working space {name!r} is not known; choose the node's working_space.")
    output = str(node["output_space"].value())
    if (space if output == "same" else output) not in job.LINEAR_SPACES:
        raise Refusal(f"working_space is {space}, but pictures in Nuke are linear; choose what the script works in.")
    return space


def _session(name: str) -> Session | None:
    """Return a session with the daemon, None if none runs and one is to be started."""
    try:
        return keying.open_session()
    except NoDaemon:
        if host.ask(f"{name}: no CorridorKey daemon runs on this machine. Start it?"):
            return None
        raise


def _setting_names(node: Any) -> list[str]:
    return _SETTING.findall(str(node["settings"].value()))


def _shots(node: Any, footage: _Footage) -> list[Shot]:
    """Return the frames and their files as the node names them now."""
    knobs = [(name, node[name]) for name in _setting_names(node)]
    texts: dict[int, str] = {}

    def settings(frame: int, _: str) -> str:
        if frame not in texts:
            texts[frame] = " ".join(f"{name}={host.setting_at(knob, frame)}" for name, knob in knobs)
        return texts[frame]

    return job.shots(host.keyed_pattern(node), footage.frames, footage.views, settings)


def _version(node: Any, stamp: str, depth: str) -> str:
    """Return the name of the folder for frames that are keyed with these settings from what feeds the node."""
    settings = [f"{name} {node[name].toScript()}" for name in _setting_names(node)]
    return job.folder_hash([*settings, depth, stamp or f"{host.script()} {node.fullName()}"])


def _clear(node: Any) -> None:
    _refuse_while_busy(node)
    pattern = host.keyed_pattern(node)
    files = [path for path in job.files_of(pattern) if job.is_keyed(path)] if Path(pattern).is_absolute() else []
    if not files:
        node["status"].setValue("There are no keyed frames.")
        return
    if not host.ask(f"{node.fullName()}: remove {len(files)} keyed frames, {files[0]} and so on?"):
        return
    for path in files:
        Path(path).unlink()
    for folder in {Path(path).parent for path in files}:
        with suppress(OSError):
            folder.rmdir()  # which it refuses if there is something else in it
    host.reload(node)
    node["status"].setValue(f"Removed {len(files)} keyed frames.")


def _read_beside(node: Any) -> None:
    _refuse_while_busy(node)
    if _has_changed(node):
        raise Refusal("what feeds the node has changed since it was keyed; press Key Frame Range first.")
    footage = _footage(node, None)
    known = str(node["upstream"].value())
    missing = [shot.frame for shot in _shots(node, footage) if not job.keyed_by(shot, known)]
    if missing:
        raise Refusal(f"{job.format_frames(missing)}: not keyed with these settings; press Key Frame Range first.")
    host.stock_read(node, host.keyed_pattern(node), footage.frames[0], footage.frames[-1])
