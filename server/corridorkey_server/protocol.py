"""The wire contract: its version and every message between client and daemon.

`docs/protocol.md` is rendered from here and is the authority for clients in other languages. Does no I/O.
"""

from dataclasses import dataclass
from typing import ClassVar

from corridorkey_models.errors import CheckpointError, CorridorKeyError, InputError, ResourceError

from .wire import (
    U32,
    U64,
    Message,
    choice,
    facts,
    flag,
    integer,
    number,
    numbers,
    raw,
    register,
    shorten,
    text,
    texts,
    values,
)

VERSION = 1
"""Raised by a change that an older peer would misread."""

OLDEST = 1
"""The oldest version that is still understood."""

MARK = b"CKP1"
"""First frame of every message."""

FEATURES = ("masks", "used_hint", "detect", "files")
"""What a daemon of this version can do beyond keying."""

PRIORITIES = ("interactive", "preview", "batch")
"""Classes of frames, the most urgent first; their order is what the scheduler compares."""

SLOTS = 3
"""Most slots of a session: more do not overlap further."""

SIDE_LIMIT = 32768
"""Largest width or height of a frame, in pixels."""

ROOTS = 8
"""Most roots of a session: with room to spare they fit into one message."""

PATH_LIMIT = 4096
"""Most bytes of a path."""

TOKEN_SIZE = 16
"""Bytes of a session's token."""

TIMINGS = ("queue", "read", "load", "pre", "infer", "post", "write", "total")
"""Stages of a frame whose seconds a RESULT tells; total is from the KEY's arrival to its answer."""

CODES = {
    "input": "the request cannot work as it stands: a parameter, or parameters that do not fit together",
    "checkpoint": "the weights are missing, damaged or not CorridorKey's",
    "resource": "the machine could not do it this time: out of memory, disk full",
    "internal": "a fault in the daemon; its log has the details",
    "worker": "the worker stopped twice on this frame",
    "draining": "the daemon is about to stop; connect again and repeat the request",
    "malformed": "the message is no message of this protocol",
    "unsupported": "the message or the feature is not known here",
    "version": "client and daemon share no version",
    "session": "the request needs a session, or the token opens none",
    "slot": "no such slot in this session, or not the client's at the moment",
    "limit": "larger than this daemon allows",
}
"""Codes of an ERROR."""

_PERMANENT = {
    "checkpoint": CheckpointError,
    **dict.fromkeys(("input", "slot", "limit", "malformed", "unsupported", "version"), InputError),
}
_SENTENCE, _NEXT = 2048, 1024  # bytes

REQUESTS: dict[str, type[Message]] = {}
REPLIES: dict[str, type[Message]] = {}
LEASE: dict[str, type[Message]] = {}
"""What comes over the lease; everything else goes over the control socket."""


def _id(about: str = "Number of the request, chosen by the client, unique within its session.") -> int:
    return integer(1, U64, about)  # type: ignore[no-any-return]


def _answered() -> int:
    return integer(0, U64, "Number of the request that is answered; 0 if it could not be read.")  # type: ignore[no-any-return]


def _side(name: str) -> int:
    return integer(1, SIDE_LIMIT, f"{name} in pixels.")  # type: ignore[no-any-return]


@register(LEASE)
@dataclass(frozen=True, kw_only=True)
class Opened(Message):
    """The first message over a lease."""

    OP: ClassVar[str] = "opened"
    token: bytes = raw((TOKEN_SIZE,), "Opens the session to this process, in HELLO.")
    session: int = integer(1, U64, "Number of the session.")
    boot: str = text(32, "Names this start of the daemon.")


