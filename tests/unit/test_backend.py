"""Which device is taken."""

import pytest
import torch

from corridorkey_models.backend import available_devices, pick_device
from corridorkey_models.errors import InputError


def test_there_is_always_the_cpu() -> None:
    """The slowest device is listed last, and is the CPU."""
    assert available_devices()[-1] == "cpu"


def test_cpu_is_taken_when_asked_for() -> None:
    """An explicit name wins over a faster device."""
    assert pick_device("cpu") == torch.device("cpu")


def test_auto_takes_the_fastest() -> None:
    """Without a choice the first device of the list is used, and can hold a tensor."""
    device = pick_device()
    assert device.type == available_devices()[0]
    assert torch.zeros(1, device=device).device.type == device.type


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "", "CPU"])
def test_missing_device_is_named_with_those_there_are(name: str) -> None:
    """A farm job on a machine without that device is told what the machine has."""
    with pytest.raises(InputError, match=r"cpu") as caught:
        pick_device(name)
    assert repr(name) in str(caught.value)
