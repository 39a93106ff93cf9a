"""Kept predictions: found by content, bounded by memory."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from corridorkey_models.greenformer import Prediction
from corridorkey_models.kept import KeptPredictions, device_fingerprint, fingerprint

SIDE = 8
BYTES = 4 * SIDE * SIDE * 4


def prediction(value: float = 0.0) -> Prediction:
    """Return a prediction that holds BYTES bytes."""
    return Prediction(torch.full((1, 1, SIDE, SIDE), value), torch.full((1, 3, SIDE, SIDE), value))


def test_what_is_kept_is_found() -> None:
    """The very tensors come back under their key, and nothing under another."""
    kept, first = KeptPredictions(10 * BYTES), prediction()
    kept.keep(("net", b"a"), first)
    assert kept.get(("net", b"a")) is first
    assert kept.get(("net", b"b")) is None
    assert kept.nbytes == BYTES


def test_the_one_unused_for_longest_goes_first() -> None:
    """Asking for a prediction counts as use; what does not fit any more is what nobody asked for."""
    kept = KeptPredictions(2 * BYTES)
    kept.keep("a", prediction())
    kept.keep("b", prediction())
    kept.get("a")
    kept.keep("c", prediction())
    assert [kept.get(key) is not None for key in "abc"] == [True, False, True]
    assert kept.nbytes == 2 * BYTES


def test_memory_never_passes_the_capacity() -> None:
    """However many predictions of whatever sizes come, what is kept fits, and is as much as was counted."""
    kept = KeptPredictions(10_000)
    for number in range(200):
        side = 1 + number * 7 % 24
        kept.keep(number % 50, Prediction(torch.zeros(1, 1, side, side), torch.zeros(1, 3, side, side)))
        found = [part for key in range(50) for part in kept.get(key) or ()]
        assert sum(part.nbytes for part in found) == kept.nbytes <= 10_000


def test_what_is_too_large_is_not_kept_and_drives_nothing_out() -> None:
    """A prediction above the capacity leaves the others where they are, but its key's older one is outdated."""
    kept, large = KeptPredictions(2 * BYTES), Prediction(torch.zeros(1, 1, 64, 64), torch.zeros(1, 3, 64, 64))
    kept.keep("a", prediction())
    kept.keep("b", prediction())
    kept.keep("b", large)
    assert kept.get("b") is None
    assert kept.get("a") is not None
    assert kept.nbytes == BYTES


def test_keeping_again_replaces() -> None:
    """One key holds one prediction, and its memory is counted once."""
    kept = KeptPredictions(10 * BYTES)
    kept.keep("a", prediction(0.1))
    kept.keep("a", prediction(0.2))
    found = kept.get("a")
    assert found is not None
    assert found.alpha.mean() == pytest.approx(0.2)
    assert kept.nbytes == BYTES


def test_clearing_lets_go_of_everything() -> None:
    """After `clear` nothing is found and no memory is counted."""
    kept = KeptPredictions(10 * BYTES)
    kept.keep("a", prediction())
    kept.clear()
    assert kept.get("a") is None
    assert kept.nbytes == 0


def test_views_count_by_the_memory_that_they_hold() -> None:
    """Two views of the network's one output hold it once; a small view of a large tensor holds all of it."""
    kept, output = KeptPredictions(10 * BYTES), torch.zeros(1, 4, SIDE, SIDE)
    kept.keep("a", Prediction(output[:, :1], output[:, 1:]))
    assert kept.nbytes == BYTES
    kept.keep("b", Prediction(output[:, :1, :1, :1], output[:, 1:, :1, :1]))
    assert kept.nbytes == 2 * BYTES


fingerprints = pytest.mark.parametrize("name_of", [fingerprint, device_fingerprint])
Fingerprint = Callable[[Tensor], bytes]


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return the same values in [0, 1) at every call."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@fingerprints
def test_equal_content_has_one_fingerprint(name_of: Fingerprint) -> None:
    """It is 16 bytes that depend on the values, not on where or how they lie in memory."""
    tensor = noise(1, 4, 33, 35)
    wide = torch.cat([tensor, tensor], dim=3)
    turned = tensor.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert len(name_of(tensor)) == 16
    assert name_of(tensor) == name_of(tensor.clone()) == name_of(wide[..., :35]) == name_of(turned)


