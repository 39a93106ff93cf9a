"""The network against the published one's figures, and what a caller may rely on."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from corridorkey_models.errors import Cancelled, InputError
from corridorkey_models.greenformer import (
    POSITIONS,
    GreenFormer,
    Prediction,
    fit_positions,
    normalize_plate,
    resize_positions,
)
from made_up_weights import made_up_state_dict

GOLDEN = Path(__file__).parents[1] / "golden"
assert_same = partial(torch.testing.assert_close, rtol=0.0, atol=2e-5)


def _network(state: dict[str, Tensor], size: int) -> GreenFormer:
    with torch.device("meta"):
        network = GreenFormer(size)
    network.load_state_dict(fit_positions(state, size), strict=True, assign=True)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Made-up weights for 256 pixels."""
    torch.set_num_threads(2)
    return made_up_state_dict(256)


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor]) -> GreenFormer:
    """A network of 256 pixels with made-up weights."""
    return _network(state, 256)


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    """Figures of the published network with the same weights."""
    return load_file(GOLDEN / "greenformer_256.safetensors")


def _picture(*shape: int) -> Tensor:
    return torch.rand(shape[0], 4, *shape[1:], generator=torch.Generator().manual_seed(7))


def test_published_checkpoint_fits() -> None:
    """Every name, shape and type of the published 2048 checkpoint is there in its order, and no other."""
    with torch.device("meta"):
        tensors = GreenFormer(2048).state_dict()
    lines = [
        f"{name} {'x'.join(map(str, tensor.shape)) or 'scalar'} {str(tensor.dtype).removeprefix('torch.')}"
        for name, tensor in tensors.items()
    ]
    assert lines == (GOLDEN / "state_dict_2048.txt").read_text().splitlines()


def test_features_agree(network: GreenFormer, golden: dict[str, Tensor]) -> None:
    """The encoder's four features are the published network's."""
    for number, feature in enumerate(network.encode(golden["input"])):
        assert_same(feature, golden[f"feat{number}"])


def test_coarse_logits_agree(network: GreenFormer, golden: dict[str, Tensor]) -> None:
    """Both decoders' logits are the published network's, given its features."""
    coarse = network.decode([golden[f"feat{number}"] for number in range(4)])
    assert_same(coarse[:, :1], golden["alpha_logits_coarse"])
    assert_same(coarse[:, 1:], golden["fg_logits_coarse"])


def test_prediction_agrees(network: GreenFormer, golden: dict[str, Tensor]) -> None:
    """Alpha and foreground are the published network's."""
    alpha, foreground = network(golden["input"])
    assert_same(alpha, golden["alpha"])
    assert_same(foreground, golden["fg"])


@pytest.mark.parametrize("height,width", [(96, 160), (160, 96), (32, 32), (288, 64)])
def test_picture_of_any_multiple_of_32(network: GreenFormer, height: int, width: int) -> None:
    """A picture that is not square gives results of its own size, finite and between 0 and 1."""
    alpha, foreground = network(_picture(1, height, width))
    assert alpha.shape == (1, 1, height, width)
    assert foreground.shape == (1, 3, height, width)
    for result in (alpha, foreground):
        assert 0 <= result.min() <= result.max() <= 1


def test_turned_picture_keeps_rows_and_columns_apart(state: dict[str, Tensor]) -> None:
    """A network turned about its diagonal gives the turned result: rows and columns are treated alike."""
    turned = {name: _turn(name, tensor) for name, tensor in state.items()}
    picture = _picture(1, 96, 160)
    straight = _network(state, 256)(picture)
    across = _network(turned, 256)(picture.transpose(2, 3))
    assert_same(across.alpha.transpose(2, 3), straight.alpha)
    assert_same(across.foreground.transpose(2, 3), straight.foreground)


def _turn(name: str, tensor: Tensor) -> Tensor:
    if name == POSITIONS:
        side = round(tensor.shape[1] ** 0.5)
        return tensor.reshape(1, side, side, -1).transpose(1, 2).flatten(1, 2)
    return tensor.transpose(2, 3) if tensor.ndim == 4 else tensor


def test_two_frames_at_once_equal_one_by_one(network: GreenFormer) -> None:
    """No frame of a batch changes another."""
    pictures = _picture(2, 128, 128)
    both = network(pictures)
    for number in range(2):
        alone = network(pictures[number : number + 1])
        assert_same(both.alpha[number], alone.alpha[0])
        assert_same(both.foreground[number], alone.foreground[0])


def test_fitted_positions_equal_positions_resized_on_the_way(network: GreenFormer, state: dict[str, Tensor]) -> None:
    """A network made for a size, and one made for another size, see the same picture alike."""
    picture = _picture(1, 128, 128)
    assert_same(_network(state, 128)(picture).alpha, network(picture).alpha)


def test_positions_of_the_same_grid_are_not_copied(state: dict[str, Tensor]) -> None:
    """At the stored size nothing is resized."""
    assert resize_positions(state[POSITIONS], (64, 64)) is state[POSITIONS]


