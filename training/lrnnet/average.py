"""`python -m lrnnet.average`: the mean of weights that were trained from one start (a model soup, arXiv 2203.05482)."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from lrnnet import weights
from lrnnet.weights import WeightsError

SAME = ("variant", "context", "power_iterations", "classes", "palette", "ignore", "mean", "std", "trained_size")
SUMMED = ("images_seen", "steps", "minutes")


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lrnnet.average", description=__doc__.split(": ", 1)[1])
    parser.add_argument("weights", type=Path, nargs="+", help=".safetensors files that lrnnet.train wrote")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the file to write")
    return parser.parse_args(argv)


def mean(files: Sequence[Path], states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Every tensor's mean over the files' states, BN's statistics included; summed in float64."""
    for file, state in zip(files, states, strict=True):
        if {n: t.shape for n, t in state.items()} != {n: t.shape for n, t in states[0].items()}:
            raise WeightsError(f"{file}: other tensors than in {files[0]}; expected weights of one network")
    return {
        name: (sum(state[name].to(torch.float64) for state in states) / len(states)).to(torch.float32)
        for name in states[0]
    }


def trainings(said: dict, share: float) -> list[dict]:
    """What a file's metadata say of the trainings behind it, each with its share of the mean; a mean is of several."""
    parts = said.get("mean_of") or [{key: said[key] for key in ("recipe", "commit", *SUMMED)}]
    return [each | {"share": share * each.get("share", 1 / len(parts))} for each in parts]


def described(files: Sequence[Path], said: Sequence[dict]) -> dict[str, str]:
    """The metadata of the mean: what the files' metadata have in common, and the sum of what they have seen."""
    for file, each in zip(files, said, strict=True):
        if lacking := [key for key in (*SAME, *SUMMED, "recipe", "commit") if key not in each]:
            raise WeightsError(
                f"{file}: its metadata lack {', '.join(lacking)}; expected a file that lrnnet.train wrote"
            )
        told, first = (
            {key: m[key] for key in SAME} | {"hold_out": m["recipe"].get("hold_out")} for m in (each, said[0])
        )
        if wrong := [key for key in told if told[key] != first[key]]:
            raise WeightsError(f"{file}: {wrong[0]} is {told[wrong[0]]!r}, in {files[0]} {first[wrong[0]]!r}")
    values = said[0] | {key: round(sum(each[key] for each in said), 1) for key in SUMMED}
    values |= {"mean_of": [part for each in said for part in trainings(each, 1 / len(said))], "metrics": {}}
    return {key: json.dumps(value) for key, value in values.items()}


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 for files that cannot be averaged."""
    args = arguments(argv)
    try:
        states, said = zip(*map(weights.as_trained, args.weights), strict=True)
        metadata, tensors = described(args.weights, said), mean(args.weights, states)
    except WeightsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    weights.write_atomically(args.out, lambda temporary: safetensors.torch.save_file(tensors, temporary, metadata))
    return 0


if __name__ == "__main__":
    sys.exit(main())