@fingerprints
def test_every_bit_counts(name_of: Fingerprint) -> None:
    """Changing one bit of a word, in any row, gives another fingerprint; so does taking every word negative."""
    words = noise(3 * 4096 + 17).view(torch.int32)
    seen = {name_of(words), name_of(-words)}
    places = (0, 1, 4095, 4096, 8191, 3 * 4096 + 16)
    for place in places:
        for bit in range(32):
            changed = words.clone()
            changed[place] ^= torch.tensor(1 << bit, dtype=torch.int64).to(torch.int32)
            seen.add(name_of(changed))
    assert len(seen) == 2 + 32 * len(places)


@fingerprints
def test_order_counts(name_of: Fingerprint) -> None:
    """Rows in another order, two values swapped, and the whole moved by one value are other tensors."""
    tensor = noise(8, 4096)
    swapped = tensor.clone()
    swapped[2, 5], swapped[2, 900] = tensor[2, 900], tensor[2, 5]
    across = tensor.clone()
    across[2, 5], across[6, 5] = tensor[6, 5], tensor[2, 5]
    others = [tensor.flip(0), tensor.flip(1), swapped, across, tensor.flatten().roll(1).view(8, 4096)]
    assert len({name_of(each) for each in (tensor, *others)}) == 6


@fingerprints
def test_zeros_of_both_signs_differ(name_of: Fingerprint) -> None:
    """-0.0 equals 0.0 but is other bits: no prediction is taken for another's."""
    zeros = torch.zeros(1, 4, 16, 16)
    negative = zeros.clone()
    negative[0, 3, 7, 7] = -0.0
    assert name_of(zeros) != name_of(negative)


@fingerprints
def test_shape_and_type_count(name_of: Fingerprint) -> None:
    """The same bytes in another shape, as another type, or with zeros behind them are other tensors."""
    zeros = torch.zeros(1, 4, 4, 2)
    same_bytes = [zeros.view(1, 4, 2, 4), zeros.flatten(), zeros.view(torch.int32), zeros.view(torch.float16)]
    longer = [torch.zeros(count) for count in (0, 1, 2, 31, 33, 4096, 4097)]
    names = [name_of(each) for each in (zeros, *same_bytes, *longer)]
    assert len(set(names)) == len(names)


@fingerprints
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.uint8, torch.float64])
def test_types_of_every_size_are_read_to_the_end(name_of: Fingerprint, kind: torch.dtype) -> None:
    """Tensors whose bytes fill no whole word are named by their last value too."""
    values = (noise(4099) * 100).to(kind)
    changed = values.clone()
    changed[-1] += 1
    assert name_of(values) != name_of(changed)


def test_changes_that_cancel_out_in_plain_sums_still_show() -> None:
    """Equal steps up and down at the corners of a rectangle leave every row's and column's sum, but no fingerprint."""
    generator = torch.Generator().manual_seed(4)
    words = (noise(4, 4096) > 0.5).float().view(torch.int32)
    names: dict[bytes, bytes] = {}
    for step in (1 << 30, 0x3F800000, 1, -1):
        for _ in range(60):
            (top, bottom), (left, right) = (torch.randint(side, (2,), generator=generator) for side in words.shape)
            changed = words.clone()
            for row, column, sign in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
                changed[row, column] += sign * step
            names[changed.numpy().tobytes()] = device_fingerprint(changed)
    assert len(set(names.values())) == len(names) > 100


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_finds_the_fingerprint_itself() -> None:
    """On an accelerator the hash is the one that the same arithmetic gives on the CPU."""
    tensor = noise(1, 4, 512, 512)
    assert fingerprint(tensor.cuda()) == device_fingerprint(tensor)
