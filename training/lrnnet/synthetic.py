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
    """`uint8 [height, width, 3]`: a street of flat shapes under a little noise, in integer arithmetic only."""
    y, x = np.meshgrid(
        (2 * np.arange(height) + 1) * 500 // height, (2 * np.arange(width) + 1) * 500 // width, indexing="ij"
    )

    def box(left: int, right: int, top: int, bottom: int) -> np.ndarray:
        return (x >= left) & (x < right) & (y >= top) & (y < bottom)

    wall = box(0, 280, 200, 1000)
    street = np.broadcast_to(np.array([200, 210, 220]), (height, width, 3))  # sky
    for where, colour in (  # what is nearer covers what is behind it
        (wall, (130, 80, 60)),  # wall
        (wall & (x // 40 % 2 == 0) & (y // 60 % 2 == 0), (60, 60, 70)),  # windows
        (box(700, 1000, 150, 1000), (70, 90, 40)),  # tree
        (y >= 480, (150, 140, 140)),  # pavement
        ((y >= 480) & (abs(x - 500) < y - 400), (90, 90, 95)),  # road
        (box(590, 830, 430, 640), (120, 30, 35)),  # car
        (box(620, 800, 470, 540), (40, 45, 55)),  # its window
        (box(80, 110, 380, 700), (50, 50, 80)),  # post
    ):
        street = np.where(where[..., None], colour, street)
    noise = (splitmix64(fnv1a("image"), height * width * 3) >> np.uint64(59)).astype(np.int64)
    return (street + noise.reshape(height, width, 3) - 16).astype(np.uint8)
