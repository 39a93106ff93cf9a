"""A short green or blue screen shot made from numbers, with its true matte and foreground.

The scene holds what keyers get wrong: hair thinner than a pixel, a motion-blurred limb, a defocused edge, a pane of
glass, speculars above 1, grey and dark cloth beside the screen, spill, falloff, wrinkles and tracking markers. Light
is linear Rec.709 throughout. Knows no files and no keyer; the same spec and frame give the same bits.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from . import color

Image = NDArray[np.floating[Any]]
"""[H, W] or [H, W, 3]; float32 where it leaves this module."""

Screen = Literal["green", "blue"]
Subsampling = Literal["none", "420"]

SUPERSAMPLING = 2
SHUTTER_SAMPLES = 16
STRANDS = 480
SHOT_NOISE, READ_NOISE = 2e-4, 1.2e-3
GLASS_ALPHA = 0.45
SCREEN_COLORS = {"green": (0.045, 0.42, 0.11), "blue": (0.04, 0.09, 0.42)}
GREY, DARK = (0.19, 0.19, 0.195), (0.018, 0.016, 0.02)


@dataclass(frozen=True)
class ShotSpec:
    """What is filmed and how.

    Attributes:
        width, height: picture size in pixels; the scene is laid out for 16:9 and scales with the height.
        screen: colour of the screen.
        uneven: falloff, wrinkles, hue drift and tracking markers on the screen; else an almost flat one.
        noise: shot and read noise on the plate.
        subsampling: chroma subsampling of the recorded plate.
        bits: bits a channel of the recorded plate; 0 keeps linear floating point, values above 1 included.
        seed: changes screen colour, hair, textures and noise.
        locked: nothing moves from frame to frame but the noise.
    """

    width: int = 960
    height: int = 540
    screen: Screen = "green"
    uneven: bool = True
    noise: bool = False
    subsampling: Subsampling = "none"
    bits: int = 0
    seed: int = 1
    locked: bool = False


@dataclass(frozen=True)
class Truth:
    """One rendered frame; pictures are linear Rec.709 float32.

    Attributes:
        plate: [H, W, 3] what the camera recorded.
        hint: [H, W] a rough matte: coarse, eroded, blurry, solid over the glass, without the hair.
        alpha: [H, W] true coverage.
        foreground: [H, W, 3] true straight foreground without spill; 0 where alpha is 0.
        foreground_noisy: [H, W, 3] the foreground with the plate's grain on it.
        clean_plate: [H, W, 3] the empty screen through the same lens.
    """

    plate: Image
    hint: Image
    alpha: Image
    foreground: Image
    foreground_noisy: Image
    clean_plate: Image


class _Canvas:
    """Premultiplied layers stacked at the supersampled size; positions are in picture heights."""

    def __init__(self, width: int, height: int) -> None:
        self.scale = float(height)
        self.premult = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    def window(self, center: tuple[float, float], reach: float) -> tuple[tuple[slice, slice], Image, Image]:
        """Return the slices around `center` and the coordinates there, relative to it, in picture heights."""
        bounds = []
        for middle, size in zip(center[::-1], self.alpha.shape, strict=True):
            low, high = ((middle + sign * reach) * self.scale for sign in (-1, 1))
            bounds.append(slice(int(np.clip(low, 0, size)), int(np.clip(high + 1, 0, size))))
        rows, columns = np.mgrid[bounds[0], bounds[1]].astype(np.float32)
        u = (columns + 0.5) / self.scale - np.float32(center[0])
        v = (rows + 0.5) / self.scale - np.float32(center[1])
        return (bounds[0], bounds[1]), u, v

    def over(self, where: tuple[slice, slice], coverage: Image, color: Image) -> None:
        """Put straight `color` with `coverage` over what is there."""
        weight = coverage[..., None]
        self.premult[where] = self.premult[where] * (1 - weight) + weight * color
        self.alpha[where] = self.alpha[where] * (1 - coverage) + coverage

    def edge(self, distance: Image) -> Image:
        """Return coverage from a signed distance in picture heights, negative inside, one pixel soft."""
        return np.asarray(np.clip(0.5 - distance * self.scale, 0, 1), np.float32)


@dataclass(frozen=True)
class _Pose:
    """Where things are in one frame, in picture heights and radians."""

    shift: float
    arm: float

    @classmethod
    def at(cls, frame: int, locked: bool) -> "_Pose":
        time = 0 if locked else frame
        return cls(shift=0.006 * time, arm=0.12 * np.sin(0.9 * time))


def render(spec: ShotSpec, frame: int) -> Truth:
    """Return one frame of the shot, rendered at twice the size and filtered down.

    The lens blurs premultiplied light, coverage and the screen behind it alike, so that before spill and noise
    plate = alpha * foreground + (1 - alpha) * screen holds exactly at every pixel.
    """
    canvas = _Canvas(spec.width * SUPERSAMPLING, spec.height * SUPERSAMPLING)
    screen = _screen(canvas, spec)
    _draw_scene(canvas, _Pose.at(frame, spec.locked), spec.seed)
    uncovered = screen * (1 - canvas.alpha[..., None])
    spill = _spill(canvas, screen)
    premult, alpha, behind, spill, clean = (
        _through_lens(layer, canvas.scale) for layer in (canvas.premult, canvas.alpha, uncovered, spill, screen)
    )
    straight = np.where(alpha[..., None] > 1e-4, premult / np.maximum(alpha, 1e-4)[..., None], 0).astype(np.float32)
    light = premult + spill + behind
    grain = _grain(light, spec, frame)
    plate: Image = light + grain
    if spec.bits or spec.subsampling != "none":
        plate = camera(plate, spec.bits or 10, spec.subsampling)
    return Truth(plate, rough_hint(alpha), alpha, straight, straight + grain, clean)


def encode_srgb(linear: Image) -> Image:
    """Return sRGB code values of linear light; IEC 61966-2-1, clipped to [0, 1]."""
    return np.asarray(color.srgb_encode(torch.from_numpy(linear).clamp(0, 1)))


def decode_srgb(encoded: Image) -> Image:
    """Return linear light of sRGB code values; IEC 61966-2-1."""
    return np.asarray(color.srgb_decode(torch.from_numpy(encoded).clamp(0, 1)))


def camera(linear: Image, bits: int = 8, subsampling: Subsampling = "420") -> Image:
    """Return linear light [H, W, 3] after recording: curve, limited-range Y'CbCr (ITU-R BT.709), chroma, and back."""
    rgb = encode_srgb(linear)
    luma = rgb @ np.array((0.2126, 0.7152, 0.0722), np.float32)
    chroma: Image = np.stack(((rgb[..., 2] - luma) / 1.8556, (rgb[..., 0] - luma) / 1.5748), -1)
    if subsampling == "420":
        chroma = _halved(chroma)
    step = 1 << (bits - 8)
    luma = np.round(luma * 219 * step) / (219 * step)
    chroma = np.round(chroma * 224 * step) / (224 * step)
    if subsampling == "420":
        chroma = _doubled(chroma, luma.shape)
    blue, red = luma + 1.8556 * chroma[..., 0], luma + 1.5748 * chroma[..., 1]
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return decode_srgb(np.stack((red, green, blue), -1).astype(np.float32))


