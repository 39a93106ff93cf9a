"""What the supervisor and the clerk of a session say to each other over their private link. Does no I/O.

As in `errands`: without versions, `job` pairs an errand with its reports.
"""

from dataclasses import dataclass
from typing import ClassVar

from .errands import Failed, Stage, Stop, Stopped
from .protocol import PATH_LIMIT, PRIORITIES, ROOTS
from .wire import U64, Message, choice, flag, integer, numbers, register, text, texts, values

FILE_ERRANDS: dict[str, type[Message]] = {}
FILE_REPORTS: dict[str, type[Message]] = {}

register(FILE_ERRANDS)(Stop)
for _report in (Stage, Stopped, Failed):
    register(FILE_REPORTS)(_report)


def _job() -> int:
    return integer(1, U64, "Number of the errand.")  # type: ignore[no-any-return]


@register(FILE_ERRANDS)
@dataclass(frozen=True, kw_only=True)
class Declare(Message):
    """From now on files in these folders alone are keyed."""

    OP: ClassVar[str] = "declare"
    job: int = _job()
    folders: tuple[str, ...] = texts(ROOTS, PATH_LIMIT, "As of `protocol.Roots`.")


@register(FILE_REPORTS)
@dataclass(frozen=True, kw_only=True)
class Declared(Message):
    """Answers DECLARE."""

    OP: ClassVar[str] = "declared"
    job: int = _job()


@register(FILE_ERRANDS)
@dataclass(frozen=True, kw_only=True)
class File(Message):
    """Key a frame from file to file; fields as of `protocol.KeyFile`."""

    OP: ClassVar[str] = "file"
    job: int = _job()
    source: str = text(PATH_LIMIT, "Exchange file.")
    target: str = text(PATH_LIMIT, "Keyed file.")
    params: dict[str, bool | float | str] = values("Parameters; quality is always among them.")
    priority: str = choice(PRIORITIES, "How urgent it is.")
    node: str = text(128, "Node that asks.")
    frame: int = integer(-(2**31), 2**31 - 1, "Frame number.")
    depth: str = choice(("half", "float"), "Of the keyed file.")
    upstream: str = text(64, "Written into the keyed file.")
    model: str = text(4096, "As `worker.open_keyer` takes it.")


@register(FILE_REPORTS)
@dataclass(frozen=True, kw_only=True)
class Written(Message):
    """Answers FILE; fields as of `protocol.Filed`."""

    OP: ClassVar[str] = "written"
    job: int = _job()
    skipped: bool = flag("It was there.")
    empty: bool = flag("Nothing was keyed.")
    identity: str = text(256, "Of the model.")
    notes: tuple[str, ...] = texts(16, 1024, "Sentences for the artist.")
    timings: dict[str, float] = numbers("Seconds by stage.")
