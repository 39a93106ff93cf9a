"""Working spaces against OpenColorIO's built-in config, and their round trips."""

import numpy as np
import PyOpenColorIO as ocio
import pytest
import torch

from corridorkey_models import color
from corridorkey_models.errors import InputError

OCIO_NAMES = {
    "srgb": "sRGB - Texture",
    "rec709_g24": "Gamma 2.4 Rec.709 - Texture",
    "acescg": "ACEScg",
    "aces2065_1": "ACES2065-1",
    "linear_rec2020": "Linear Rec.2020",
    "linear_p3d65": "Linear P3-D65",
    "davinci_intermediate": "DaVinci Intermediate WideGamut",
    "davinci_wide_gamut_linear": "Linear DaVinci WideGamut",
    "arri_logc3": "ARRI LogC3 (EI800)",
    "arri_logc4": "ARRI LogC4",
    "sony_slog3": "S-Log3 S-Gamut3.Cine",
}
LINEAR = torch.tensor(
    [
        [0.18, 0.18, 0.18],
        [0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0],
        [0.05, 0.6, 0.04],
        [4.0, 2.0, 0.3],
        [0.002, 0.001, 0.003],
    ],
    dtype=torch.float64,
)


@pytest.fixture(scope="module")
def config() -> ocio.Config:
    """The studio config that OpenColorIO carries, pinned by name."""
    return ocio.Config.CreateFromBuiltinConfig("studio-config-v2.2.0_aces-v1.3_ocio-v2.4")


# OpenColorIO takes camera gamuts to ACES with CAT02 and from there to Rec.709 with Bradford; between two D65 spaces
# that leaves a tint which ours, having no adaptation to make, does not have.
CAMERAS = {"davinci_intermediate", "davinci_wide_gamut_linear", "arri_logc3", "arri_logc4", "sony_slog3"}


@pytest.mark.parametrize("space", OCIO_NAMES)
def test_encode_agrees_with_opencolorio(config: ocio.Config, space: str) -> None:
    """Linear Rec.709 encoded by us is what OpenColorIO makes of it: to 2e-5, saturated camera colours to 0.5 %."""
    processor = config.getProcessor("Linear Rec.709 (sRGB)", OCIO_NAMES[space])
    theirs = LINEAR.numpy().astype(np.float32)
    processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB(theirs)
    ours = color.encode(LINEAR, space).numpy()
    np.testing.assert_allclose(ours[:3], theirs[:3], rtol=2e-5, atol=2e-5)
    tolerance = 5e-3 if space in CAMERAS else 2e-5
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("space", color.SPACES)
def test_round_trip_keeps_every_value(space: str) -> None:
    """Decoding what was encoded gives the value back, below 0 and above 1 too."""
    values = torch.cat([LINEAR, -0.3 * LINEAR, LINEAR * 10])
    back = color.decode(color.encode(values, space), space)
    torch.testing.assert_close(back, values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("space", color.SPACES)
def test_curves_rise_without_a_step(space: str) -> None:
    """Every curve rises everywhere, so that no two exposures of a grey become one."""
    greys = torch.linspace(-0.05, 2.0, 20001, dtype=torch.float64)[:, None].expand(-1, 3)
    steps = color.encode(greys, space).diff(dim=0)
    assert steps.min() > 0
    assert steps.max() < 0.05


@pytest.mark.parametrize("space", color.SPACES)
def test_numpy_and_torch_agree(space: str) -> None:
    """An array is encoded and decoded as a tensor is, HDR, shadows and below 0, and comes back in single precision."""
    values = torch.cat([LINEAR, -0.3 * LINEAR, LINEAR * 10]).reshape(3, 6, 3)
    encoded = color.encode(values, space).numpy()
    for ours, theirs in [
        (color.encode(values.numpy(), space), encoded),
        (color.decode(encoded, space), values.numpy()),
    ]:
        assert (type(ours), ours.dtype, ours.shape) == (np.ndarray, np.float32, (3, 6, 3))
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("space", color.SPACES)
def test_broken_values_are_the_same_for_numpy(space: str) -> None:
    """NaN, infinities and hot code values end where torch ends with them, without a warning."""
    broken = np.array([[np.nan, 0.1, 0.1], [np.inf, 0, 0], [0, -np.inf, 0], [30, 30, 30], [3e38, 0, 0]], np.float32)
    for convert in (color.encode, color.decode):
        theirs = convert(torch.from_numpy(broken), space).numpy()
        ours = convert(broken, space)
        assert np.array_equal(np.isnan(ours), np.isnan(theirs))
        assert np.array_equal(np.isinf(ours), np.isinf(theirs))


def test_a_pixel_is_the_same_bits_wherever_it_lies() -> None:
    """A crop, a strided view and a whole picture give one and the same value for a pixel."""
    picture = np.random.default_rng(5).random((40, 60, 4), np.float32)
    whole = color.decode(picture[..., :3], "arri_logc3")
    assert np.array_equal(color.decode(picture[7:30, 5:50, :3].copy(), "arri_logc3"), whole[7:30, 5:50])


def test_linear_rec709_is_untouched() -> None:
    """A linear Rec.709 plate passes bit for bit, so that nothing is lost on the commonest plate."""
    plate = torch.randn(5, 7, 3)
    assert color.decode(plate, "linear_rec709") is plate
    assert color.encode(plate, "linear_rec709") is plate
    array = plate.numpy()
    assert color.decode(array, "linear_rec709") is array


def test_grey_stays_grey_between_white_points() -> None:
    """Equal R, G, B stay equal from D65 to the ACES white and back."""
    grey = torch.full((1, 3), 0.18, dtype=torch.float64)
    assert color.encode(grey, "acescg").numpy() == pytest.approx(0.18, abs=1e-12)


@pytest.mark.parametrize(
    ("space", "linear"),
    [("srgb", "linear_rec709"), ("acescg", "acescg"), ("davinci_intermediate", "davinci_wide_gamut_linear"),
     ("arri_logc4", "linear_rec709")],
)  # fmt: skip
def test_files_are_linear_in_the_plates_primaries(space: str, linear: str) -> None:
    """Files keep the plate's primaries where a linear space of that name exists, else they are linear Rec.709."""
    assert color.linear_space(space) == linear


def test_unknown_spaces_are_refused() -> None:
    """A space nobody named, or `auto`, is refused with a sentence and never guessed."""
    with pytest.raises(InputError, match="still auto"):
        color.decode(LINEAR, "auto")
    with pytest.raises(InputError, match="unknown; choose one of linear_rec709"):
        color.encode(LINEAR, "lin_srgb")
