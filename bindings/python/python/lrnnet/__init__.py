"""Street pictures to class masks with LRNNet, and trained weights to ONNX files.

    import lrnnet

    segmenter = lrnnet.Segmenter()          # the built-in model on the best device that works
    picture = lrnnet.read_picture("street.png")
    mask = segmenter.segment(picture)       # uint8 [height, width, 3], RGB -> uint8 [height, width]
    colors = segmenter.palette[mask]        # uint8 [height, width, 3]

    lrnnet.export(model.state_dict(), "model.onnx", classes="camvid")

What is assumed or takes long is told to the logger `lrnnet`.
"""

from lrnnet._native import (
    ArgumentError,
    ClassesError,
    DeviceError,
    Error,
    Exported,
    ModelError,
    OutputError,
    PictureError,
    RunError,
    Segmenter,
    VerificationError,
    WeightsError,
    __version__,
    export,
    read_picture,
)

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
