"""Does every exported form, on every CPU engine, have the accuracy that PyTorch measures?

    cargo build --release
    python agreement.py WEIGHTS --data CAMVID [--split val] [--programs ../target/release]

Prints a Markdown table; exit code 1 where a float32 form is more than 0.1 point of mIoU off. The data lie in CamVid's
folders.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TOLERANCE = 0.1  # points of mIoU
TRAINED_SIZE = ()
DYNAMIC_SIZE = ("--imgsz", "384x512")  # multiples of 64, which dynamic models need


@dataclass(frozen=True)
class Form:
    name: str
    export: tuple[str, ...] = ()
    size: tuple[str, ...] = TRAINED_SIZE
    engines: tuple[str, ...] = ("tract", "cpu")


FORMS = (
    Form("plain", ("--form", "plain")),
    Form("deploy"),
    Form("dynamic", ("--dynamic",), DYNAMIC_SIZE),
    Form("fp16", ("--half", "--no-verify"), engines=("cpu",)),  # tract emulates float16, which takes too long
)


def output(*command) -> str:
    """Standard output of a program; its messages go where this program's go."""
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout


def agrees(form: Form, found: float, expected: float) -> bool:
    """Points of mIoU, which must be numbers; only float16 may be off."""
    return math.isfinite(found) if form.name == "fp16" else abs(found - expected) <= TOLERANCE


def points(*command) -> float:
    """The mIoU in points that a program reports as JSON."""
    return 100 * json.loads(output(*command, "--json"))["miou"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--programs", type=Path, default=Path(__file__).parents[1] / "target/release")
    args = parser.parse_args()
    torch = (sys.executable, "-m", "lrnnet.evaluate", args.weights, "--data", args.data, "--split", args.split)
    expected = {size: points(*torch, *size) for size in (TRAINED_SIZE, DYNAMIC_SIZE)}
    split = args.data / args.split
    pairs = ("--images", split / "images", "--labels", split / "labels")
    print("| form | network sees | engine | mIoU, % | PyTorch, % | difference |\n|---|---|---|--:|--:|--:|", flush=True)
    off = False
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            model = Path(folder) / f"{form.name}.onnx"
            output(args.programs / "lrnnet-export", args.weights, "-o", model, *form.export)
            for engine in form.engines:
                run = (args.programs / "lrnnet-run", "eval", "-m", model, "--device", engine)
                found, wanted = points(*run, *pairs, *form.size), expected[form.size]
                off |= not agrees(form, found, wanted)
                cells = (form.name, form.size[-1] if form.size else "trained size", engine)
                figures = (f"{found:.2f}", f"{wanted:.2f}", f"{found - wanted:+.2f}")
                print(f"| {' | '.join(cells + figures)} |", flush=True)
    return int(off)


if __name__ == "__main__":
    sys.exit(main())
