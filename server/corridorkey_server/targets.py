"""What a range of frames comes from, and what it becomes: the contract between `batch` and the kinds of result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from corridorkey_models.keyed import FrameKeyer, Keyed
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .footage.sequence import Sequence
from .loaded import Loaded


@dataclass(frozen=True)
class Inputs:
    """The sequences that feed a range; all but the plate are optional."""

    plate: Sequence
    hint: Sequence | None = None
    inside: Sequence | None = None
    outside: Sequence | None = None

    def named(self) -> Iterator[tuple[str, Sequence]]:
        """Yield each sequence that is there with its name."""
        for name in ("plate", "hint", "inside", "outside"):
            sequence = getattr(self, name)
            if sequence is not None:
                yield name, sequence


@dataclass(frozen=True)
class Source:
    """One frame before it is read.

    Attributes:
        params: with screen, working space and output space decided.
        identity: of what keys.
        is_wanted_anew: key it even if its files are there.
        read: reads its files.
    """

    frame: int
    inputs: Inputs
    params: Params
    identity: str
    is_wanted_anew: bool
    read: Callable[[], Loaded]


@dataclass(frozen=True)
class Read:
    """One frame, read; `digest` names everything that its result follows from."""

    source: Source
    digest: str
    content: Loaded


class Target(Protocol):
    """The files that a range becomes; each is whole or not there."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where they are written."""

    def paths(self, plate: Sequence, frame: int) -> tuple[Path, ...]:
        """Return the files of one frame."""

    def settle(self, params: Params) -> Params:
        """Return the parameters with the encoding of the files decided; InputError for one they cannot have."""

    def read(self, source: Source) -> Read | None:
        """Read a frame, or return None if its files were keyed from the very same thing."""

    def key(self, loaded: Loaded, keyer: FrameKeyer, params: Params, watch: Watch) -> Keyed:
        """Key a frame, with all that its files need."""

    def write(self, read: Read, keyed: Keyed) -> None:
        """Write the files of a frame; InputError or ResourceError if that cannot be."""
