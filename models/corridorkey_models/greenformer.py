"""The CorridorKey network in torch, forward only: Hiera-B+ encoder, two decoders, convolutional refiner.

Written from the shapes of the published checkpoints, whose names it keeps, so that they load strictly.
Knows no files, no devices and no colour beyond the ImageNet normalisation of its input.
"""

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import InputError
from .watch import Watch

Step = Callable[[str], None]

POSITIONS = "encoder.model.pos_embed"
"""Name of the one tensor whose shape depends on the size: [1, (size / 4)^2, 112], rows of the grid first."""

WIDTHS = (112, 224, 448, 896)
DEPTHS = (2, 3, 16, 3)
WINDOWS: tuple[int | None, ...] = (8, 8, 8, 4, 4, 4) + 18 * (None,)  # side in tokens, None: the whole picture
HEAD = 56
PATCH = 4
MULTIPLE = 32
_DECODER_COST = 79e3  # floating-point operations a pixel, both decoders
_REFINER_COST = 598e3

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class Prediction(NamedTuple):
    """The network's result in 0..1: alpha [B,1,H,W] and straight, sRGB-encoded foreground [B,3,H,W]."""

    alpha: Tensor
    foreground: Tensor


def normalize_plate(plate_srgb: Tensor) -> Tensor:
    """Return an sRGB-encoded plate [B,3,H,W] less the ImageNet mean, over the ImageNet deviation."""
    mean, std = (plate_srgb.new_tensor(row).view(3, 1, 1) for row in (_MEAN, _STD))
    return (plate_srgb - mean) / std


def resize_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return position embeddings [1,N,C] of a square grid, resized to `grid` (rows, columns), bicubic."""
    side = round(positions.shape[1] ** 0.5)
    if (side, side) == grid:
        return positions
    square = positions.float().transpose(1, 2).reshape(1, -1, side, side)
    resized = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return resized.flatten(2).transpose(1, 2).to(positions.dtype)


def fit_positions(state: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """Return `state` with its position embeddings resized, so that it loads into GreenFormer(size)."""
    grid = (size // PATCH, size // PATCH)
    return {**state, POSITIONS: resize_positions(state[POSITIONS], grid).contiguous()}


def _pool(x: Tensor) -> Tensor:
    """Maximum of each 2x2 group of [B,H,W,C]."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).amax((2, 4))