def rough_hint(alpha: Image) -> Image:
    """Return the kind of rough matte an artist would draw: coarse, eroded, blurry, [H, W] in [0, 1]."""
    height = alpha.shape[0]
    step = max(1, height // 90)
    rows, columns = (-(-size // step) * step for size in alpha.shape)
    padded = np.pad(alpha, ((0, rows - height), (0, columns - alpha.shape[1])), mode="edge")
    coarse = padded.reshape(rows // step, step, columns // step, step).mean((1, 3))
    solid = ndimage.binary_erosion(coarse > 0.3, border_value=1).astype(np.float32)
    large = np.repeat(np.repeat(solid, step, 0), step, 1)[:height, : alpha.shape[1]]
    return np.asarray(ndimage.gaussian_filter(large, 0.004 * height + 0.3 * step), np.float32)


def _halved(chroma: Image) -> Image:
    even = np.pad(chroma, ((0, chroma.shape[0] % 2), (0, chroma.shape[1] % 2), (0, 0)), mode="edge")
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, -1)
    return np.asarray(blocks.mean((1, 3)))


def _doubled(chroma: Image, shape: tuple[int, ...]) -> Image:
    """Bilinear, centre-sited."""
    for axis in (0, 1):
        padded = np.pad(chroma, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        low, middle, high = (np.take(padded, range(s, s + chroma.shape[axis]), axis) for s in range(3))
        pairs = np.stack((0.75 * middle + 0.25 * low, 0.75 * middle + 0.25 * high), axis + 1)
        chroma = pairs.reshape([2 * n if a == axis else n for a, n in enumerate(chroma.shape)])
    return chroma[: shape[0], : shape[1]]


def _random(seed: int, purpose: int, frame: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, purpose, frame]))


def _waves(u: Image, v: Image, rng: np.random.Generator, frequency: float, count: int = 6) -> Image:
    """Sum of sines in random directions, mean about 0, deviation about 1; moves with its coordinates."""
    total = np.zeros(u.shape, np.float32)
    for _ in range(count):
        angle, phase, f = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi), frequency * rng.uniform(0.6, 1.6)
        kx, ky = np.float32(2 * np.pi * f * np.cos(angle)), np.float32(2 * np.pi * f * np.sin(angle))
        total += np.sin(kx * u + ky * v + np.float32(phase))
    return total * np.float32((2 / count) ** 0.5)


def _screen(canvas: _Canvas, spec: ShotSpec) -> Image:
    rng = _random(spec.seed, 1)
    color = np.array(SCREEN_COLORS[spec.screen], np.float32) * rng.uniform(0.85, 1.15, 3).astype(np.float32)
    _, u, v = canvas.window((0.0, 0.0), 8.0)
    center = rng.uniform(0.3, 1.4), rng.uniform(0.1, 0.6)
    distance = (u - center[0]) ** 2 + (v - center[1]) ** 2
    if not spec.uneven:
        return ((1 - 0.02 * distance)[..., None] * color).astype(np.float32)
    light = 1.1 / (1 + 0.55 * distance) + 0.03 * _waves(u, v, rng, 1.0)
    light += 0.025 * np.sin(2 * np.pi * (3 * u + 0.12 * np.sin(9 * v))) ** 9
    drift = 0.04 * np.stack([_waves(u, v, rng, 0.6, 3) for _ in range(3)], -1)
    marked = 1 - _markers(u, v)[..., None] * (1 - np.array((1.5, 0.62, 1.2), np.float32))
    return np.asarray(light[..., None] * (1 + drift) * color * marked, np.float32)


def _markers(u: Image, v: Image) -> Image:
    """Coverage of tape crosses on a lattice."""
    x, y = (u - 0.14) % 0.37 - 0.185, (v - 0.02) % 0.31 - 0.155
    arm = (np.abs(x) < 0.014) & (np.abs(y) < 0.003) | (np.abs(y) < 0.014) & (np.abs(x) < 0.003)
    return np.asarray(arm, np.float32)


def _draw_scene(canvas: _Canvas, pose: _Pose, seed: int) -> None:
    _draw_torso(canvas, pose, _random(seed, 2))
    _draw_head(canvas, pose, _random(seed, 3))
    _draw_hair(canvas, pose, _random(seed, 4))
    _draw_arm(canvas, pose)
    _draw_ball(canvas, pose)
    _draw_glass(canvas, pose)


def _draw_torso(canvas: _Canvas, pose: _Pose, rng: np.random.Generator) -> None:
    where, u, v = canvas.window((0.92 + pose.shift, 1.02), 0.46)
    reach = (np.abs(u / 0.40) ** 2.6 + np.abs(v / 0.44) ** 2.6) ** (1 / 2.6)
    folds = 1 + 0.12 * _waves(u, v, rng, 5.0) + 0.06 * _waves(u, v, rng, 70.0)
    weave = np.sin(2 * np.pi * 45 * u) * np.sin(2 * np.pi * 45 * v)
    grey = np.array(GREY, np.float32) * folds[..., None]
    dark = np.array(DARK, np.float32) * (1 + 0.5 * weave + 0.2 * (folds - 1))[..., None]
    scarf = np.where(weave[..., None] > 0, (0.55, 0.12, 0.06), (0.5, 0.42, 0.08)).astype(np.float32)
    color = np.where((u > 0.02)[..., None], dark, grey)
    color = np.where((np.abs(v + 0.40 + 0.3 * u * u) < 0.06)[..., None], scarf, color)
    canvas.over(where, canvas.edge((reach - 1) * 0.41), np.maximum(color, 0.002).astype(np.float32))


def _draw_head(canvas: _Canvas, pose: _Pose, rng: np.random.Generator) -> None:
    where, u, v = canvas.window((0.92 + pose.shift, 0.42), 0.2)
    shade = 0.75 + 0.35 * (v < 0.5) * (1 - 18 * (u + 0.03) ** 2 - 10 * v**2)
    color: Image = np.array((0.46, 0.27, 0.19)) * (shade + 0.03 * _waves(u, v, rng, 60.0))[..., None]
    shine = 4.5 * np.exp(-((u + 0.03) ** 2 + (v + 0.02) ** 2) / 0.012**2)
    color = np.maximum(color, 0.01) + shine[..., None]
    distance = (np.sqrt((u / 0.115) ** 2 + (v / 0.16) ** 2) - 1) * 0.13
    canvas.over(where, canvas.edge(distance), color.astype(np.float32))


def _draw_hair(canvas: _Canvas, pose: _Pose, rng: np.random.Generator) -> None:
    center = 0.92 + pose.shift, 0.33
    where, u, v = canvas.window(center, 0.2)
    distance = (np.sqrt((u / 0.135) ** 2 + (v / 0.115) ** 2) - 1) * 0.12
    cap = np.array((0.035, 0.022, 0.014), np.float32) * (1 + 0.35 * _waves(u, v, rng, 45.0))[..., None]
    face = np.clip((v - 0.02) * canvas.scale / 8 - 40 * u * u, 0, 1)
    canvas.over(where, canvas.edge(distance) * (1 - face), np.maximum(cap, 0.003).astype(np.float32))
    coverage, color = _strands(canvas, center, rng)
    canvas.over((slice(None), slice(None)), coverage, color)


def _strands(canvas: _Canvas, center: tuple[float, float], rng: np.random.Generator) -> tuple[Image, Image]:
    """Splat curved strands that taper to nothing: coverage [H, W] and straight colour [H, W, 3]."""
    t = np.linspace(0, 1, int(0.18 * canvas.scale) + 8)[None]
    angle = rng.uniform(-1.15 * np.pi, 0.15 * np.pi, (STRANDS, 1))
    length = rng.uniform(0.03, 0.13, (STRANDS, 1))
    curl = rng.normal(0, 0.9, (STRANDS, 1)) * t + 0.25 * np.sin(rng.uniform(4, 9, (STRANDS, 1)) * t)
    radius = 0.11 + length * t
    x = (center[0] + 1.12 * radius * np.cos(angle + curl)) * canvas.scale - 0.5
    y = (center[1] + radius * np.sin(angle + curl)) * canvas.scale - 0.5
    width = rng.uniform(0.0004, 0.0014, (STRANDS, 1)) * canvas.scale * (1 - 0.8 * t)
    step = np.hypot(np.gradient(x, axis=1), np.gradient(y, axis=1))
    tones = np.array((0.06, 0.036, 0.022)) * rng.lognormal(0, 0.6, (STRANDS, 1)) * rng.uniform(0.85, 1.15, (STRANDS, 3))
    amount = (width * step).ravel()
    tint = np.repeat(tones, t.size, 0)
    planes = [_splat(x.ravel(), y.ravel(), amount * w, canvas.alpha.shape) for w in (1.0, *tint.T)]
    total = planes[0]
    color = np.stack(planes[1:], -1) / np.maximum(total, 1e-6)[..., None]
    return (1 - np.exp(-total)).astype(np.float32), color.astype(np.float32)


def _splat(x: NDArray[np.float64], y: NDArray[np.float64], amount: Image, shape: tuple[int, ...]) -> Image:
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    total = np.zeros(shape[0] * shape[1])
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = (1 - np.abs(x - left - dx)) * (1 - np.abs(y - top - dy)) * amount
        column, row = left + dx, top + dy
        inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
        total += np.bincount((row * shape[1] + column)[inside], weight[inside], total.size)
    return total.reshape(shape).astype(np.float32)


def _draw_arm(canvas: _Canvas, pose: _Pose) -> None:
    """A forearm swinging through the shutter: premultiplied light averaged over its samples."""
    where, u, v = canvas.window((0.62 + pose.shift, 0.86), 0.46)
    light, coverage = np.zeros((*u.shape, 3), np.float32), np.zeros(u.shape, np.float32)
    for sample in range(SHUTTER_SAMPLES):
        angle = -2.2 + pose.arm + 0.12 * (sample + 0.5) / SHUTTER_SAMPLES
        along = np.clip(u * np.cos(angle) + v * np.sin(angle), 0, 0.38)
        distance = np.hypot(u - along * np.cos(angle), v - along * np.sin(angle)) - (0.05 - 0.03 * along)
        inside = canvas.edge(distance)
        coverage += inside / SHUTTER_SAMPLES
        skin = (0.85 - 3 * distance)[..., None] * np.array((0.44, 0.26, 0.18), np.float32)
        light += (
            inside[..., None] * np.where((along < 0.12)[..., None], GREY, skin).astype(np.float32) / SHUTTER_SAMPLES
        )
    canvas.over(where, coverage, light / np.maximum(coverage, 1e-6)[..., None])


def _draw_ball(canvas: _Canvas, pose: _Pose) -> None:
    """A defocused prop with a specular on its edge."""
    where, u, v = canvas.window((1.54 - 0.5 * pose.shift, 0.76), 0.2)
    inside = canvas.edge(np.hypot(u, v) - 0.12)
    shade = 0.7 - 2.5 * (u + v)
    color = shade[..., None] * np.array((0.5, 0.16, 0.05), np.float32)
    color += 5 * np.exp(-((u + 0.08) ** 2 + (v + 0.08) ** 2) / 0.014**2)[..., None]
    blurred = [
        ndimage.gaussian_filter(plane, 0.008 * canvas.scale) for plane in (inside, *(inside * color.T.swapaxes(1, 2)))
    ]
    coverage = blurred[0]
    canvas.over(where, coverage, np.stack(blurred[1:], -1) / np.maximum(coverage, 1e-6)[..., None])


def _draw_glass(canvas: _Canvas, pose: _Pose) -> None:
    where, u, v = canvas.window((1.45 + pose.shift, 0.3), 0.22)
    distance = np.maximum(np.abs(u) - 0.11, np.abs(v) - 0.16)
    pane = canvas.edge(distance) * GLASS_ALPHA
    color = np.broadcast_to(np.array((0.30, 0.30, 0.32), np.float32), (*u.shape, 3))
    canvas.over(where, pane, color * (1 + 0.3 * u / 0.11)[..., None])
    frame = canvas.edge(np.abs(distance) - 0.006)
    shine = 3 * np.exp(-((v - 0.05) ** 2) / 0.03**2) * (u > 0)
    canvas.over(where, frame, (np.array((0.12, 0.11, 0.1)) + shine[..., None]).astype(np.float32))


def _spill(canvas: _Canvas, screen: Image) -> Image:
    """Screen light that the subject reflects: strongest at the rim, weak everywhere; premultiplied."""
    rows, columns = canvas.alpha.shape
    bare = _zoomed(ndimage.gaussian_filter(1 - canvas.alpha[::4, ::4], 0.012 * canvas.scale / 4), (rows, columns))
    strength = canvas.alpha * (0.02 + 0.22 * bare)
    tone = screen.mean((0, 1))
    reflected = 0.1 * canvas.alpha[..., None] + np.minimum(canvas.premult, 1)
    return np.asarray(strength[..., None] * reflected * tone, np.float32)


def _zoomed(plane: Image, shape: tuple[int, int]) -> Image:
    large = np.repeat(np.repeat(plane, 4, 0), 4, 1)[: shape[0], : shape[1]]
    return np.asarray(ndimage.uniform_filter(large, 5), np.float32)


def _through_lens(layer: Image, scale: float) -> Image:
    sigma = max(0.8, 0.0011 * scale)
    axes = (sigma, sigma) if layer.ndim == 2 else (sigma, sigma, 0)
    blurred = ndimage.gaussian_filter(layer, axes, truncate=3.0)
    rows, columns = blurred.shape[0] // SUPERSAMPLING, blurred.shape[1] // SUPERSAMPLING
    blocks = blurred.reshape(rows, SUPERSAMPLING, columns, SUPERSAMPLING, *layer.shape[2:])
    return np.asarray(blocks.mean((1, 3)), np.float32)


def _grain(light: Image, spec: ShotSpec, frame: int) -> Image:
    if not spec.noise:
        return np.zeros_like(light)
    deviation = np.sqrt(SHOT_NOISE * np.maximum(light, 0) + READ_NOISE**2)
    normal = _random(spec.seed, 5, frame).standard_normal(light.shape, np.float32)
    return np.asarray(deviation * normal, np.float32)
