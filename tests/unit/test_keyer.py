"""The Keyer against the golden frames of the published code, and on the cases that artists name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from corridorkey_models import color
from corridorkey_models.errors import Cancelled, InputError, ResourceError
from corridorkey_models.greenformer import GreenFormer, Prediction
from corridorkey_models.hint import select_channel
from corridorkey_models.keyed import Masks, Pixels
from corridorkey_models.keyer import Keyer, finite
from corridorkey_models.params import Params
from corridorkey_models.predictors import Network, Procedural
from fakes import HintAsMatte
from made_up_weights import made_up_state_dict

GOLDEN = Path(__file__).parent.parent / "golden"
PARITY = Params(foreground_source="model", working_space="srgb")
LINEAR = Params(working_space="linear_rec709")


@pytest.fixture(scope="module")
def network() -> Iterator[Keyer]:
    """A Keyer with the true network at 256 and made-up weights."""
    net = GreenFormer(256)
    net.load_state_dict(made_up_state_dict(256))
    yield Keyer(Network(net, "made up", torch.device("cpu"), {"full": 256}))


@pytest.fixture(scope="module")
def golden() -> dict[str, Pixels]:
    """The whole frame path of the published code on a 384x216 frame."""
    return load_file(GOLDEN / "process_256.safetensors")


@pytest.fixture
def stub() -> Keyer:
    """A Keyer whose matte is the hint."""
    return Keyer(HintAsMatte())


def picture(height: int = 90, width: int = 160, seed: int = 3) -> Pixels:
    """A plate in [0.05, 0.8] without any structure to rely on."""
    return np.random.default_rng(seed).uniform(0.05, 0.8, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize(("space", "prefix"), [("srgb", "srgb"), ("linear_rec709", "linear")])
def test_agrees_with_the_published_code(network: Keyer, golden: dict[str, Pixels], space: str, prefix: str) -> None:
    """Matte and premultiplied linear foreground equal the published code's to 1e-4, for both plate encodings."""
    params = Params(foreground_source="model", working_space=space, output_space="linear_rec709")
    keyed = network.key(golden["plate"], golden["hint"], params)
    np.testing.assert_allclose(keyed.matte, golden[f"{prefix}_alpha"][..., 0], atol=1e-4)
    premultiplied = keyed.foreground * keyed.matte[..., None]
    np.testing.assert_allclose(premultiplied, golden[f"{prefix}_processed"][..., :3], atol=1e-4)


def test_straight_foreground_agrees_with_the_published_code(network: Keyer, golden: dict[str, Pixels]) -> None:
    """Without despill an sRGB plate gives the published code's straight sRGB foreground, to 1e-4."""
    params = Params(foreground_source="model", working_space="srgb", despill=0.0)
    keyed = network.key(golden["plate"], golden["hint"], params)
    np.testing.assert_allclose(keyed.foreground, golden["srgb_fg"], atol=1e-4)


def test_refiner_scale_agrees_with_the_published_code(network: Keyer, golden: dict[str, Pixels]) -> None:
    """Half the refiner is half the refiner, not silently the whole."""
    params = Params(foreground_source="model", working_space="srgb", despill=0.0, refiner_scale=0.5)
    keyed = network.key(golden["plate"], golden["hint"], params)
    np.testing.assert_allclose(keyed.matte, golden["refiner_half_alpha"][..., 0], atol=1e-4)
    np.testing.assert_allclose(keyed.foreground, golden["refiner_half_fg"], atol=1e-4)


def test_same_input_gives_same_bits(network: Keyer, golden: dict[str, Pixels]) -> None:
    """Keying twice gives the same frame bit for bit, despeckle included: nothing flickers by itself."""
    params = Params(working_space="srgb", despeckle=True)
    first, second = (network.key(golden["plate"], golden["hint"], params) for _ in range(2))
    assert np.array_equal(first.foreground, second.foreground)
    assert np.array_equal(first.matte, second.matte)


