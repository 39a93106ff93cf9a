"""Seconds and peak memory of one frame through the network, each size in a process of its own."""

import subprocess
import sys
import time
from resource import RUSAGE_SELF, getrusage

import torch
from figures import figure

from corridorkey_models.greenformer import GreenFormer

SIZES = (512, 1024)


def measure(size: int, repeats: int = 3) -> None:
    """Print the median seconds of a frame and the peak resident memory of this process in MiB."""
    torch.manual_seed(0)
    network = GreenFormer(size).eval()
    image = torch.rand(1, 4, size, size)
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            network(image)
            seconds.append(time.perf_counter() - start)
    figure(f"network_{size}_seconds", sorted(seconds[1:])[repeats // 2], "s")
    figure(f"network_{size}_peak_memory", getrusage(RUSAGE_SELF).ru_maxrss / 1024, "MiB")


def main() -> None:
    """Measure every size; memory must not carry over from one to the next."""
    for size in SIZES:
        subprocess.run([sys.executable, __file__, str(size)], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(int(sys.argv[1]))
    else:
        main()