def test_refiner_off_leaves_the_coarse_prediction(network: GreenFormer) -> None:
    """With scale 0 alpha and foreground are the enlarged coarse logits."""
    picture = _picture(1, 64, 64)
    coarse = network.decode(network.encode(picture))
    enlarged = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear").sigmoid()
    result = network(picture, 0.0)
    assert_same(torch.cat(list(result), dim=1), enlarged)


def test_refiner_scale_moves_every_logit_in_proportion(network: GreenFormer) -> None:
    """Scale 0.5 goes half of the way, in all four channels."""
    picture = _picture(1, 64, 64)
    off, half, full = (torch.cat(list(network(picture, scale)), dim=1).logit() for scale in (0.0, 0.5, 1.0))
    assert (full - off).abs().amax((0, 2, 3)).min() > 0.1
    assert_same(half, (off + full) / 2, atol=1e-4)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_refiner_scale_works_compiled(network: GreenFormer, as_tensor: bool) -> None:
    """A compiled network obeys the refiner scale as the plain one does, given as a number or as a tensor."""
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    picture = _picture(1, 64, 64)
    results = {}
    for scale in (0.0, 0.5, 1.0):
        given = torch.tensor(scale) if as_tensor else scale
        result: Prediction = compiled(picture, given)
        results[scale] = result.alpha
        assert_same(result.alpha, network(picture, scale).alpha)
        assert_same(result.foreground, network(picture, scale).foreground)
    assert (results[0.0] - results[1.0]).abs().max() > 0.01
    torch.compiler.reset()


def test_watch_sees_every_stage_rise(network: GreenFormer) -> None:
    """Progress starts at 0, rises with every report, passes encode, decode, refine and ends at 1."""
    seen: list[tuple[str, float]] = []
    network(_picture(1, 64, 64), watch=lambda stage, fraction: seen.append((stage, fraction)))
    fractions = [fraction for _, fraction in seen]
    assert list(dict.fromkeys(stage for stage, _ in seen)) == ["encode", "decode", "refine"]
    assert fractions == sorted(set(fractions))
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)


def test_no_step_of_a_full_frame_is_long() -> None:
    """At 2048 no two reports lie more than 6 % of the work apart, so a cancel is never far."""
    with torch.device("meta"):
        network = GreenFormer(2048)
        seen: list[float] = []
        network.eval()(torch.empty(1, 4, 2048, 2048), watch=lambda _, fraction: seen.append(fraction))
    assert max(b - a for a, b in pairwise(seen)) < 0.06


@pytest.mark.parametrize("last", ["encode", "decode", "refine"])
def test_cancel_ends_the_frame(network: GreenFormer, last: str) -> None:
    """What the watch raises ends the work at once, in each stage."""
    seen: list[str] = []

    def watch(stage: str, fraction: float) -> None:
        seen.append(stage)
        if stage == last:
            raise Cancelled(f"at {fraction}")

    with pytest.raises(Cancelled):
        network(_picture(1, 64, 64), watch=watch)
    assert seen.count(last) == 1


def test_watch_changes_nothing(network: GreenFormer) -> None:
    """A watched frame is bit for bit the unwatched one."""
    picture = _picture(1, 64, 64)
    assert torch.equal(network(picture, watch=lambda _stage, _fraction: None).alpha, network(picture).alpha)


def test_input_is_left_alone(network: GreenFormer) -> None:
    """The caller's picture is not written to."""
    picture = _picture(1, 64, 64)
    before = picture.clone()
    network(picture)
    assert torch.equal(picture, before)


def test_reduced_precision_stays_close(state: dict[str, Tensor]) -> None:
    """In half precision the result keeps its type and stays near the full one."""
    picture = _picture(1, 64, 64)
    full = _network(state, 256)(picture)
    small = _network(state, 256).to(torch.bfloat16)(picture.to(torch.bfloat16), torch.tensor(1.0))
    assert small.alpha.dtype == torch.bfloat16
    assert (small.alpha.float() - full.alpha).abs().mean() < 0.02


@pytest.mark.parametrize("height,width", [(64, 72), (40, 64)])
def test_other_sides_are_refused(network: GreenFormer, height: int, width: int) -> None:
    """A side that is no multiple of 32 is named in the error."""
    with pytest.raises(InputError, match=f"{width}x{height}.*32"):
        network(_picture(1, height, width))


@pytest.mark.parametrize("size", [0, -32, 100])
def test_impossible_size_is_refused(size: int) -> None:
    """A network can only be made for a positive multiple of 32."""
    with pytest.raises(InputError, match="multiple of 32"):
        GreenFormer(size)


def test_plate_is_normalised_as_imagenet() -> None:
    """The mean colour becomes 0, and one deviation more becomes 1."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    plate = torch.tensor([mean, [m + s for m, s in zip(mean, std, strict=True)]]).view(2, 3, 1, 1)
    assert_same(normalize_plate(plate).flatten(1), torch.tensor([3 * [0.0], 3 * [1.0]]))