@register(LEASE)
@dataclass(frozen=True, kw_only=True)
class Region(Message):
    """Brings exactly one descriptor: the memory of a slot, before the SLOT_READY that names it."""

    OP: ClassVar[str] = "region"
    slot: int = integer(1, U32, "Number of the slot.")
    size: int = integer(1, U64, "Bytes of the region.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Hello(Message):
    """Opens the conversation; the first message of every client. Without a token it is a visit: no slots, no frames."""

    OP: ClassVar[str] = "hello"
    id: int = _id()
    oldest: int = integer(0, U32, "Oldest version that the client understands.")
    newest: int = integer(0, U32, "Newest version that the client understands.")
    token: bytes = raw((0, TOKEN_SIZE), "The session's token, read from the lease; empty for a visit.", b"")
    client: str = text(64, "Who asks, for `ckey ps`: host and version.", "")
    features: tuple[str, ...] = texts(16, 32, "What the client can do; none are defined yet.")


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Welcome(Message):
    """Answers HELLO."""

    OP: ClassVar[str] = "welcome"
    id: int = _answered()
    version: int = integer(0, U32, "Version that both speak from here on.")
    session: int = integer(0, U64, "Number of the session; 0 for a visit.")
    boot: str = text(32, "Names this start of the daemon: another one knows no slots and no results of before.")
    pid: int = integer(0, U64, "Process id of the daemon.")
    features: tuple[str, ...] = texts(16, 32, "What the daemon can do.")
    limits: dict[str, float] = numbers("`side` in pixels, `slots` a session, `bytes` of all slots, `message` in bytes.")
    device: str = text(128, "Where frames are keyed; empty while the worker starts.")
    model: str = text(4096, "The model that frames of this client get.")
    quality: str = text(32, "The quality of frames that name none.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Slot(Message):
    """Asks for a slot to put a frame in. A slot that was given back is handed out again, with its mapping."""

    OP: ClassVar[str] = "slot"
    id: int = _id()
    width: int = _side("Width")
    height: int = _side("Height")
    masks: bool = flag("With a mask plane.", False)
    hint: bool = flag("With a plane that gets the hint as it was used.", False)


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class SlotReady(Message):
    """Hands out a slot. Its descriptor came over the lease before, unless the client has it already."""

    OP: ClassVar[str] = "slot_ready"
    id: int = _answered()
    slot: int = integer(1, U32, "Number of the slot within the session.")
    gen: int = integer(0, U32, "Generation of the last frame in it; the next KEY must give a larger one.")
    width: int = _side("Width")
    height: int = _side("Height")
    masks: bool = flag("Whether there is a mask plane.")
    hint: bool = flag("Whether there is a plane for the used hint.")
    size: int = integer(1, U64, "Bytes of the region; it may be larger than the frame needs.")
    fresh: bool = flag("Whether a new descriptor came over the lease for it.")
    gone: int = integer(0, U32, "Number of the slot whose memory went for it; 0 if none did.", 0)


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class SlotBack(Message):
    """Gives a slot back, with a frame on its way as soon as that is answered: its memory may go to others."""

    OP: ClassVar[str] = "slot_back"
    id: int = _id()
    slot: int = integer(1, U32, "Number of the slot.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Key(Message):
    """Keys the frame in a slot, which is the daemon's until the RESULT, ERROR, BUSY, CANCELLED or SUPERSEDED for it."""

    OP: ClassVar[str] = "key"
    id: int = _id("Number of the frame's request. Sent again it is not keyed twice.")
    slot: int = integer(1, U32, "Number of the slot.")
    gen: int = integer(1, U32, "Generation of the slot: larger than for any frame before.")
    width: int = _side("Width")
    height: int = _side("Height")
    alpha: str = choice(("none", "hint", "source"), "What channel A of the in plane holds.")
    params: dict[str, bool | float | str] = values("Parameters that differ from their defaults.")
    priority: str = choice(PRIORITIES, "How urgent it is.", "interactive")
    node: str = text(128, "Node or clip that asks; a newer interactive frame of it supersedes a queued one.", "")
    frame: int = integer(-(2**31), 2**31 - 1, "Frame number, for status and logs.", 0)
    inside: bool = flag("The first channel of the mask plane holds an inside mask.", False)
    outside: bool = flag("The second channel of the mask plane holds an outside mask.", False)


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Progress(Message):
    """Tells how far a KEY, KEY_FILE or CONFIGURE is; may be left out."""

    OP: ClassVar[str] = "progress"
    id: int = _answered()
    stage: str = text(64, "What is being done.")
    fraction: float = number(0, 1, "How much of it.")


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Result(Message):
    """The frame is keyed: the out plane holds straight foreground and matte."""

    OP: ClassVar[str] = "result"
    id: int = _answered()
    slot: int = integer(1, U32, "Number of the slot.")
    gen: int = integer(1, U32, "Generation that was keyed.")
    empty: bool = flag("The hint was 0 everywhere: nothing was keyed, the matte is 0.")
    kept: bool = flag("The prediction was kept from before; only finishing was done.")
    model: str = text(256, "Identity of the model, down to the last weight.")
    quality: str = text(32, "Quality that was used.")
    device: str = text(128, "Where it was keyed.")
    notes: tuple[str, ...] = texts(16, 1024, "Sentences for the artist.")
    timings: dict[str, float] = numbers(f"Seconds by stage: {', '.join(TIMINGS)}.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Detect(Message):
    """Asks which screen the plate in a slot has; it waits its turn as an interactive frame does."""

    OP: ClassVar[str] = "detect"
    id: int = _id()
    slot: int = integer(1, U32, "Number of the slot; it is the daemon's until the answer.")
    gen: int = integer(1, U32, "Generation of the slot, as for KEY.")
    width: int = _side("Width")
    height: int = _side("Height")
    working_space: str = text(64, "How the plate is encoded.")


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Detected(Message):
    """Answers DETECT."""

    OP: ClassVar[str] = "detected"
    id: int = _answered()
    slot: int = integer(1, U32, "Number of the slot.")
    gen: int = integer(1, U32, "Generation that was looked at.")
    screen: str = choice(("green", "blue", "none"), "The screen's colour; none if there is no screen.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Roots(Message):
    """Declares the folders whose files this session may have keyed, in place of those declared before."""

    OP: ClassVar[str] = "roots"
    id: int = _id()
    folders: tuple[str, ...] = texts(ROOTS, PATH_LIMIT, "Full paths of folders that are there and the user's own.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class KeyFile(Message):
    """Keys a frame from file to file, for hosts whose pixels can only be had as files; those of a session in order."""

    OP: ClassVar[str] = "key_file"
    id: int = _id("Number of the frame's request. Sent again it is not keyed twice.")
    source: str = text(PATH_LIMIT, "Exchange file, in a root. It is removed when it is read, or when the request ends.")
    target: str = text(PATH_LIMIT, "Keyed file, in a root: whole when FILED comes, else as it was.")
    params: dict[str, bool | float | str] = values("Parameters that differ from their defaults.")
    priority: str = choice(PRIORITIES, "How urgent it is beside frames of other sessions.", "batch")
    node: str = text(128, "Node that asks, for logs.", "")
    frame: int = integer(-(2**31), 2**31 - 1, "Frame number, for status and logs.", 0)
    depth: str = choice(("half", "float"), "How the keyed file stores pixels.", "half")
    upstream: str = text(64, "What names all that feeds the node; written into the keyed file.", "")


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Filed(Message):
    """The keyed file is in place."""

    OP: ClassVar[str] = "filed"
    id: int = _answered()
    skipped: bool = flag("It was there, keyed from the same pixels, model and parameters.")
    empty: bool = flag("The hint was 0 everywhere: the matte is 0.")
    model: str = text(256, "Identity of the model, down to the last weight.")
    quality: str = text(32, "Quality that was used.")
    device: str = text(128, "Where it was keyed.")
    notes: tuple[str, ...] = texts(16, 1024, "Sentences for the artist.")
    timings: dict[str, float] = numbers(f"Seconds by stage: {', '.join(TIMINGS)}.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Cancel(Message):
    """Stops a request: at once where it waits, at the next block where it runs. The request itself is answered."""

    OP: ClassVar[str] = "cancel"
    id: int = _id()
    target: int = integer(1, U64, "Number of the request to stop.")


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Cancelled(Message):
    """Answers a request that was stopped; a slot that it held is the client's again."""

    OP: ClassVar[str] = "cancelled"
    id: int = _answered()


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Superseded(Message):
    """Answers a KEY that a newer one of the same node took the place of; the slot is the client's again."""

    OP: ClassVar[str] = "superseded"
    id: int = _answered()
    by: int = integer(1, U64, "Number of the newer request.")


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Busy(Message):
    """Nothing was done: ask again later."""

    OP: ClassVar[str] = "busy"
    id: int = _answered()
    seconds: float = number(0, 3600, "When to ask again.")
    reason: str = text(256, "What is in short supply.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Again(Message):
    """Asks for the answer of an earlier request again, or for word that it is still on its way (PROGRESS)."""

    OP: ClassVar[str] = "again"
    id: int = _id()
    target: int = integer(1, U64, "Number of that request.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Configure(Message):
    """Chooses model and quality, loads the model, and answers when it is there. Empty words leave what is set."""

    OP: ClassVar[str] = "configure"
    id: int = _id()
    scope: str = choice(("session", "daemon"), "For the frames of this session, or for new sessions.", "session")
    model: str = text(4096, "corridorkey, procedural, or the path of a converted checkpoint.", "")
    quality: str = text(32, "Quality of frames that name none.", "")
    screen: str = choice(("green", "blue"), "Whose checkpoint is loaded now.", "green")


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Configured(Message):
    """Answers CONFIGURE."""

    OP: ClassVar[str] = "configured"
    id: int = _answered()
    model: str = text(4096, "The model that is set.")
    quality: str = text(32, "The quality that is set.")
    identity: str = text(256, "Identity of the model, down to the last weight.")
    device: str = text(128, "Where it is loaded.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Status(Message):
    """Asks how the daemon is."""

    OP: ClassVar[str] = "status"
    id: int = _id()


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class State(Message):
    """Answers STATUS."""

    OP: ClassVar[str] = "state"
    id: int = _answered()
    facts: dict[str, object] = facts("What `ckey status --json` prints.")


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Unload(Message):
    """Ends the worker after the frame it is at, so that all its memory is free; the next frame starts it again."""

    OP: ClassVar[str] = "unload"
    id: int = _id()


@register(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Shutdown(Message):
    """Ends the daemon: the running frame is finished, queued ones are answered with ERROR draining."""

    OP: ClassVar[str] = "shutdown"
    id: int = _id()


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Done(Message):
    """Answers SLOT_BACK, ROOTS, CANCEL, UNLOAD and SHUTDOWN."""

    OP: ClassVar[str] = "done"
    id: int = _answered()
    found: bool = flag("Whether there was something to do.", True)


@register(REPLIES)
@dataclass(frozen=True, kw_only=True)
class Error(Message):
    """The request failed. Where it held a slot, the slot is the client's again."""

    OP: ClassVar[str] = "error"
    id: int = _answered()
    code: str = choice(tuple(CODES), "What kind of failure.")
    sentence: str = text(_SENTENCE, "The cause.")
    next: str = text(_NEXT, "What to do about it.", "")

    def __post_init__(self) -> None:
        # The words come from anywhere; a client must not miss its answer because they are long.
        object.__setattr__(self, "sentence", shorten(self.sentence, _SENTENCE))
        object.__setattr__(self, "next", shorten(self.next, _NEXT))

    def exception(self) -> CorridorKeyError:
        """Return the error that a caller of the Keyer itself would have got: ResourceError if a retry may help."""
        words = f"{self.sentence}; {self.next}" if self.next else self.sentence
        return _PERMANENT.get(self.code, ResourceError)(words)