@pytest.mark.parametrize("space", ["acescg", "aces2065_1", "linear_rec2020", "davinci_wide_gamut_linear"])
def test_working_space_does_not_matter(network: Keyer, golden: dict[str, Pixels], space: str) -> None:
    """Keying an ACEScg plate equals converting the key of its linear Rec.709 twin, to 1e-4."""
    plate = color.srgb_decode(torch.from_numpy(golden["plate"]))
    twin = color.encode(plate, space)
    ours = network.key(twin.numpy(), golden["hint"], Params(working_space=space))
    theirs = network.key(plate.numpy(), golden["hint"], LINEAR)
    converted = color.encode(torch.from_numpy(theirs.foreground), space).numpy()
    np.testing.assert_allclose(ours.matte, theirs.matte, atol=1e-4)
    np.testing.assert_allclose(ours.foreground, converted, atol=1e-4)


@pytest.mark.parametrize("space", color.SPACES)
def test_a_solid_matte_gives_the_plate_back(stub: Keyer, space: str) -> None:
    """With a solid matte and no despill every encoding comes back as it went in, HDR included."""
    linear = torch.from_numpy(picture()) * 3
    plate = color.encode(linear, space).numpy()
    keyed = stub.key(plate, np.ones((90, 160)), Params(working_space=space, despill=0.0))
    np.testing.assert_allclose(keyed.foreground, plate, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("coverage", [0.5, 1.0])
@pytest.mark.parametrize("space", ["linear_rec709", "arri_logc3", "arri_logc4", "davinci_intermediate", "sony_slog3"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 12.0])
def test_broken_pixels_harm_only_themselves(stub: Keyer, bad: float, space: str, coverage: float) -> None:
    """A NaN, infinite or hot code value leaves every other pixel as it was, and is itself finite afterwards."""
    plate, hint = picture(), np.full((90, 160), coverage)
    params = Params(working_space=space, despill=0.0)
    clean = stub.key(plate, hint, params)
    broken = plate.copy()
    broken[40, 70, 1] = bad
    keyed = stub.key(broken, hint, params)
    assert np.isfinite(keyed.foreground).all()
    elsewhere = np.ones((90, 160), dtype=bool)
    elsewhere[40, 70] = False
    np.testing.assert_allclose(keyed.foreground[elsewhere], clean.foreground[elsewhere], atol=1e-6)
    assert np.array_equal(keyed.matte, clean.matte)


def test_a_broken_pixel_does_not_poison_the_network(network: Keyer, golden: dict[str, Pixels]) -> None:
    """One NaN among the network's input changes the matte by little, far away by next to nothing."""
    clean = network.key(golden["plate"], golden["hint"], PARITY)
    broken = golden["plate"].copy()
    broken[10, 10] = np.nan
    keyed = network.key(broken, golden["hint"], PARITY)
    assert np.isfinite(keyed.matte).all()
    assert np.abs(keyed.matte - clean.matte)[100:, 200:].max() < 0.02


def test_nan_is_taken_from_neighbours() -> None:
    """A NaN becomes the mean of what is around it, an area of NaN becomes 0, infinity the half range."""
    plate = torch.full((11, 11, 1), 0.3)
    plate[5, 5] = torch.nan
    plate[0, 0] = torch.inf
    plate[5, 6] = torch.inf
    assert finite(plate)[5, 5].item() == pytest.approx(0.3)
    assert finite(plate)[0, 0].item() == 65504
    assert finite(torch.full((9, 9, 1), torch.nan)).abs().max() == 0


def test_non_finite_prediction_is_an_error() -> None:
    """What is not finite is an error with counts, never a picture."""

    class Broken(HintAsMatte):
        def predict(self, *_: object) -> Prediction:
            alpha = torch.zeros(1, 1, 90, 160)
            alpha[0, 0, 0, :7] = torch.nan
            return Prediction(alpha, torch.zeros(1, 3, 90, 160))

    with pytest.raises(ResourceError, match="gave 7 of 57600 values that are not finite"):
        Keyer(Broken()).key(picture(), np.ones((90, 160)), LINEAR)


def test_an_empty_hint_is_an_empty_frame(stub: Keyer) -> None:
    """A wired hint that is 0 everywhere gives a matte of 0 and says so, without an error."""
    keyed = stub.key(picture(), np.zeros((90, 160)), LINEAR)
    assert keyed.empty
    assert keyed.matte.max() == keyed.foreground.max() == 0


def test_masks_work_on_hint_and_matte(stub: Keyer) -> None:
    """The inside mask keeps what the hint missed, the outside mask drops what it took, in the matte too."""
    inside, outside = np.zeros((90, 160)), np.zeros((90, 160))
    inside[:10], outside[80:] = 1, 1
    keyed = stub.key(picture(), np.full((90, 160), 0.4), LINEAR, Masks(inside, outside))
    for part in (keyed.hint, keyed.matte):
        assert part[:10].min() == 1
        assert part[80:].max() == 0
        np.testing.assert_allclose(part[10:80], 0.4, atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "channel", "expected"),
    [(4, "auto", 0.9), (3, "auto", 0.2126 * 0.1 + 0.7152 * 0.2 + 0.0722 * 0.3), (1, "alpha", 0.1), (4, "red", 0.1),
     (4, "blue", 0.3), (2, "auto", 0.2), (3, "green", 0.2)],
)  # fmt: skip
def test_hint_channel(stub: Keyer, channels: int, channel: str, expected: float) -> None:
    """The hint is read from the channel asked for; auto takes alpha if there is one, else luminance."""
    values = np.array([0.1, 0.2, 0.3, 0.9])[:channels]
    hint = np.broadcast_to(values, (90, 160, channels))
    keyed = stub.key(picture(), hint, Params(working_space="linear_rec709", hint_channel=channel))
    np.testing.assert_allclose(keyed.hint, expected, atol=1e-6)


