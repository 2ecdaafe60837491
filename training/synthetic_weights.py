"""The synthetic weights and pictures of `fixtures/README.md` in NumPy alone, for scripts that run without PyTorch.

`lrnnet/synthetic.py` fills PyTorch modules by the same formula. The golden class maps, which PyTorch made, are what
holds the two together: other weights would give other classes.
"""

from collections.abc import Iterator

import numpy as np

DOWNSAMPLES = {0: (3, 32), 4: (32, 64), 7: (64, 128)}  # module of the encoder: channels in and out
DOWN, ACROSS = (3, 1), (1, 3)  # kernels of the factorized convolutions


def fnv1a(name: str) -> int:
    """The 64-bit FNV-1a hash of the UTF-8 bytes."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def splitmix64(name: str, count: int) -> np.ndarray:
    """`uint64 [count]`: the first outputs of SplitMix64 started at the hash of `name`."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def parameter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of one parameter, `float32`."""
    u = (splitmix64(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) / 2**23 - 1
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


def picture(height: int, width: int) -> np.ndarray:
    """`uint8 [height, width, 3]`: slanted waves under a little noise."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    t = (3 * x + 5 * y + 40 * c) % 256
    wave = np.where(t < 128, 2 * t, 511 - 2 * t)
    noise = (splitmix64("image", height * width * 3) >> np.uint64(59)).astype(np.int64)
    return np.minimum(255, wave * 7 // 8 + noise.reshape(height, width, 3)).astype(np.uint8)


def weights(block: str, context: str, classes: int) -> dict[str, np.ndarray]:
    """A whole weight file by the contract of names."""
    return {name: parameter(name, shape) for name, shape in shapes(block, context, classes)}


def shapes(block: str, context: str, classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every parameter."""
    channels = 0
    for i in range(16):
        module = f"encoder.{i}"
        if i in DOWNSAMPLES:
            before, channels = DOWNSAMPLES[i]
            yield f"{module}.conv.weight", (channels - before, before, 3, 3)
            yield from batch_norm(f"{module}.bn", channels)
        else:
            yield from BLOCKS[block](module, channels)
    if context != "none":
        yield "svn.reduce.weight", (32, 128, 1, 1)
        yield from batch_norm("svn.reduce_bn", 32)
        if context.startswith("svn"):
            yield "svn.u0", (32,)
        yield "svn.expand.weight", (128, 32, 1, 1)
        yield from batch_norm("svn.expand_bn", 128)
    yield "classifier.conv.weight", (32, 128, 3, 3)
    yield from batch_norm("classifier.bn", 32)
    yield "classifier.predict.weight", (classes, 32, 1, 1)
    yield "classifier.predict.bias", (classes,)


def batch_norm(module: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for kind in ("weight", "bias", "running_mean", "running_var"):
        yield f"{module}.{kind}", (channels,)


def fcb(module: str, c: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for side, kernels in (("left", (DOWN, ACROSS)), ("right", (ACROSS, DOWN))):
        for i, kernel in enumerate(kernels, 1):
            yield f"{module}.{side}.conv{i}.weight", (c // 2, c // 2, *kernel)
        yield from batch_norm(f"{module}.{side}.bn", c // 2)
    yield f"{module}.depthwise.weight", (c, 1, 3, 3)
    yield from batch_norm(f"{module}.depthwise_bn", c)
    yield f"{module}.pointwise.weight", (c, c, 1, 1)
    yield from batch_norm(f"{module}.pointwise_bn", c)


def pairs(module: str, c: int, kernels: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Two pairs of factorized convolutions with biases, each followed by batch normalisation."""
    for i, kernel in enumerate(kernels * 2, 1):
        yield f"{module}.conv{i}.weight", (c, c, *kernel)
        yield f"{module}.conv{i}.bias", (c,)
    yield from batch_norm(f"{module}.bn1", c)
    yield from batch_norm(f"{module}.bn2", c)


def ss_nbt(module: str, c: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from pairs(f"{module}.left", c // 2, (DOWN, ACROSS))
    yield from pairs(f"{module}.right", c // 2, (ACROSS, DOWN))


def non_bt_1d(module: str, c: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from pairs(module, c, (DOWN, ACROSS))


BLOCKS = {"fcb": fcb, "ss-nbt": ss_nbt, "non-bt-1d": non_bt_1d}
