"""Whole weight files of synthetic values (`fixtures/README.md`), for scripts that run without PyTorch.

The golden class maps, which PyTorch made, are what holds these names and shapes to the network: others would not bind,
or would give other classes.
"""

from collections.abc import Iterator

import numpy as np

from lrnnet.synthetic import parameter

DOWNSAMPLES = {0: (3, 32), 4: (32, 64), 7: (64, 128)}  # module of the encoder: channels in and out
DOWN, ACROSS = (3, 1), (1, 3)  # kernels of the factorized convolutions


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
