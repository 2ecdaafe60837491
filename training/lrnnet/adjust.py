"""`python -m lrnnet.adjust`: logit adjustment by class (compare arXiv 2007.07314), fitted on held-out streets.

On streets that it has not seen, a network finds some classes too seldom and others too often. Constants that are added
to the logits, found with weights of hold-out trainings, mend a part of that; here they go into the biases of the last
layer of weights that have seen every street.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from lrnnet import data, recipe, weights
from lrnnet.data import DataError, DataSpec, Sample
from lrnnet.figures import figures
from lrnnet.model import LRNNet
from lrnnet.normalise import normalised
from lrnnet.recipe import Recipe, RecipeError
from lrnnet.weights import BIAS, OFFSETS, WeightsError

STRIDE = 3  # of the pixels that are fitted on, in rows and columns: neighbours say little new
STEP, LIMIT = 0.25, 1.0  # of the offsets that are tried
SHARE = 0.5  # of the fitted offsets; on other streets than they were fitted on, the whole of them gained less or lost


@dataclass(frozen=True)
class HeldOut:
    """What one weight file makes of streets that it has not seen, at every `STRIDE`-th pixel that has a class."""

    streets: str
    logits: Tensor  # float32 [pixels, classes]
    labels: Tensor  # int64 [pixels]
    spec: DataSpec

    def miou(self, offsets: Tensor) -> float:
        """With `offsets` (`float32 [classes]`) added to the logits, 0 to 1."""
        classes = self.spec.classes
        found = (self.logits + offsets).argmax(1)
        confusion = torch.bincount(self.labels * classes + found, minlength=classes**2)
        return figures(confusion.view(classes, classes).numpy(), self.spec)["miou"]


@torch.inference_mode()
def held_out(streets: str, model: LRNNet, samples: list[Sample], spec: DataSpec) -> HeldOut:
    logits, labels = [], []
    for sample in samples:
        label = torch.from_numpy(sample.label[::STRIDE, ::STRIDE].astype(np.int64))
        found = model(normalised(torch.tensor(sample.image)[None]))[0, :, ::STRIDE, ::STRIDE]
        real = label != spec.ignore
        logits.append(found.permute(1, 2, 0)[real])
        labels.append(label[real])
    return HeldOut(streets, torch.cat(logits), torch.cat(labels), spec)


def mean_miou(sets: list[HeldOut], offsets: Tensor) -> float:
    return sum(each.miou(offsets) for each in sets) / len(sets)


def fit(sets: list[HeldOut]) -> Tensor:
    """`float32 [classes]`, multiples of `STEP` within `LIMIT`: coordinate ascent on the sets' mean mIoU, from zero."""
    offsets = torch.zeros(sets[0].spec.classes)
    best, moved = mean_miou(sets, offsets), True
    while moved:
        moved = False
        for index in range(len(offsets)):
            for step in (STEP, -STEP):
                tried = offsets.clone()
                tried[index] += step
                if abs(tried[index]) <= LIMIT and (found := mean_miou(sets, tried)) > best:
                    offsets, best, moved = tried, found, True
    return offsets


def unseen_streets(chosen: Recipe, path: Path) -> list[tuple[str, str]]:
    """`(split, sequence)` of what a training by the recipe has not seen; an empty sequence is the whole split."""
    found = [(chosen.train_split, chosen.hold_out)] if chosen.hold_out else []
    if not set(chosen.val_split.split("+")) & set(chosen.train_split.split("+")):
        found.append((chosen.val_split, ""))
    if not found:
        raise WeightsError(f"{path}: its training saw every street; expected weights of a recipe with hold_out")
    return found


def read_held_out(path: Path, root: Path) -> list[HeldOut]:
    """Everything that the weights of `path` have not seen, as they see it."""
    if not (said := weights.metadata(path).get("recipe")):
        raise WeightsError(f"{path}: its metadata have no recipe; expected a file that lrnnet.train wrote")
    chosen = recipe.from_dict(said, f"{path}, recipe")
    spec = chosen.data
    model = LRNNet(chosen.network).eval()
    weights.load(path, model)
    sets = []
    for split, sequence in unseen_streets(chosen, path):
        samples = data.load(root, split, spec, size=spec.trained_size)
        if sequence:
            _, samples = data.split_off(samples, sequence)
        sets.append(held_out(sequence or split, model, samples, spec))
    return sets


def report(sets: list[HeldOut], offsets: Tensor) -> str:
    """What `offsets` gain on each set, and what those that are fitted on the other streets gain there."""
    others = {name: [each for each in sets if each.streets != name] for name in {each.streets for each in sets}}
    crossed = {name: SHARE * fit(rest) for name, rest in others.items() if rest}
    rows = ["mIoU, %     as it is   offsets of all   of the other streets"]
    for each in sorted(sets, key=lambda each: each.streets):
        before = each.miou(torch.zeros_like(offsets))
        row = f"{each.streets:<12}{100 * before:>8.2f}{100 * (each.miou(offsets) - before):>+17.2f}"
        if each.streets in crossed:
            row += f"{100 * (each.miou(crossed[each.streets]) - before):>+23.2f}"
        rows.append(row)
    return "\n".join(rows)


def read_weights(path: Path, spec: DataSpec) -> tuple[dict[str, Tensor], dict]:
    """Tensors, without what was added before, and metadata of the weights to adjust, which are for the same classes."""
    tensors, said = weights.as_trained(path)
    shape = (spec.classes,)
    if BIAS not in tensors or tensors[BIAS].shape != shape or said.get("classes") != list(spec.class_names):
        raise WeightsError(f"{path}: expected {BIAS} of {shape} and the held-out weights' classes")
    return tensors, said


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lrnnet.adjust", description=__doc__.split(": ", 1)[1])
    parser.add_argument("weights", type=Path, help="the .safetensors file to adjust")
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, help="weights of hold-out trainings")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the file to write")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 for weights or data that cannot be used."""
    args = arguments(argv)
    try:
        sets = [each for path in args.held_out for each in read_held_out(path, args.data)]
        if len({each.spec for each in sets}) > 1:
            raise WeightsError("the held-out weights are of several data sets; expected one")
        spec = sets[0].spec
        tensors, said = read_weights(args.weights, spec)
    except (WeightsError, DataError, RecipeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    offsets = SHARE * fit(sets)
    by_class = dict(zip(spec.class_names, offsets.tolist(), strict=True))
    print(report(sets, offsets))
    for name, offset in by_class.items():
        print(f"{name:<12}{offset:>+8.3f}")
    tensors[BIAS] = tensors[BIAS] + offsets
    said |= {OFFSETS: by_class, "metrics": {}}
    metadata = {key: json.dumps(value) for key, value in said.items()}
    weights.write_atomically(args.out, lambda temporary: safetensors.torch.save_file(tensors, temporary, metadata))
    return 0


if __name__ == "__main__":
    sys.exit(main())
