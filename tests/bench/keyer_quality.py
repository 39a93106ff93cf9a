"""Quality of the procedural keyer against plain ones, on the synthetic shot; prints one figure a line."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from statistics import mean

import baselines
import numpy as np
import torch
from figures import figure

from corridorkey_models import metrics
from corridorkey_models.procedural import unmix
from corridorkey_models.synthetic import Image, Screen, ShotSpec, Truth, render

SEEDS = (21, 22, 23)
SCREENS: tuple[Screen, ...] = ("green", "blue")
FLICKER_FRAMES = 4
Keyed = tuple[Image, Image]
Case = dict[str, dict[str, float]]


def ours(plate: Image, truth: Truth, screen: str) -> Keyed:
    """Key with the product's procedural keyer, which sees the plate clipped to [0, 1] and a rough hint."""
    light = torch.from_numpy(np.clip(plate, 0, 1))
    alpha, foreground = unmix(light, screen, torch.from_numpy(truth.hint))
    return alpha.numpy(), foreground.numpy()


KEYERS: dict[str, Callable[[Image, Truth, str], Keyed]] = {
    "ours": ours,
    "vlahos": lambda plate, _truth, screen: baselines.vlahos(plate, screen),
    "local": lambda plate, _truth, screen: baselines.local_matte(plate, screen),
    "oracle": lambda plate, truth, _screen: baselines.oracle(plate, truth),
}


def shot(screen: Screen, uneven: bool, noise: bool, seed: int) -> ShotSpec:
    """Return a clean linear shot, or one with noise recorded as 8 bits and 4:2:0."""
    plain = ShotSpec(screen=screen, uneven=uneven, seed=seed)
    return replace(plain, noise=True, bits=8, subsampling="420") if noise else plain


def with_highlights(keyed: Keyed, plate: Image) -> Keyed:
    """Give every keyer the light above 1 back alike, as the product's finishing does."""
    alpha, foreground = keyed
    t = np.clip((alpha - 0.1) / 0.5, 0, 1)
    return alpha, foreground + (t * t * (3 - 2 * t))[..., None] * np.maximum(plate - 1, 0)


def errors(keyed: Keyed, truth: Truth) -> dict[str, float]:
    """Return how far a result is from the truth, in the units of `metrics`."""
    alpha, foreground = with_highlights(keyed, truth.plate)
    over = metrics.recomposite(foreground, alpha, truth.foreground, truth.alpha, truth.foreground_noisy)
    return {
        "alpha_mad": metrics.alpha_mad(alpha, truth.alpha),
        "comp_core": over.core,
        "comp_edge": over.edge,
        "comp_edge_stops": over.edge_stops,
    }


def measure(screen: Screen, uneven: bool, noise: bool) -> Case:
    """Return the errors of every keyer in one case, mean over the seeds: keyer -> figure -> value."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in KEYERS}
    for seed in SEEDS:
        truth = render(shot(screen, uneven, noise, seed), 0)
        for name, key in KEYERS.items():
            rows[name].append(errors(key(np.clip(truth.plate, 0, 1), truth, screen), truth))
    return {name: {key: mean(row[key] for row in found) for key in found[0]} for name, found in rows.items()}


def ratio(cases: Iterable[Case], keyer: str, name: str) -> float:
    """Return how many times larger Vlahos' mean error is than that of `keyer`."""
    theirs, ours = (mean(case[who][name] for case in cases) for who in ("vlahos", keyer))
    return theirs / ours


def report_cases(label: str, cases: dict[str, Case]) -> None:
    """Print every error of every case."""
    for case, found in cases.items():
        for keyer, row in found.items():
            for name, value in row.items():
                figure(f"{name}_{keyer}_{case}_{label}", value, "1e3")


def flicker() -> dict[str, float]:
    """Return dtSSD by keyer on a locked noisy shot, where nothing but the noise moves."""
    spec = ShotSpec(noise=True, bits=8, subsampling="420", locked=True, seed=SEEDS[0])
    frames = [render(spec, frame) for frame in range(FLICKER_FRAMES)]
    truths = np.stack([frame.alpha for frame in frames])
    return {
        name: metrics.dtssd(np.stack([key(frame.plate, frame, spec.screen)[0] for frame in frames]), truths)
        for name, key in KEYERS.items()
        if name != "local"
    }


def main() -> None:
    """Print every figure; the targets are held by the mean over all cases, the worst case stands beside it."""
    kinds = [(screen, uneven) for screen in SCREENS for uneven in (False, True)]
    measured = {}
    for label, noise in (("clean", False), ("noisy", True)):
        cases = {
            f"{screen}_{'uneven' if uneven else 'even'}": measure(screen, uneven, noise) for screen, uneven in kinds
        }
        report_cases(label, cases)
        measured[label] = cases.values()
    clean, noisy = measured["clean"], measured["noisy"]
    figure("alpha_mad_ratio_vs_vlahos", ratio([*clean, *noisy], "ours", "alpha_mad"), "x", ">= 2")
    figure("alpha_mad_ratio_vs_vlahos_worst_case", min(ratio([c], "ours", "alpha_mad") for c in [*clean, *noisy]), "x")
    figure("edge_comp_ratio_vs_vlahos_clean", ratio(clean, "ours", "comp_edge"), "x", ">= 3")
    figure("edge_comp_ratio_vs_vlahos_clean_worst_case", min(ratio([c], "ours", "comp_edge") for c in clean), "x")
    for label, cases in measured.items():
        for keyer in ("ours", "local", "oracle"):
            for name in ("alpha_mad", "comp_edge", "comp_core"):
                figure(f"{name}_ratio_{keyer}_vs_vlahos_{label}_mean", ratio(cases, keyer, name), "x")
    flickers = flicker()
    for keyer, value in flickers.items():
        figure(f"dtssd_{keyer}", value, "1e2")
    figure("dtssd_ratio_vs_vlahos", flickers["ours"] / flickers["vlahos"], "x", "<= 1")


if __name__ == "__main__":
    main()