@pytest.mark.parametrize("channel", ["auto", "alpha", "red", "green", "luminance"])
def test_a_hint_may_be_selected_before(stub: Keyer, channel: str) -> None:
    """A hint sent as the one channel that is meant gives the same bits as the whole image with its choice."""
    image = np.random.default_rng(8).random((90, 160, 4))
    params = Params(working_space="linear_rec709", hint_channel=channel, hint_blur=8.0)
    whole = stub.key(picture(), image, params)
    selected = stub.key(picture(), select_channel(image, channel)[0], params)
    assert np.array_equal(whole.hint, selected.hint)
    assert np.array_equal(whole.matte, selected.matte)


def test_a_hint_that_is_not_used_is_not_read(stub: Keyer) -> None:
    """With hint_source chroma the wired hint's channels do not matter, but its size must still fit."""
    params = Params(working_space="linear_rec709", hint_source="chroma", hint_channel="alpha")
    assert stub.key(picture(), np.zeros((90, 160, 3)), params).matte.max() > 0
    with pytest.raises(InputError, match="the hint is 80x90"):
        stub.key(picture(), np.zeros((90, 80)), params)


def test_hint_tools(stub: Keyer) -> None:
    """Invert, erode and blur shape the hint in this order, in pixels at 1920 wide."""
    hint = np.zeros((90, 160))
    hint[:, :80] = 1.0
    params = Params(working_space="linear_rec709", hint_invert=True, hint_erode=24.0)
    keyed = stub.key(picture(), hint, params)
    assert keyed.hint[45].sum() == pytest.approx(80 - 2)
    blurred = stub.key(picture(), hint, replace(params, hint_blur=12.0))
    assert blurred.hint[45].sum() == pytest.approx(80 - 2, abs=0.01)
    assert 0.4 < blurred.hint[45, 82] < 0.8


