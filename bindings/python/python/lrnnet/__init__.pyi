from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ArgumentError",
    "ClassesError",
    "DeviceError",
    "Error",
    "Exported",
    "ModelError",
    "OutputError",
    "PictureError",
    "RunError",
    "Segmenter",
    "VerificationError",
    "WeightsError",
    "__version__",
    "export",
    "read_picture",
]

__version__: str

class Error(Exception):
    """The base of all errors of this package."""

class ArgumentError(Error):
    """What was asked for makes no sense or does not fit the model."""

class WeightsError(Error):
    """The weights cannot be read, are none, or do not fit the network."""

class ClassesError(Error):
    """The file of class names cannot be read or is none."""

class ModelError(Error):
    """The model file cannot be read, is none, or cannot be fed."""

class PictureError(Error):
    """An array or file is no picture, or too large a one."""

class VerificationError(Error):
    """The exported model computes something else than its plain form."""

class DeviceError(Error):
    """The device or the library of its runtime does not work here."""

class RunError(Error):
    """The network ran and failed."""

class OutputError(Error):
    """What was made cannot be written."""

@final
class Segmenter:
    """A trained network on a device, ready for pictures.

    model: a file of `lrnnet-export` or its bytes; by default the built-in CamVid model (research use only).
    device: "auto" takes the best that works; "cpu" (ONNX Runtime), "tract", "cuda[:N]" and "tensorrt[:N]" work or fail,
        and never fall back.
    precision: "fp32" or "int8", of the built-in model.
    size: height and width at which a dynamic model runs; by default they follow each picture.
    batch: pictures per run; a model with a fixed batch takes no other.
    threads: of a run on the CPU; by default the runtime's choice.
    library: ONNX Runtime's library or its folder; by default that of ORT_DYLIB_PATH, else that of an installed
        `onnxruntime` wheel, else where `lrnnet-run doctor` looks.
    trust_model: take a model that lrnnet-export did not write as it is: only from somebody you would run a program of.

    Any thread may call it; calls wait for each other, and the interpreter's lock is released meanwhile. For pictures
    side by side, make a segmenter for each thread.
    """

    def __new__(
        cls,
        model: str | PathLike[str] | bytes | None = None,
        device: str = "auto",
        *,
        precision: Literal["fp32", "int8"] | None = None,
        size: tuple[int, int] | None = None,
        batch: int = 1,
        threads: int | None = None,
        library: str | PathLike[str] | None = None,
        trust_model: bool = False,
    ) -> Segmenter: ...
    def segment(self, picture: NDArray[np.uint8], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Segments one picture.

        picture: uint8 `[height, width, 3]`, RGB, of any size and strides. Rows of whole pixels are not copied: neither
            crops (`a[8:, :640]`) nor `bgr[:, :, ::-1]` are.
        out: uint8 `[height, width]`, contiguous: a mask to fill and return in place of a new one.

        Gives a class id per pixel, uint8 `[height, width]`, at the picture's own size.
        """

    def segment_batch(self, pictures: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Segments any number of pictures, `batch` of them in a run.

        pictures: each uint8 `[height_i, width_i, 3]`, or all in one array `[n, height, width, 3]`. Those of one run are
            brought to the input size of the first.

        Gives a mask for each, uint8 `[height_i, width_i]`.
        """

    def save_mask(
        self,
        mask: NDArray[np.uint8],
        path: str | PathLike[str],
        style: Literal["indexed", "gray", "color"] = "indexed",
    ) -> None:
        """Writes a mask, uint8 `[height, width]`, as a PNG file: whole or not at all.

        style: "indexed" (8 bits, index = class id, the model's palette), "gray" (value = class id) or "color" (RGB).
        """

    @property
    def class_names(self) -> list[str]:
        """Names by class id."""

    @property
    def palette(self) -> NDArray[np.uint8]:
        """sRGB colours by class id, uint8 `[classes, 3]`: `palette[mask]` is a picture of the mask."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What the model file says about itself; docs/metadata.md lists the keys."""

    @property
    def device(self) -> str | None:
        """The device in use, as the word that asks for it."""

    @property
    def runtime(self) -> str:
        """Runtime, version and device in use, in words."""

    @property
    def passed_over(self) -> list[tuple[str, str]]:
        """The better devices that "auto" tried before, each with the reason why it is not used."""

    @property
    def batch(self) -> int:
        """Pictures per run."""

@final
class Exported:
    """What was exported."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def size(self) -> int:
        """Bytes of the file."""

    @property
    def notes(self) -> list[str]:
        """What was assumed since neither the weights nor the caller said it."""

    @property
    def verification(self) -> str | None:
        """How well the file agrees with the plain form of the network; None if that was not asked for."""

    @property
    def has_selftest(self) -> bool:
        """Whether the file holds a self-test."""

def export(
    weights: Mapping[str, Any] | str | PathLike[str],
    output: str | PathLike[str],
    *,
    variant: Literal["a", "b", "c"] | None = None,
    block: Literal["fcb", "ss-nbt", "non-bt-1d"] | None = None,
    context: str | None = None,
    power_iters: int | None = None,
    classes: str | PathLike[str] | Sequence[str] | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    size: tuple[int, int] | str | None = None,
    batch: int | Literal["any"] = ...,
    input: Literal["f32-nchw", "u8-nhwc"] = "f32-nchw",
    head: Literal["class-map", "logits", "logits-8", "both"] = "class-map",
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    calibration: str | PathLike[str] | None = None,
    samples: int = ...,
    form: Literal["deploy", "blocked", "plain", "basic", "dense"] | None = None,
    opset: int | None = None,
    verify: bool = True,
) -> Exported:
    """Makes a checked, self-describing ONNX file of trained weights.

    weights: a PyTorch `state_dict` (or names to NumPy arrays), or the path of a .safetensors or .pth file. PyTorch is
        not imported.
    output: where the file goes; it is written whole or not at all.
    variant, block, context, power_iters: the network, in the words of `lrnnet-export`; by default what the weights
        say.
    classes: "camvid", "cityscapes", a file with a name (and a colour) per line, or the names.
    mean, std: of red, green and blue in training, 0 to 1; by default what the weights say, else ImageNet's.
    size: height and width of the input, or "dynamic"; by default those of training.
    batch: pictures per run of a fixed size, or "any".
    precision: "int8" needs `calibration`, a folder of pictures, of which it measures `samples`, 32 by default.
    form, opset: how the graph is written down; see docs/compatibility.md.
    verify: whether the file is run against the plain form of the network before it is written.
    """

def read_picture(source: str | PathLike[str] | bytes) -> NDArray[np.uint8]:
    """Decodes a PNG, JPEG or WebP file, or its bytes, as `lrnnet-run` does.

    Gives uint8 `[height, width, 3]`, RGB, turned upright as EXIF says, without alpha.
    """
