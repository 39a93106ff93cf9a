"""Predictions that are kept, so that a change which only touches finishing never runs the model again.

A prediction is found by what the model saw, never by a frame's number or name. Knows nothing of models: a key is
whatever its user says that a prediction depends on.
"""

from collections import OrderedDict
from collections.abc import Hashable

import torch
import torch.nn.functional as F
import xxhash
from torch import Tensor

from .greenformer import Prediction

_WORDS = 4096
"""Words of 32 bits in a row of the device's hash."""

_ROWS_AT_ONCE = 1024
"""Rows that are multiplied at once, which takes 32 MiB."""

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX = ((30, 0xBF58476D1CE4E5B9 - (1 << 64)), (27, 0x94D049BB133111EB - (1 << 64)))
"""Constants of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014)."""


class KeptPredictions:
    """The predictions used last, as many as fit into `capacity_bytes`; they stay on their device.

    What is kept is shared with whoever asks for it: nobody may write into it. Belongs to one thread.

    Attributes:
        nbytes: memory that the kept predictions hold.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.nbytes = 0
        self._capacity = capacity_bytes
        self._predictions: OrderedDict[Hashable, Prediction] = OrderedDict()

    def get(self, key: Hashable) -> Prediction | None:
        """Return what was kept under `key`, or None; it counts as used."""
        if key not in self._predictions:
            return None
        self._predictions.move_to_end(key)
        return self._predictions[key]

    def keep(self, key: Hashable, prediction: Prediction) -> None:
        """Keep `prediction`, in place of those unused for longest; one larger than the capacity is not kept."""
        self._drop(key)
        size = _size(prediction)
        if size > self._capacity:
            return
        while self.nbytes + size > self._capacity:
            self._drop(next(iter(self._predictions)))
        self._predictions[key] = prediction
        self.nbytes += size

    def clear(self) -> None:
        """Let go of everything."""
        self._predictions.clear()
        self.nbytes = 0

    def _drop(self, key: Hashable) -> None:
        if key in self._predictions:
            self.nbytes -= _size(self._predictions.pop(key))


def _size(prediction: Prediction) -> int:
    """Return the bytes that a prediction keeps from being freed: two views of one tensor hold it once."""
    storages = {part.untyped_storage().data_ptr(): part.untyped_storage().nbytes() for part in prediction}
    return sum(storages.values())


def fingerprint(tensor: Tensor) -> bytes:
    """Return 16 bytes that name content, shape and type of `tensor`, for as long as this process runs.

    Equal tensors on different devices may have different fingerprints. On the CPU a contiguous tensor is read where
    it lies; elsewhere it is hashed on its device, see `device_fingerprint`.
    """
    if tensor.device.type != "cpu":
        return device_fingerprint(tensor)
    digest = _header(tensor)
    digest.update(_octets(tensor).numpy().data)
    return digest.digest()


def device_fingerprint(tensor: Tensor) -> bytes:
    """Return `fingerprint` of a tensor on any device; only 16 bytes leave the device.

    Two hashes of 64 bits, each a sum of the tensor's words of 32 bits by pseudo-random odd weights: first over each
    row of words, then over the mixed sums of the rows, all modulo 2**64. A change of one word always shows. Two
    tensors not made to collide do so with a probability of about 2**-110. It rises with the zeros at the low end of
    all differences between their words: 2**-100 for half floats stored as floats, at most 2**-63.
    """
    octets, row = _octets(tensor), 4 * _WORDS
    words = F.pad(octets, (0, row - octets.numel() % row)).view(torch.int32).view(-1, _WORDS)
    sums = [_hashed(words, seed) for seed in (1, 2)]
    digest = _header(tensor)
    digest.update(torch.stack(sums).cpu().numpy().data)
    return digest.digest()


def _octets(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().flatten().view(torch.uint8)


def _header(tensor: Tensor) -> xxhash.xxh3_128:
    return xxhash.xxh3_128(f"{tensor.dtype} {tuple(tensor.shape)};".encode())


def _hashed(words: Tensor, seed: int) -> Tensor:
    """Return a hash of [rows, words] int32 as one int64."""
    weights = _weights(words.shape[1], 2 * seed, words.device)
    starts = range(0, len(words), _ROWS_AT_ONCE)
    sums = _mixed(torch.cat([(words[start : start + _ROWS_AT_ONCE] * weights).sum(1) for start in starts]))
    return (sums * _weights(len(sums), 2 * seed + 1, words.device)).sum()


def _weights(count: int, stream: int, device: torch.device) -> Tensor:
    """Return [count] odd int64, pseudo-random and the same at every call."""
    start = stream << 40
    return _mixed(torch.arange(start, start + count, device=device) * _GOLDEN) | 1


def _mixed(values: Tensor) -> Tensor:
    """Return int64 with every bit of the value in every bit of the result, one to one."""
    for shift, factor in _MIX:
        values = (values ^ _shifted(values, shift)) * factor
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Return int64 shifted right with zeros from the left."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)