@pytest.mark.parametrize("channels", [2, 4])
def test_a_matte_saved_with_a_solid_alpha_is_still_a_matte(stub: Keyer, channels: int) -> None:
    """A grey picture whose alpha is 1 everywhere is read from its colour, and that is said; masks alike."""
    grey = np.zeros((90, 160, channels))
    grey[:, :50] = 1.0
    grey[..., -1] = 1.0
    keyed = stub.key(picture(), grey, LINEAR, Masks(outside=grey))
    assert "its colour was taken" in keyed.notes[0]
    assert keyed.matte[:, :50].max() == 0
    assert stub.key(picture(), grey, LINEAR).matte.mean() == pytest.approx(50 / 160)


def test_what_a_mask_holds_has_the_plates_color() -> None:
    """Where the model saw only screen but the inside mask keeps, the colour is the plate's and not the model's."""

    class Blind(HintAsMatte):
        def predict(self, *_: object) -> Prediction:
            return Prediction(torch.zeros(1, 1, 90, 160), torch.full((1, 3, 90, 160), 0.9))

    plate = np.full((90, 160, 3), 0.3, np.float32)
    keyed = Keyer(Blind()).key(plate, np.ones((90, 160)), LINEAR, Masks(inside=np.ones((90, 160))))
    np.testing.assert_allclose(keyed.foreground, 0.3, atol=1e-5)


def test_matte_tools_do_not_break_the_masks(stub: Keyer) -> None:
    """Garbage stays 0 though the matte is grown and blurred, and a small held part survives despeckle."""
    hint, inside, outside = (np.zeros((90, 160)) for _ in range(3))
    hint[:, :80], inside[4:6, 150:152], outside[:, 80:140] = 1.0, 1.0, 1.0
    values = {"despeckle": True, "despeckle_size": 100000.0, "matte_grow": 40.0, "matte_blur": 20.0}
    params = Params.parse(values | {"working_space": "linear_rec709"})
    keyed = stub.key(picture(), hint, params, Masks(inside, outside))
    assert keyed.matte[:, 80:140].max() == 0
    assert keyed.matte[4:6, 150:152].min() == 1
    assert keyed.matte.max() <= 1


def test_an_empty_frame_is_black_in_its_own_encoding(stub: Keyer) -> None:
    """Nothing keyed in a log space is that space's black, not its code value 0."""
    keyed = stub.key(picture(), np.zeros((90, 160)), Params(working_space="arri_logc3"))
    assert color.decode(torch.from_numpy(keyed.foreground), "arri_logc3").abs().max() < 1e-6


def test_memory_that_runs_out_is_a_sentence() -> None:
    """A device without memory ends the frame with what to do, not with a traceback."""

    class Huge(HintAsMatte):
        def predict(self, *_: object) -> Prediction:
            raise torch.OutOfMemoryError

    with pytest.raises(ResourceError, match="cpu ran out of memory at quality full"):
        Keyer(Huge()).key(picture(), np.ones((90, 160)), LINEAR)


def test_hint_from_the_plates_alpha(stub: Keyer) -> None:
    """source_alpha reads the plate's fourth channel, and is refused where there is none."""
    plate = np.concatenate([picture(), np.full((90, 160, 1), 0.6, np.float32)], axis=2)
    params = Params(working_space="linear_rec709", hint_source="source_alpha")
    np.testing.assert_allclose(stub.key(plate, None, params).matte, 0.6, atol=1e-6)
    with pytest.raises(InputError, match="no alpha"):
        stub.key(picture(), None, params)


def test_result_goes_into_the_callers_buffer(stub: Keyer) -> None:
    """`out` holds foreground and matte, and the result views it."""
    out = np.full((90, 160, 4), np.nan, np.float32)
    keyed = stub.key(picture(), np.full((90, 160), 0.5), LINEAR, out=out)
    assert np.isfinite(out).all()
    assert np.shares_memory(keyed.foreground, out)
    assert np.shares_memory(keyed.matte, out)
    with pytest.raises(InputError, match="output buffer"):
        stub.key(picture(), None, LINEAR, out=np.zeros((3, 3, 4), np.float32))


