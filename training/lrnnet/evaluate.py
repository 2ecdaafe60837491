"""`python -m lrnnet.evaluate`: mIoU, IoU per class and pixel accuracy of a weight file, at label resolution."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from lrnnet import data, device, recipe, weights
from lrnnet.arguments import size
from lrnnet.config import VARIANTS
from lrnnet.data import DataError, DataSpec
from lrnnet.device import DeviceError
from lrnnet.metrics import evaluate
from lrnnet.model import LRNNet
from lrnnet.recipe import RecipeError
from lrnnet.weights import WeightsError


class UsageError(Exception):
    """What neither the arguments nor the weights say."""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lrnnet.evaluate", description=__doc__.split(": ", 1)[1])
    parser.add_argument("weights", type=Path, help="a .safetensors file")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--split", default="val", help="such as val or train+val")
    parser.add_argument("--sequence", help="only this sequence of the split, such as one that was held out")
    parser.add_argument("--imgsz", type=size, metavar="HxW", help="size the network sees; default: the trained size")
    parser.add_argument("--dataset", choices=sorted(data.SPECS), help="for weights that do not say theirs")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="for weights that do not say theirs")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    parser.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    return parser.parse_args(argv)


def described(args: argparse.Namespace) -> tuple[str, DataSpec]:
    """Variant and data set: what was asked for, else what the recipe of the weights says."""
    said = weights.metadata(args.weights).get("recipe")
    known = recipe.from_dict(said, f"{args.weights}, recipe") if said else None
    variant = args.variant or (known and known.variant)
    spec = data.SPECS[args.dataset] if args.dataset else known and known.data
    if not variant or not spec:
        raise UsageError(f"{args.weights} does not say its variant and data set; give --variant and --dataset")
    return variant, spec


def measure(args: argparse.Namespace) -> dict:
    variant, spec = described(args)
    model = LRNNet(dataclasses.replace(VARIANTS[variant], classes=spec.classes))
    weights.load(args.weights, model)
    samples = data.load(args.data, args.split, spec)
    if args.sequence:
        _, samples = data.split_off(samples, args.sequence)
    model = model.to(device.checked(args.device)).eval()
    found, _ = evaluate(model, samples, spec, args.imgsz or spec.trained_size, args.device)
    return found


def table(found: dict) -> str:
    rows = [f"{name:<16}{'-' if iou is None else format(100 * iou, '.2f'):>7}" for name, iou in found["iou"].items()]
    rows += [f"{'mIoU':<16}{100 * found['miou']:>7.2f}", f"{'pixel accuracy':<16}{100 * found['pixel_accuracy']:>7.2f}"]
    return "\n".join([*rows, f"{'images':<16}{found['images']:>7}"])


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 for wrong use, and for weights or data that cannot be used."""
    args = arguments(argv)
    try:
        found = measure(args)
    except (UsageError, DeviceError, WeightsError, DataError, RecipeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found) if args.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
