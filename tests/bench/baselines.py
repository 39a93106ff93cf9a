"""Plain keyers to measure against, in numpy; plates are linear Rec.709 [H, W, 3].

Each returns (alpha [H, W], straight foreground [H, W, 3]). None of them is part of the product.
"""

import numpy as np
import torch

from corridorkey_models.screen import CHANNELS, estimate_clean_screen
from corridorkey_models.synthetic import Image, Truth


def excess(light: Image, screen: str) -> Image:
    """Return how far the screen's channel is above the larger of the others, [H, W]."""
    channel = CHANNELS[screen]
    return np.asarray(light[..., channel] - np.delete(light, channel, -1).max(-1))


def average_despill(light: Image, screen: str) -> Image:
    """Return `light` with the screen's channel limited to the mean of the others."""
    channel = CHANNELS[screen]
    limited = light.copy()
    limited[..., channel] = np.minimum(light[..., channel], np.delete(light, channel, -1).mean(-1))
    return limited


def vlahos(plate: Image, screen: str) -> tuple[Image, Image]:
    """Key against one screen value: 1 - excess / median screen excess; P. Vlahos, US patent 3595987, 1971."""
    amount = excess(plate, screen)
    reference = np.median(amount[amount > 0.5 * np.percentile(amount, 90)])
    alpha = 1 - np.clip(amount / max(float(reference), 1e-6), 0, 1)
    return alpha.astype(np.float32), average_despill(plate, screen)


def local_matte(plate: Image, screen: str) -> tuple[Image, Image]:
    """Key against the estimated clean screen, pixel by pixel, and subtract it."""
    light = np.clip(plate, 0, 1)
    clean = estimate_clean_screen(torch.from_numpy(light), screen).numpy()
    ratio = excess(light, screen) / np.maximum(excess(clean, screen), 1e-6)
    alpha = (1 - np.clip(ratio, 0, 1)).astype(np.float32)
    premult = np.maximum(light - (1 - alpha[..., None]) * clean, 0)
    return alpha, average_despill(premult / np.maximum(alpha[..., None], 1e-3), screen)


def oracle(plate: Image, truth: Truth) -> tuple[Image, Image]:
    """Key with the true foreground and screen known: alpha is the projection of plate - B on F - B."""
    gap = truth.foreground - truth.clean_plate
    length = np.square(gap).sum(-1)
    alpha = ((plate - truth.clean_plate) * gap).sum(-1) / np.maximum(length, 1e-9)
    known = truth.alpha > 0
    return np.where(known, np.clip(alpha, 0, 1), 0).astype(np.float32), truth.foreground
