"""What holds on every system: what a message may be, who is at its other end, how a lack of memory is told."""

from collections.abc import Sequence
from typing import NamedTuple

from corridorkey_models.errors import ResourceError

MESSAGE_LIMIT = 65536
"""Most bytes of one message."""

REGION_LIMIT = 4
"""Most regions that travel with one message."""


class Peer(NamedTuple):
    """The process at the other end of a channel, as the system and not the process itself names it.

    Attributes:
        uid: its user.
        pid: its process, 0 where the system does not tell or cannot see it.
    """

    uid: int
    pid: int


def check_message(data: bytes, regions: Sequence[object]) -> None:
    """Raise ValueError for a message that no channel carries; an empty one would read as the end."""
    if not 0 < len(data) <= MESSAGE_LIMIT:
        raise ValueError(f"a message has 1 to {MESSAGE_LIMIT} bytes, not {len(data)}")
    if len(regions) > REGION_LIMIT:
        raise ValueError(f"a message carries at most {REGION_LIMIT} regions, not {len(regions)}")


def check_span(offset: int, size: int, total: int) -> None:
    """Raise ValueError if `size` bytes from `offset` on are not inside a region of `total` bytes."""
    if offset < 0 or size < 0 or offset + size > total:
        raise ValueError(f"bytes {offset} to {offset + size} are not in a region of {total}")


def no_memory(size: int, error: OSError) -> ResourceError:
    """Return what to raise when the system refuses a region of `size` bytes."""
    reason = (error.strerror or str(error)).lower()
    return ResourceError(
        f"{max(size >> 20, 1)} MB of shared memory could not be had: {reason}; close other programs and try again."
    )
