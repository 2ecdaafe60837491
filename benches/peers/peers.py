"""Time our files against PyTorch's own export, each row in a process of its own, rows taking turns.

    python peers.py --export ../../target/release/lrnnet-export --run ../../target/release/lrnnet-run

The denominator, `ort:torch`, is `torch.onnx.export` of the reference (`training/lrnnet`) with an arg max appended, in
ONNX Runtime; its input is normalised already, while our rows take bytes. Prints one Markdown table a size. Exits with
1 if a row's class map is not PyTorch's. Needs requirements.txt.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "training"))

from lrnnet.arguments import positive, size  # noqa: E402
from lrnnet.compare import share_of_others  # noqa: E402
from lrnnet.weights import WeightsError  # noqa: E402

import reference  # noqa: E402
from figures import Figures, disagreeing, report, table  # noqa: E402
from rows import DENOMINATOR, ENGINES, TORCH, Row, RowError, export  # noqa: E402

ROWS = [
    DENOMINATOR,
    "ort:plain",
    "ort:deploy",
    "ort:deploy/logits-8",
    "run:deploy",
    "openvino:torch",
    "openvino:deploy/logits-8",
    "openvino-bf16:deploy/logits-8",
]
LEAST_AGREEMENT = 0.98  # int8 and bfloat16 move borders; a row below this computes something else
RUNS = 3  # of a turn
PICTURE = "picture.png"
INSTRUCTION_SETS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "asimddp")


def arguments(argv: list[str] | None) -> argparse.Namespace:
    engines = "; ".join(f"{name}: {what}" for name, what in ENGINES.items())
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--rows", type=lambda text: text.split(","), default=ROWS, metavar="ENGINE:FILE,...", help=engines
    )
    parser.add_argument("--imgsz", type=size, nargs="+", default=[(360, 480), (512, 1024)], metavar="HxW")
    parser.add_argument("--rounds", type=positive(int), default=30, metavar="N")
    parser.add_argument("--threads", type=positive(int), default=2, metavar="N")
    parser.add_argument("--image", type=Path, default=ROOT / "fixtures/street.png")
    parser.add_argument("--weights", type=Path, default=ROOT / "models/lrnnet-c-camvid.safetensors")
    parser.add_argument("--export", type=Path, help="lrnnet-export, for rows of its forms")
    parser.add_argument("--run", type=Path, help="lrnnet-run, for its rows")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure")
    args = parser.parse_args(argv)
    try:
        args.rows = list(dict.fromkeys(Row.parse(text) for text in [DENOMINATOR, *args.rows]))
    except RowError as error:
        parser.error(str(error))
    if any(row.file != TORCH and row.head for row in args.rows) and not args.export:
        parser.error("rows of our forms need --export lrnnet-export")
    if any(row.engine.startswith("run") for row in args.rows) and not args.run:
        parser.error("rows of the program need --run lrnnet-run")
    return args


class Worker:
    """A row's process."""

    def __init__(self, row: Row, folder: Path, args: argparse.Namespace) -> None:
        self.row = row
        mask = folder / "mask.npy"
        command = [sys.executable, Path(__file__).with_name("worker.py"), str(row), row.path(folder)]
        command += [folder / PICTURE, str(args.threads), mask, args.run or ""]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()
        self.mask = np.load(mask)

    def answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise RowError(f"row {self.row} ended with {self.process.wait()}")
        return line.strip()

    def turn(self) -> float:
        self.process.stdin.write(f"{RUNS}\n")
        self.process.stdin.flush()
        return float(self.answer())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compare(args: argparse.Namespace, height: int, width: int, folder: Path) -> list[Figures]:
    """The rows at one size."""
    module = reference.load(args.weights)
    picture = Image.open(args.image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    picture.save(folder / PICTURE)
    expected = reference.class_map(module, np.asarray(picture))
    workers = []
    try:
        for row in args.rows:
            if row.file == TORCH:
                if not row.path(folder).exists():
                    reference.export(module, (height, width), row.path(folder))
            else:
                export(args.export, args.weights, row, (height, width), folder)
            workers.append(Worker(row, folder, args))
        times = [rotated([worker.turn for worker in workers], turn) for turn in range(args.rounds)]
    finally:
        for worker in workers:
            worker.close()
    columns = zip(workers, zip(*times, strict=True), strict=True)
    return [Figures(str(w.row), list(own), 1 - share_of_others(w.mask, expected)) for w, own in columns]


def rotated(turns: list[Callable[[], float]], start: int) -> list[float]:
    """One round: every row's turn, in an order that begins elsewhere each time; times in the order of the rows."""
    order = [(start + i) % len(turns) for i in range(len(turns))]
    times = {i: turns[i]() for i in order}
    return [times[i] for i in range(len(turns))]


def machine(threads: int) -> str:
    """What the figures depend on besides the code."""
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in cpuinfo.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    found = [name for name in INSTRUCTION_SETS if name in flags]
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "openvino"))
    model = fields.get("model name", platform.machine())
    return f"{model}, {', '.join(found) or 'instruction sets unknown'}; {threads} threads; {packages}"


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    place = machine(args.threads)
    print(f"{place}; {args.rounds} rounds, {args.image.name}\n")
    results, others = {}, []
    for height, width in args.imgsz:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows = compare(args, height, width, Path(folder))
            except (RowError, WeightsError) as error:
                print(f"error: {error}", file=sys.stderr)
                return 2
        name = f"{height}x{width}"
        print(f"### {name}\n\n{table(rows, DENOMINATOR)}\n", flush=True)
        results[name] = report(rows, DENOMINATOR)
        others += [f"{name} {row}" for row in disagreeing(rows, LEAST_AGREEMENT)]
    if args.json:
        args.json.write_text(json.dumps({"machine": place, "rounds": args.rounds, "sizes": results}, indent=2) + "\n")
    for row in others:
        print(f"error: {row}: the class map is not PyTorch's", file=sys.stderr)
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