def test_watch_can_cancel(network: Keyer, golden: dict[str, Pixels]) -> None:
    """Raising Cancelled from watch ends the frame between two blocks of the network."""
    seen: list[float] = []

    def watch(stage: str, fraction: float) -> None:
        seen.append(fraction)
        if fraction > 0.3:
            raise Cancelled(stage)

    with pytest.raises(Cancelled):
        network.key(golden["plate"], golden["hint"], PARITY, watch=watch)
    assert seen == sorted(seen)
    assert len(seen) > 3


def test_progress_rises_to_the_end(network: Keyer, golden: dict[str, Pixels]) -> None:
    """Over prediction and finishing the fraction never falls, and ends at 1."""
    seen: list[float] = []
    network.key(golden["plate"], golden["hint"], PARITY, watch=lambda _stage, fraction: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1


@pytest.mark.parametrize(
    ("plate", "hint", "params", "sentence"),
    [
        (picture(), np.ones((90, 80)), LINEAR, "the hint is 80x90, the plate 160x90"),
        (picture(), np.ones((90, 160, 5)), LINEAR, "hint has shape"),
        (picture()[..., :2], None, LINEAR, "plate has shape"),
        ((picture() * 255).astype(np.uint8), None, LINEAR, "uint8"),
        (picture(), None, Params(), "still auto"),
        (picture(), None, Params(working_space="srgb", hint_source="input"), "no hint is wired"),
        (np.zeros((0, 4, 3)), None, LINEAR, "plate has shape"),
        (
            picture(),
            np.ones((90, 160, 3)),
            Params(working_space="srgb", hint_channel="alpha"),
            "hint has no alpha",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    stub: Keyer, plate: Pixels, hint: Pixels | None, params: Params, sentence: str
) -> None:
    """What does not fit together is refused with the cause."""
    with pytest.raises(InputError, match=sentence):
        stub.key(plate, hint, params)


def test_matte_tools_come_after_the_foreground(stub: Keyer) -> None:
    """Levels, grow and blur shape the matte and leave the foreground alone."""
    hint = np.tile(np.linspace(0, 1, 160), (90, 1))
    plain = stub.key(picture(), hint, LINEAR)
    shaped = stub.key(
        picture(),
        hint,
        Params(working_space="linear_rec709", matte_black=0.2, matte_white=0.8, matte_grow=12.0),
    )
    assert np.array_equal(plain.foreground, shaped.foreground)
    assert shaped.matte[45, 20] == 0
    assert shaped.matte[45, 140] == 1


def test_despilled_plate_as_foreground(stub: Keyer) -> None:
    """plate_despilled is the plate itself without the screen's excess, wherever the matte is."""
    plate = np.broadcast_to(np.float32([0.1, 0.7, 0.1]), (90, 160, 3))
    params = Params(working_space="linear_rec709", foreground_source="plate_despilled", despill=1.0)
    keyed = stub.key(plate, np.zeros((90, 160)) + 0.1, params)
    assert np.ptp(keyed.foreground, axis=(0, 1)).max() == 0
    assert keyed.foreground[0, 0, 1] < 0.2


def test_procedural_keyer_needs_no_weights_and_no_hint() -> None:
    """A grey square on a green screen is keyed with nothing but the plate: 0 outside, 1 inside."""
    plate = np.broadcast_to(np.float32([0.08, 0.45, 0.1]), (180, 320, 3)).copy()
    plate[60:120, 100:220] = 0.3
    keyed = Keyer(Procedural(torch.device("cpu"))).key(plate, None, LINEAR)
    assert keyed.matte[20:40, 20:300].max() == 0
    assert keyed.matte[75:105, 115:205].min() == 1
    np.testing.assert_allclose(keyed.foreground[75:105, 115:205], 0.3, atol=0.01)
