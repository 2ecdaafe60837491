"""PyTorch's side: the export that is the denominator, and the class map that every row is compared with."""

import logging
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lrnnet import weights
from lrnnet.config import MEAN, STD, VARIANTS
from lrnnet.model import LRNNet, upsampled
from torch import Tensor, nn


class WithClasses(nn.Module):
    """`float32 [n, 3, h, w] -> int64 [n, h, w]`: what a user of `torch.onnx` appends for masks."""

    def __init__(self, network: LRNNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image).argmax(1)


def load(path: Path) -> WithClasses:
    found = weights.read(path)
    network = LRNNet(
        replace(VARIANTS[weights.metadata(path)["variant"]], classes=len(found["classifier.predict.bias"]))
    )
    weights.load(path, network)
    return WithClasses(network.eval())


def normalised(picture: np.ndarray) -> np.ndarray:
    """RGB bytes `[h, w, 3]` to float32 `[1, 3, h, w]`."""
    x = (picture.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def class_map(module: WithClasses, picture: np.ndarray) -> np.ndarray:
    """`uint8 [h, w]` by PyTorch itself."""
    with torch.inference_mode():
        return module(torch.from_numpy(normalised(picture)))[0].numpy().astype(np.uint8)


def classes_of(logits8: np.ndarray) -> np.ndarray:
    """`uint8 [h, w]` of logits `[1, classes, h/8, w/8]`; class 255 where a logit is no number."""
    logits = upsampled(torch.from_numpy(logits8), 8)[0]
    ids = logits.argmax(0).to(torch.uint8)
    return torch.where(logits.isfinite().all(0), ids, torch.full_like(ids, 255)).numpy()


def export(module: WithClasses, size: tuple[int, int], path: Path) -> None:
    """`torch.onnx.export` as its documentation has it: the default exporter, opset and optimisation."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names every package that it could also use
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(1, 3, *size),),
            path,
            input_names=["image"],
            output_names=["class_map"],
            external_data=False,
            verbose=False,
        )
