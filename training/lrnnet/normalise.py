"""From camera bytes to what the network sees."""

from functools import cache

import torch
from torch import Tensor

from lrnnet.config import MEAN, STD


@cache
def statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, `[1, 3, 1, 1]` each, copied to the device once."""
    return tuple(torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))


def normalised(images: Tensor) -> Tensor:
    """`uint8 [n, h, w, 3]` RGB -> `float32 [n, 3, h, w]`, `(x / 255 - mean) / std`."""
    mean, std = statistics(images.device)
    return (images.permute(0, 3, 1, 2).float() / 255 - mean) / std
