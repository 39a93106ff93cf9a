"""All suites of a host together, and the two through which a plug-in speaks."""

from collections.abc import Callable
from ctypes import string_at
from typing import Any

from ofxhost import abi
from ofxhost.abi import Suite
from ofxhost.descriptors import Descriptor
from ofxhost.effect_suite import EffectSuite
from ofxhost.effects import Effect
from ofxhost.parameter_suite import ParameterSuite
from ofxhost.properties import PropertySuite
from ofxhost.session import Message, Progress, Refusal, Session, word

_TYPES = frozenset(f"OfxMessage{one}" for one in ("Fatal", "Error", "Warning", "Message", "Log", "Question"))
_Functions = dict[str, Callable[..., Any] | None]


class MessageSuite:
    """OfxMessageSuite 1 and 2."""

    def __init__(self, session: Session) -> None:
        """Collect the messages of `session`."""
        self._session = session

    def message(self, handle: int | None, *rest: Any) -> None:
        """Take what a dialog would show."""
        if handle:
            self._session.resolve(handle, Descriptor, Effect)
        message = self._read(*rest, is_persistent=False)
        if self._session.mode.background and message.type != "OfxMessageLog":
            self._session.fault(f"a dialog in a host without a user: {message.text}")
        self._keep(message)

    def set_persistent_message(self, handle: int, *rest: Any) -> None:
        """Take what a node shows until it is cleared."""
        effect, message = self._session.resolve(handle, Effect), self._read(*rest, is_persistent=True)
        if effect.persistent == message:
            self._session.fault(f"the same persistent message again, which a host may append: {message.text}")
        effect.persistent = message
        self._keep(message)

    def clear_persistent_message(self, handle: int) -> None:
        """Show nothing on a node."""
        self._session.resolve(handle, Effect).persistent = None

    def garbage(self, *_arguments: Any) -> None:
        """Stand for a pointer to nowhere."""
        raise Refusal(abi.FAILED, "it called clearPersistentMessage of a host that has garbage there")

    def _read(self, *rest: Any, is_persistent: bool) -> Message:
        type_, id_, format_, text = word(rest[0]), rest[1], word(rest[2]), rest[3]
        if type_ not in _TYPES:
            raise Refusal(abi.VALUE, f"{type_} is no type of message")
        if format_ != "%s":
            raise Refusal(abi.VALUE, f"a message has the format {format_!r}, not %s")
        if not text:
            raise Refusal(abi.VALUE, "the text of a message is a null pointer")
        return Message(type_, (id_ or b"").decode(), word(string_at(text)), is_persistent)

    def _keep(self, message: Message) -> None:
        self._session.messages.append(message)
        if action := self._session.action():
            action.messages.append(message)


class ProgressSuite:
    """OfxProgressSuite 1 and 2."""

    def __init__(self, session: Session) -> None:
        """Collect the progress of `session`."""
        self._session = session
        self._shown: dict[int, Progress] = {}

    def start(self, handle: int, label: bytes, _id: bytes | None = None) -> None:
        """Show a bar."""
        self._session.resolve(handle, Effect)
        if self._session.mode.background:
            self._session.fault("a bar of progress in a host without a user")
        if handle in self._shown:
            raise Refusal(abi.FAILED, "progress was started twice")
        self._shown[handle] = Progress(word(label))
        self._session.progress.append(self._shown[handle])

    def update(self, handle: int, value: float) -> int:
        """Move a bar; say whether to go on."""
        self._find(handle).values.append(value)
        if not 0 <= value <= 1:
            raise Refusal(abi.VALUE, f"progress is {value}, outside 0 to 1")
        return abi.REPLY_NO if self._session.cancels_progress else abi.OK

    def end(self, handle: int) -> None:
        """Take a bar away."""
        self._find(handle).has_ended = True
        del self._shown[handle]

    def _find(self, handle: int) -> Progress:
        self._session.resolve(handle, Effect)
        if handle not in self._shown:
            raise Refusal(abi.FAILED, "progress was not started")
        return self._shown[handle]


class Suites:
    """What fetchSuite gives."""

    def __init__(self, session: Session) -> None:
        """Make the suites that the session's mode has."""
        self._session = session
        properties, message, progress = PropertySuite(session), MessageSuite(session), ProgressSuite(session)
        said = _named(message, abi.MESSAGE_LAYOUT)
        if session.mode.broken_persistent:
            said |= {"set_persistent_message": None, "clear_persistent_message": message.garbage}
        first = {"message": abi.MESSAGE_LAYOUT["message"]}
        made: dict[tuple[str, int], tuple[str, abi.Layout, _Functions]] = {
            abi.PROPERTY_SUITE: ("prop", abi.PROPERTY_LAYOUT, _named(properties, abi.PROPERTY_LAYOUT)),
            abi.EFFECT_SUITE: ("", abi.EFFECT_LAYOUT, {**EffectSuite(session).functions()}),
            abi.PARAMETER_SUITE: ("param", abi.PARAMETER_LAYOUT, {**ParameterSuite(session).functions()}),
            abi.MESSAGE_V1: ("", first, said),
            abi.MESSAGE_V2: ("", abi.MESSAGE_LAYOUT, said),
            abi.PROGRESS_V1: ("progress", abi.PROGRESS_V1_LAYOUT, _named(progress, abi.PROGRESS_V1_LAYOUT)),
            abi.PROGRESS_V2: ("progress", abi.PROGRESS_V2_LAYOUT, _named(progress, abi.PROGRESS_V2_LAYOUT)),
        }
        self._made = {
            key: Suite(layout, {name: self._guard(prefix, name, one) for name, one in functions.items()})
            for key, (prefix, layout, functions) in made.items()
            if key in session.mode.suites
        }

    def address(self, name: bytes, version: int) -> int | None:
        """Return where a suite is, None if this host does not have it."""
        suite = self._made.get((name.decode(), version))
        return suite.address if suite else None

    def _guard(self, prefix: str, name: str, function: Callable[..., Any] | None) -> Callable[..., int] | None:
        """Return `function` as C calls it: strings spoiled first, refusals as statuses, faults recorded."""
        if function is None:
            return None
        session, shown = self._session, _shown(prefix, name)

        def guarded(*arguments: Any) -> int:
            with session.lock:
                session.wither()
                try:
                    answer = function(*arguments)
                except Refusal as refusal:
                    if refusal.sentence:
                        session.fault(f"{shown}: {refusal.sentence}")
                    return 0 if name == "abort" else refusal.status
            return abi.OK if answer is None else int(answer)

        return guarded


def _named(suite: Any, layout: abi.Layout) -> _Functions:
    return {name: getattr(suite, name) for name in layout}


def _shown(prefix: str, name: str) -> str:
    """Return a function's name as C has it."""
    first, *rest = [prefix, *name.split("_")] if prefix else name.split("_")
    return first + "".join(part.capitalize() for part in rest)
