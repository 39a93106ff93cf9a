"""How a benchmark says what it measured: one line a figure."""

import statistics
import time
from collections.abc import Callable


def figure(name: str, value: float, unit: str, target: str = "") -> None:
    """Print one figure; `target` is an operator and a number, such as ">= 2"."""
    print(f"figure {name} {value:.4g} {unit}{f' (target {target})' if target else ''}", flush=True)


def interleaved(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each run; the runs take turns, so that a slow moment of the machine hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
