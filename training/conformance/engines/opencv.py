"""The engine of OpenCV 5."""

from pathlib import Path

import cv2
import numpy as np

from . import Engine, Outputs, Task


def forward(path: Path, image: np.ndarray, engine: int) -> Outputs:
    net = cv2.dnn.readNetFromONNX(str(path), engine)
    net.setInput(image, "image")
    names = net.getUnconnectedOutLayersNames()
    return dict(zip(names, net.forward(names), strict=True))


def run(task: Task) -> Outputs:
    return forward(task.path, task.image, cv2.dnn.ENGINE_NEW)


ENGINE = Engine("OpenCV", cv2.__version__, "everything but int8 with `u8-nhwc`", run)
