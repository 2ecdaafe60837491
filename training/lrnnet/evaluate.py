"""`python -m lrnnet.evaluate`: mIoU, IoU per class and pixel accuracy of a weight file, at label resolution."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import torch

from lrnnet import data, weights
from lrnnet.data import DataError
from lrnnet.metrics import evaluate
from lrnnet.model import VARIANTS, LRNNet
from lrnnet.weights import WeightsError


def size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    return int(height), int(width)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lrnnet.evaluate", description=__doc__.split(": ", 1)[1])
    parser.add_argument("weights", type=Path, help="a .safetensors file")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--dataset", choices=sorted(data.SPECS), default="camvid")
    parser.add_argument("--split", default="val", help="such as val or train+val")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="c")
    parser.add_argument("--imgsz", type=size, metavar="HxW", help="size the network sees; default: the trained size")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    return parser.parse_args(argv)


def table(found: dict) -> str:
    rows = [f"{name:<16}{'-' if iou is None else format(100 * iou, '.2f'):>7}" for name, iou in found["iou"].items()]
    rows += [f"{'mIoU':<16}{100 * found['miou']:>7.2f}", f"{'pixel accuracy':<16}{100 * found['pixel_accuracy']:>7.2f}"]
    return "\n".join([*rows, f"{'images':<16}{found['images']:>7}"])


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 for weights or data that cannot be used."""
    args = arguments(argv)
    spec = data.SPECS[args.dataset]
    model = LRNNet(dataclasses.replace(VARIANTS[args.variant], classes=spec.classes)).to(args.device).eval()
    try:
        weights.load(args.weights, model)
        samples = data.load(args.data, args.split, spec)
    except (WeightsError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with torch.inference_mode():
        found, _ = evaluate(model, samples, spec, args.imgsz or spec.trained_size, args.device)
    print(json.dumps(found) if args.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
