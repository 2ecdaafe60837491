"""Synthetic weights and pictures from one short formula, so that golden files need to hold outputs only.

The formula (`fixtures/README.md`) is implemented a second time in `lrnnet-graph`; both must change together. NumPy
alone, so that the conformance script runs without PyTorch.
"""

import numpy as np

GOLDEN_RATIO_64 = np.uint64(0x9E3779B97F4A7C15)


def fnv1a(name: str) -> int:
    """The 64-bit FNV-1a hash of the UTF-8 bytes."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def splitmix64(seed: int, count: int) -> np.ndarray:
    """`uint64 [count]`: the first outputs of SplitMix64 started at `seed`."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * GOLDEN_RATIO_64
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name: str, count: int) -> np.ndarray:
    """`float64 [count]` in [-1, 1)."""
    return (splitmix64(fnv1a(name), count) >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def parameter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The synthetic value of one parameter, `float32`."""
    u = uniform(name, int(np.prod(shape)))
    module, _, kind = name.rpartition(".")
    if len(shape) == 4:
        value = u * np.sqrt(3 / np.prod(shape[1:]))
    elif name == "svn.u0":
        value = 1 + 0.5 * u
    elif "bn" in module.rpartition(".")[2]:
        value = {"weight": 1 + 0.2 * u, "bias": 0.2 * u, "running_mean": 0.2 * u, "running_var": 1 + 0.5 * u}[kind]
    else:
        value = 0.1 * u
    return value.astype(np.float32).reshape(shape)


def image(height: int, width: int) -> np.ndarray:
    """`uint8 [height, width, 3]`: a triangle wave with noise, in integer arithmetic only."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    t = (3 * x + 5 * y + 40 * c) % 256
    triangle = np.where(t < 128, 2 * t, 511 - 2 * t)
    noise = (splitmix64(fnv1a("image"), height * width * 3) >> np.uint64(59)).astype(np.int64)
    return np.minimum(255, triangle * 7 // 8 + noise.reshape(height, width, 3)).astype(np.uint8)
