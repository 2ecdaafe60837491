"""Compare the reference with the files of an independent implementation.

    python check_oracle.py DIR     # DIR holds io-*.safetensors and the weight files that their keys name

Keys are `{weights}/{variant}/{tensor}`. Prints the largest difference of every tensor; exit code 1 if one is too large.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from lrnnet.compare import largest_difference
from lrnnet.config import VARIANTS
from lrnnet.model import LRNNet
from lrnnet.normalise import normalised

TOLERANCE = 1e-4  # of the largest expected value


def load_model(weights: Path, variant: str) -> LRNNet:
    state = {name: t.float() for name, t in safetensors.torch.load_file(weights).items()}
    config = dataclasses.replace(VARIANTS[variant], classes=len(state["classifier.predict.bias"]))
    model = LRNNet(config).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise SystemExit(f"error: {weights}: missing {missing}, unexpected {unexpected}")
    return model


def outputs(model: LRNNet, x: Tensor) -> dict[str, Tensor]:
    """Every tensor that the files may name."""
    found: dict[str, Tensor] = {}
    named = {f"encoder.{i}": layer for i, layer in enumerate(model.encoder)}
    if model.svn is not None:
        named |= {"svn": model.svn, "svn.q": model.svn.reduce_bn}
    for name, module in named.items():
        module.register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
    found["logits8"] = model.logits8(x)
    found["logits"] = model(x)
    found["classes"] = found["logits"].argmax(1)
    if model.svn is not None:
        found["svn.keys"] = model.svn.keys(found["svn.q"])
    return found


@torch.inference_mode()
def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(argv).folder
    files = sorted(folder.glob("io-*.safetensors"))
    if not files:
        raise SystemExit(f"error: {folder} holds no io-*.safetensors")
    worst = 0.0
    for file in files:
        expected = safetensors.torch.load_file(file)
        x = normalised(expected.pop("image")[None])
        for case in sorted({key.rpartition("/")[0] for key in expected}):
            weights, variant = case.split("/")
            found = outputs(load_model(folder / f"{weights}.safetensors", variant), x)
            for key in sorted(k for k in expected if k.startswith(f"{case}/")):
                want = expected[key].float()
                got = found[key.removeprefix(f"{case}/")].float().reshape(want.shape)
                difference = largest_difference(got, want)
                worst = max(worst, difference)
                print(f"{file.stem:<14}{key:<45}{difference:.1e}{'' if difference <= TOLERANCE else '  TOO LARGE'}")
    print(f"largest difference {worst:.1e} of the largest value, allowed {TOLERANCE:.0e}")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
