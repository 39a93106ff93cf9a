"""Which device the network runs on. Knows no network and no pictures."""

import torch

from .errors import InputError


def available_devices() -> list[str]:
    """Return the names of the devices there are, the fastest first."""
    cuda = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [
        *(cuda if torch.cuda.is_available() else []),
        *(["mps"] if torch.backends.mps.is_available() else []),
        "cpu",
    ]


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called `name`: cuda, cuda:N, mps, cpu, or auto for the first of these that is there.

    Raises:
        InputError: there is no such device; the message lists those that there are.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise InputError(f"there is no device {name!r} here; choose one of auto, {', '.join(available)}.")
    return torch.device(name)
