"""What the operating system gives: memory that processes share, connections that carry it, locks, processes.

Each system has its module with the same names; this one chooses. Imports nothing outside the standard library, so
that what only watches others starts at once.
"""

import sys

if sys.platform == "win32":
    from .windows import (
        MESSAGE_LIMIT,
        REGION_LIMIT,
        Channel,
        Listener,
        Peer,
        Region,
        connect,
        control_endpoint,
        dial,
        end_with_parent,
        inherited,
        lock,
        memory_bytes,
        more_descriptors,
        pair,
        peer,
        resident_bytes,
        user,
        watch_process,
    )
elif sys.platform == "darwin":
    from .macos import (
        MESSAGE_LIMIT,
        REGION_LIMIT,
        Channel,
        Listener,
        Peer,
        Region,
        connect,
        control_endpoint,
        dial,
        end_with_parent,
        inherited,
        lock,
        memory_bytes,
        more_descriptors,
        pair,
        peer,
        resident_bytes,
        user,
        watch_process,
    )
else:
    from .linux import (
        MESSAGE_LIMIT,
        REGION_LIMIT,
        Channel,
        Listener,
        Peer,
        Region,
        connect,
        control_endpoint,
        dial,
        end_with_parent,
        inherited,
        lock,
        memory_bytes,
        more_descriptors,
        pair,
        peer,
        resident_bytes,
        user,
        watch_process,
    )

__all__ = [
    "MESSAGE_LIMIT",
    "REGION_LIMIT",
    "Channel",
    "Listener",
    "Peer",
    "Region",
    "connect",
    "control_endpoint",
    "dial",
    "end_with_parent",
    "inherited",
    "lock",
    "memory_bytes",
    "more_descriptors",
    "pair",
    "peer",
    "resident_bytes",
    "user",
    "watch_process",
]