class _Attention(nn.Module):
    """Self-attention inside windows of [B,H,W,C]; queries are pooled 2x2 where the width doubles."""

    def __init__(self, width: int, out: int, window: int | None) -> None:
        super().__init__()
        self.window, self.out, self.pooled = window, out, width != out
        self.qkv = nn.Linear(width, 3 * out)
        self.proj = nn.Linear(out, out)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).split(self.out, dim=-1)
        window = (self.window, self.window) if self.window else (x.shape[1], x.shape[2])
        keys, values = self._heads(k, window), self._heads(v, window)
        if self.pooled:
            q, window = _pool(q), (window[0] // 2, window[1] // 2)
        attended = F.scaled_dot_product_attention(self._heads(q, window), keys, values)
        return self.proj(self._picture(attended, q.shape, window))  # type: ignore[no-any-return]

    @staticmethod
    def _heads(x: Tensor, window: tuple[int, int]) -> Tensor:
        """[B,H,W,C] as [B * windows, heads, tokens, head]: a view where one window holds the picture."""
        batch, height, width, channels = x.shape
        rows, columns = window
        parts = x.reshape(batch, height // rows, rows, width // columns, columns, channels // HEAD, HEAD)
        return parts.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, channels // HEAD, rows * columns, HEAD)

    @staticmethod
    def _picture(x: Tensor, shape: torch.Size, window: tuple[int, int]) -> Tensor:
        batch, height, width, _ = shape
        parts = x.reshape(batch, height // window[0], width // window[1], -1, *window, HEAD)
        return parts.permute(0, 1, 4, 2, 5, 3, 6).reshape(shape)


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class _Block(nn.Module):
    """One transformer block on [B,H,W,C]; halves the grid and doubles the width where the widths differ."""

    def __init__(self, width: int, out: int, window: int | None) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        if width != out:
            self.proj = nn.Linear(width, out)
        self.attn = _Attention(width, out, window)
        self.norm2 = nn.LayerNorm(out, eps=1e-6)
        self.mlp = _Mlp(out)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        shortcut = _pool(self.proj(y)) if self.attn.pooled else x
        x = shortcut + self.attn(y)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]

    def cost(self, tokens: float) -> tuple[float, float]:
        """Floating-point operations for `tokens` that come in, and the number of tokens that go out."""
        out, left = self.attn.out, tokens / 4 if self.attn.pooled else tokens
        keys = self.attn.window**2 if self.attn.window else tokens
        linear = 2 * out * (3 * tokens * self.norm1.normalized_shape[0] + 9 * left * out)
        return linear + 4 * left * keys * out, left


class _PatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(4, WIDTHS[0], kernel_size=7, stride=PATCH, padding=3)

    def forward(self, image: Tensor) -> Tensor:
        return self.proj(image).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


class _Hiera(nn.Module):
    """Hiera-B+ in raster order: picture [B,4,H,W] to features at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, (size // PATCH) ** 2, WIDTHS[0]))
        self.patch_embed = _PatchEmbed()
        outs = [width for width, depth in zip(WIDTHS, DEPTHS, strict=True) for _ in range(depth)]
        self.blocks = nn.ModuleList(map(_Block, [WIDTHS[0], *outs], outs, WINDOWS))
        self.ends = {sum(DEPTHS[: stage + 1]) - 1 for stage in range(len(DEPTHS))}

    def forward(self, image: Tensor, step: Step | None = None) -> list[Tensor]:
        x = self.patch_embed(image)
        x = x + resize_positions(self.pos_embed, (x.shape[1], x.shape[2])).view(1, *x.shape[1:])
        features = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.ends:
                features.append(x.permute(0, 3, 1, 2))
            if step is not None:
                step("encode")
        return features


class _Encoder(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.model = _Hiera(size)

    def forward(self, image: Tensor, step: Step | None = None) -> list[Tensor]:
        return self.model(image, step)  # type: ignore[no-any-return]


class _Projection(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 256)

    def forward(self, feature: Tensor) -> Tensor:
        return self.proj(feature.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class _Decoder(nn.Module):
    """Four features to logits [B,channels,H/4,W/4]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear_c4 = _Projection(WIDTHS[3])
        self.linear_c3 = _Projection(WIDTHS[2])
        self.linear_c2 = _Projection(WIDTHS[1])
        self.linear_c1 = _Projection(WIDTHS[0])
        self.linear_fuse = nn.Conv2d(1024, 256, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(256)
        self.classifier = nn.Conv2d(256, channels, kernel_size=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        c1, c2, c3, c4 = features
        levels = ((self.linear_c4, c4), (self.linear_c3, c3), (self.linear_c2, c2))
        raised = [_enlarge(project(feature), c1.shape[2:]) for project, feature in levels]
        fused = self.linear_fuse(torch.cat([*raised, self.linear_c1(c1)], dim=1))
        return self.classifier(F.relu_(self.bn(fused)))  # type: ignore[no-any-return]


def _enlarge(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class _Residual(nn.Module):
    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(64, 64, kernel_size=3, padding=dilation, dilation=dilation)
        self.gn1 = nn.GroupNorm(8, 64)
        self.conv2 = nn.Conv2d(64, 64, kernel_size=3, padding=dilation, dilation=dilation)
        self.gn2 = nn.GroupNorm(8, 64)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.gn1(self.conv1(x)))
        return F.relu_(self.gn2(self.conv2(y)).add_(x))


class _Refiner(nn.Module):
    """Normalised RGB and coarse alpha and foreground [B,7,H,W] to corrections of the four logits.

    Each GroupNorm spans the whole picture: cutting it into tiles changes the result.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(7, 64, kernel_size=3, padding=1), nn.GroupNorm(8, 64), nn.ReLU(inplace=True)
        )
        self.res1 = _Residual(1)
        self.res2 = _Residual(2)
        self.res3 = _Residual(4)
        self.res4 = _Residual(8)
        self.final = nn.Conv2d(64, 4, kernel_size=1)

    def forward(self, x: Tensor, step: Step | None = None) -> Tensor:
        x = self.stem(x)
        for block in (self.res1, self.res2, self.res3, self.res4):
            x = block(x)
            if step is not None:
                step("refine")
        return self.final(x) * 10.0  # type: ignore[no-any-return]


class GreenFormer(nn.Module):
    """The whole network, for pictures whose sides are multiples of 32.

    Position embeddings are stored for a square of `size` pixels; for any other picture they are resized on
    the way, so a network is best made, with `fit_positions`, for the size that it will see.

    Raises:
        InputError: `size` is not a positive multiple of 32.
    """

    def __init__(self, size: int = 2048) -> None:
        super().__init__()
        if size <= 0 or size % MULTIPLE:
            raise InputError(f"network size is {size}; give a positive multiple of {MULTIPLE}.")
        self.encoder = _Encoder(size)
        self.alpha_decoder = _Decoder(1)
        self.fg_decoder = _Decoder(3)
        self.refiner = _Refiner()

    def encode(self, image: Tensor, step: Step | None = None) -> list[Tensor]:
        """Return four features of `image` [B,4,H,W]: 112, 224, 448, 896 channels at 1/4, 1/8, 1/16, 1/32."""
        return self.encoder(image, step)  # type: ignore[no-any-return]

    def decode(self, features: list[Tensor]) -> Tensor:
        """Return coarse logits [B,4,H/4,W/4] of the four features: alpha, then foreground RGB."""
        return torch.cat([self.alpha_decoder(features), self.fg_decoder(features)], dim=1)

    def refine(
        self, image: Tensor, coarse: Tensor, refiner_scale: Tensor | float = 1.0, step: Step | None = None
    ) -> Tensor:
        """Return final logits [B,4,H,W] of `image` and its coarse logits; scale 0 only enlarges those."""
        logits = _enlarge(coarse, image.shape[2:])
        delta = self.refiner(torch.cat([image[:, :3], logits.sigmoid()], dim=1), step)
        final: Tensor = logits + delta * refiner_scale
        return final

    def forward(self, image: Tensor, refiner_scale: Tensor | float = 1.0, watch: Watch | None = None) -> Prediction:
        """Predict alpha and foreground.

        Args:
            image: [B,4,H,W]: sRGB-encoded RGB after `normalize_plate`, and the hint in 0..1 as it is.
            refiner_scale: strength of the refiner; a tensor of one value keeps a compiled network from being
                compiled again for each new value.
            watch: called with a rising fraction between blocks and stages; what it raises ends the work.

        Raises:
            InputError: a side of the picture is not a multiple of 32.
        """
        height, width = image.shape[2:]
        if height % MULTIPLE or width % MULTIPLE:
            raise InputError(f"picture is {width}x{height}; resize it to multiples of {MULTIPLE} for the network.")
        step = _stepper(watch, self._costs(height * width)) if watch is not None else None
        coarse = self.decode(self.encode(image, step))
        if step is not None:
            step("decode")
        result = self.refine(image, coarse, refiner_scale, step).sigmoid_()
        return Prediction(result[:, :1], result[:, 1:])

    def _costs(self, pixels: int) -> list[float]:
        costs, tokens = [], pixels / PATCH**2
        for block in self.encoder.model.blocks:
            cost, tokens = block.cost(tokens)  # type: ignore[operator]
            costs.append(cost)
        return [*costs, _DECODER_COST * pixels, *4 * [_REFINER_COST / 4 * pixels]]


def _stepper(watch: Watch, costs: list[float]) -> Step:
    """Return a function that reports the next of `costs` as done."""
    watch("encode", 0.0)
    ends = (done / sum(costs) for done in accumulate(costs))
    return lambda stage: watch(stage, next(ends))
