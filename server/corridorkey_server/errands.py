"""What the supervisor and its worker say to each other over their private link. Does no I/O.

Internal to one installation, so without versions. The supervisor sends an errand, the worker answers it with reports;
`job` pairs them. Regions travel beside a MAP.
"""

from dataclasses import dataclass
from typing import ClassVar

from .protocol import SIDE_LIMIT
from .wire import U64, Message, choice, flag, integer, number, numbers, register, text, texts, values

ERRANDS: dict[str, type[Message]] = {}
REPORTS: dict[str, type[Message]] = {}


def _job() -> int:
    return integer(1, U64, "Number of the errand.")  # type: ignore[no-any-return]


def _serial() -> int:
    return integer(1, U64, "Number of the slot, unique in the daemon.")  # type: ignore[no-any-return]


@register(ERRANDS)
@dataclass(frozen=True, kw_only=True)
class Map(Message):
    """Keep the region that comes with this message."""

    OP: ClassVar[str] = "map"
    slot: int = _serial()


@register(ERRANDS)
@dataclass(frozen=True, kw_only=True)
class Unmap(Message):
    """Let a region go."""

    OP: ClassVar[str] = "unmap"
    slot: int = _serial()


@register(ERRANDS)
@dataclass(frozen=True, kw_only=True)
class Load(Message):
    """Load a model."""

    OP: ClassVar[str] = "load"
    job: int = _job()
    model: str = text(4096, "As `worker.open_keyer` takes it.")
    screen: str = choice(("green", "blue"), "Whose checkpoint.")


@register(ERRANDS)
@dataclass(frozen=True, kw_only=True)
class Run(Message):
    """Key the frame in a slot; fields as of `protocol.Key`."""

    OP: ClassVar[str] = "run"
    job: int = _job()
    slot: int = _serial()
    width: int = integer(1, SIDE_LIMIT, "Pixels.")
    height: int = integer(1, SIDE_LIMIT, "Pixels.")
    masks: bool = flag("The slot has a mask plane.")
    hint: bool = flag("The slot has a plane for the used hint.")
    alpha: str = choice(("none", "hint", "source"), "What channel A of the in plane holds.")
    inside: bool = flag("There is an inside mask.")
    outside: bool = flag("There is an outside mask.")
    params: dict[str, bool | float | str] = values(
        "Parameters that differ from their defaults; quality is always among them."
    )
    model: str = text(4096, "As for LOAD.")


@register(ERRANDS)
@dataclass(frozen=True, kw_only=True)
class Look(Message):
    """Say which screen the plate in a slot has."""

    OP: ClassVar[str] = "look"
    job: int = _job()
    slot: int = _serial()
    width: int = integer(1, SIDE_LIMIT, "Pixels.")
    height: int = integer(1, SIDE_LIMIT, "Pixels.")
    working_space: str = text(64, "How the plate is encoded.")


@register(ERRANDS)
@dataclass(frozen=True, kw_only=True)
class Stop(Message):
    """Stop an errand at the next block."""

    OP: ClassVar[str] = "stop"
    job: int = _job()


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Ready(Message):
    """The worker has its device and waits for errands."""

    OP: ClassVar[str] = "ready"
    device: str = text(128, "The device.")


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Unfit(Message):
    """The worker cannot work on this machine, and ends."""

    OP: ClassVar[str] = "unfit"
    sentence: str = text(2048, "Cause and next step.")


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Stage(Message):
    """How far an errand is."""

    OP: ClassVar[str] = "stage"
    job: int = _job()
    stage: str = text(64, "What is being done.")
    fraction: float = number(0, 1, "How much of it.")


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Memory(Message):
    """What the worker holds."""

    OP: ClassVar[str] = "memory"
    kind: str = choice(("vram", "ram"), "Of the device, or of the process where the processor is the device.")
    used: float = number(0, 1e18, "Bytes that this worker holds.")
    total: float = number(0, 1e18, "Bytes that there are.")


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Loaded(Message):
    """Answers LOAD."""

    OP: ClassVar[str] = "loaded"
    job: int = _job()
    identity: str = text(256, "Of the model, down to the last weight.")


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Finished(Message):
    """Answers RUN; fields as of `protocol.Result`."""

    OP: ClassVar[str] = "finished"
    job: int = _job()
    empty: bool = flag("Nothing was keyed.")
    kept: bool = flag("The prediction was kept from before.")
    identity: str = text(256, "Of the model.")
    notes: tuple[str, ...] = texts(16, 1024, "Sentences for the artist.")
    timings: dict[str, float] = numbers("Seconds by stage: read, pre, infer, post, write.")


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Seen(Message):
    """Answers LOOK."""

    OP: ClassVar[str] = "seen"
    job: int = _job()
    screen: str = choice(("green", "blue", "none"), "The screen's colour.")


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Stopped(Message):
    """Answers an errand that was stopped."""

    OP: ClassVar[str] = "stopped"
    job: int = _job()


@register(REPORTS)
@dataclass(frozen=True, kw_only=True)
class Failed(Message):
    """Answers an errand that failed."""

    OP: ClassVar[str] = "failed"
    job: int = _job()
    code: str = choice(("input", "checkpoint", "resource", "internal", "worker"), "As of `protocol.CODES`.")
    sentence: str = text(2048, "Cause and next step.")
