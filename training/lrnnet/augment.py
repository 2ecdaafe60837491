"""Augmentation of one sample and mixing of a batch. Geometry is one affine warp, colour one look-up table per channel.

Every function takes a `numpy.random.Generator`, so a batch is a pure function of its seed.

The operations are OpenCV's. albumentations ends with 2.0.8 (its successor is under the AGPL); torchvision would bring
PyTorch into tests that do without it.
"""

import cv2
import numpy as np
from pydantic import NonNegativeInt
from pydantic.dataclasses import dataclass

from lrnnet.config import MEAN
from lrnnet.data import STRICT


@dataclass(frozen=True, config=STRICT)
class AugmentConfig:
    """Ranges are symmetric around "unchanged" unless two ends are given; `p_*` are probabilities."""

    scale: tuple[float, float] = (0.6, 1.8)
    aspect: float = 0.15
    rotate: float = 3.0  # degrees
    brightness: float = 0.12
    contrast: float = 0.3
    gamma: float = 0.35
    channel_gain: float = 0.12
    saturation: float = 0.6
    hue: float = 12.0  # degrees
    p_grey: float = 0.05
    p_blur: float = 0.15
    p_noise: float = 0.15
    p_sky: float = 0.1
    p_paste: float = 0.35
    sky_class: NonNegativeInt | None = None  # without one, no sky is repainted
    paste_classes: tuple[NonNegativeInt, ...] = ()


def warp(
    image: np.ndarray, label: np.ndarray, size: tuple[int, int], ignore: int, c: AugmentConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scale, aspect, rotation, flip and a random crop of `size` (height, width); outside the picture is `ignore`."""
    h, w = image.shape[:2]
    scale = np.exp(rng.uniform(*np.log(c.scale)))
    stretch = np.exp(rng.uniform(-c.aspect, c.aspect) / 2)
    sx, sy = scale * stretch, scale / stretch
    angle = np.deg2rad(rng.uniform(-c.rotate, c.rotate))
    flip = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos * sx * flip, -sin * sy], [sin * sx * flip, cos * sy]])
    # The scaled picture's centre may move only as far as keeps the crop as full as it can be.
    room = np.array([max(0.0, w * sx - size[1]), max(0.0, h * sy - size[0])]) / 2
    target = np.array([size[1], size[0]]) / 2 + rng.uniform(-1, 1, 2) * room
    offset = target - linear @ (np.array([w, h]) / 2)
    matrix = np.hstack([linear, offset[:, None]])
    fill = tuple(255 * m for m in MEAN)
    out = (size[1], size[0])
    image = cv2.warpAffine(image, matrix, out, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
    label = cv2.warpAffine(
        label, matrix, out, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float(ignore)
    )
    return image, label


def colour_table(c: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """`uint8 [256, 1, 3]`: gamma, contrast, brightness and a gain per channel (white balance)."""
    x = np.linspace(0, 1, 256)[:, None]
    x = x ** np.exp(rng.uniform(-c.gamma, c.gamma))
    x = x * np.exp(rng.uniform(-c.channel_gain, c.channel_gain, (1, 3)))
    x = (x - 0.4) * np.exp(rng.uniform(-c.contrast, c.contrast)) + 0.4 + rng.uniform(-c.brightness, c.brightness)
    return (255 * x).clip(0, 255).astype(np.uint8)[:, None, :]


def recolour(image: np.ndarray, c: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, gamma, white balance, saturation, hue; now and then grey."""
    if rng.random() < 0.8:
        image = cv2.LUT(image, colour_table(c, rng))
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        # OpenCV's 8-bit hue counts two degrees.
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + round(rng.uniform(-c.hue, c.hue) / 2)) % 180
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < c.p_grey:
        return grey
    keep = np.exp(rng.uniform(-c.saturation, c.saturation))
    return cv2.addWeighted(image, keep, grey, 1 - keep, 0)


def degrade(image: np.ndarray, c: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Blur, then sensor noise, each now and then."""
    if rng.random() < c.p_blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < c.p_noise:
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(2, 14)
        image = (image + noise).clip(0, 255).astype(np.uint8)
    return image


def replace_sky(image: np.ndarray, label: np.ndarray, c: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Paint the sky flat or as a gradient, smooth or noisy: drawn scenes have such skies, CamVid does not."""
    h = image.shape[0]
    value = rng.uniform(110, 255)
    tint = np.array([rng.uniform(0.55, 1.0), rng.uniform(0.8, 1.0), 1.0])
    ends = np.stack([value * tint, np.minimum(255, value * rng.uniform(0.8, 1.35)) * tint ** rng.uniform(0, 1)])
    ramp = np.linspace(0, 1, h)[:, None, None] if rng.random() < 0.7 else np.zeros((h, 1, 1))
    sky = np.broadcast_to(ends[0] + (ends[1] - ends[0]) * ramp, image.shape)
    if rng.random() < 0.6:
        sky = sky + rng.standard_normal(image.shape, np.float32) * rng.uniform(1, 12)
    return np.where((label == c.sky_class)[..., None], sky.clip(0, 255).astype(np.uint8), image)


def paste_rare(
    image: np.ndarray, label: np.ndarray, from_image: np.ndarray, from_label: np.ndarray, c: AugmentConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Copy the pixels of the rare classes of another crop over this one (as ClassMix does)."""
    mask = np.isin(from_label, c.paste_classes)
    return np.where(mask[..., None], from_image, image), np.where(mask, from_label, label)


def augment(
    image: np.ndarray, label: np.ndarray, size: tuple[int, int], ignore: int, c: AugmentConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`uint8 [h, w, 3]`, `uint8 [h, w]` -> the same of `size`, changed in geometry and colour."""
    image, label = warp(image, label, size, ignore, c, rng)
    if rng.random() < c.p_sky and c.sky_class is not None:
        image = replace_sky(image, label, c, rng)
    return degrade(recolour(image, c, rng), c, rng), label


def augmented_batch(
    samples: list[tuple[np.ndarray, np.ndarray]],
    size: tuple[int, int],
    ignore: int,
    c: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """`uint8 [n, h, w, 3]`, `uint8 [n, h, w]` of `n` samples, some holding rare objects of their neighbour."""
    crops = [augment(image, label, size, ignore, c, rng) for image, label in samples]
    mixed = [paste_rare(*crop, *crops[i - 1], c) if rng.random() < c.p_paste else crop for i, crop in enumerate(crops)]
    return np.stack([image for image, _ in mixed]), np.stack([label for _, label in mixed])
