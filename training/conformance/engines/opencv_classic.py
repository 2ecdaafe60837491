"""OpenCV 4's engine, which OpenCV 5 still has, in a process of its own: it can crash."""

from functools import partial

import cv2

from . import Engine
from .opencv import forward
from .program import in_a_process, serve

TAKES = "the engine of OpenCV 4, as OpenCV 5 still has it: static files in float32"
ENGINE = Engine("OpenCV classic", cv2.__version__, TAKES, partial(in_a_process, __name__))

if __name__ == "__main__":
    serve(partial(forward, engine=cv2.dnn.ENGINE_CLASSIC))
