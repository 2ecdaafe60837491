"""Measure LRNNet in PyTorch as `lrnnet-run bench` measures it: RGB bytes in, class map out, latency by percentile.

    python bench_torch.py weights.safetensors --device cuda:0 --batch 1,8 --precision fp32,tf32,fp16

Prints a Markdown table. `benches/gpu.sh` runs this beside `lrnnet-run bench`, on the same weights and the same picture.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors
import torch
from torch import Tensor, nn

from lrnnet import device, synthetic, weights
from lrnnet.arguments import size
from lrnnet.config import MEAN, STD, VARIANTS
from lrnnet.model import LRNNet

PRECISIONS = ("fp32", "tf32", "fp16")
MODES = {"eager": None, "compile": "max-autotune"}
REGIONS = """\
times in milliseconds, medians unless a percentile is named:
- network: bytes to class map, both in the device's memory; CUDA events around it (a clock on the CPU)
- infer: host bytes to host class map, with both copies and all waiting, by the host's clock
- frames/s: pictures by the sum of all infer times, one run after the other
- agrees: pixels with the class that the first row gives them; NaN where a logit is no number, which is a failure
- fp16 is autocast, so that norms and sums stay in float32; compile is torch.compile(mode="max-autotune")"""


class Deployed(nn.Module):
    """`uint8 [n, h, w, 3]` RGB to `uint8 [n, h, w]` class ids, as the exported `u8-nhwc`, `class-map` graph."""

    def __init__(self, model: LRNNet) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def logits(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).float() / 255
        return self.model((x - self.mean) / self.std)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images).argmax(1).to(torch.uint8)


def words(allowed: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        found = text.split(",")
        if unknown := [word for word in found if word not in allowed]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(allowed)}")
        return found

    return parse


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", type=Path, help="a .safetensors file")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="default: what the file's metadata says, else c")
    parser.add_argument("--device", default="cuda:0", help="cuda:N or cpu")
    parser.add_argument("--imgsz", type=size, default=(512, 1024), metavar="HxW")
    parser.add_argument("--batch", type=lambda text: [int(n) for n in text.split(",")], default=[1], metavar="N,N")
    parser.add_argument("--precision", type=words(PRECISIONS), default=["fp32"], metavar="P,P")
    parser.add_argument("--mode", type=words(tuple(MODES)), default=list(MODES), metavar="M,M")
    parser.add_argument("--warmup", type=int, default=10, metavar="N")
    parser.add_argument("--iters", type=int, default=100, metavar="N")
    args = parser.parse_args(argv)
    if min(args.batch) < 1 or args.iters < 1 or args.warmup < 0:
        parser.error("--batch and --iters must be at least 1, --warmup at least 0")
    return args


def load(path: Path, variant: str | None, device: str) -> Deployed:
    """The network with the weights at `path`."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            classes = file.get_slice("classifier.predict.bias").get_shape()[0]
    except (OSError, safetensors.SafetensorError) as error:
        raise weights.WeightsError(f"{path}: not a readable safetensors file of LRNNet: {error}") from error
    name = variant or weights.metadata(path).get("variant", "c")
    model = LRNNet(replace(VARIANTS[name], classes=classes))
    weights.load(path, model)
    return Deployed(model.eval()).to(device)


def percentile(values: list[float], percent: int) -> float:
    """Nearest rank, as `lrnnet-run bench`."""
    return sorted(values)[max(0, -(-percent * len(values) // 100) - 1)]


def set_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def network_times(run: Callable[[Tensor], Tensor], resident: Tensor, iters: int) -> list[float]:
    """Milliseconds of runs whose input and output stay on the device."""
    times = []
    for _ in range(iters):
        if resident.is_cuda:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run(resident)
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
        else:
            begin = time.perf_counter()
            run(resident)
            times.append((time.perf_counter() - begin) * 1000)
    return times


def infer_times(run: Callable[[Tensor], Tensor], images: Tensor, device: str, iters: int) -> tuple[list[float], Tensor]:
    """Milliseconds of runs from host bytes to host class ids, and the last class ids."""
    times, ids = [], None
    for _ in range(iters):
        begin = time.perf_counter()
        ids = run(images.to(device)).cpu()
        times.append((time.perf_counter() - begin) * 1000)
    return times, ids


def measure(
    module: Deployed, mode: str, precision: str, images: Tensor, args: argparse.Namespace
) -> tuple[str, Tensor, bool]:
    """One row of the table, the class ids, and whether all logits behind them are numbers."""
    set_tf32(precision == "tf32")
    torch._dynamo.reset()
    network = module if MODES[mode] is None else torch.compile(module, mode=MODES[mode])
    kind = torch.device(args.device).type

    def run(batch: Tensor, function: Callable[[Tensor], Tensor] = network) -> Tensor:
        with torch.inference_mode(), torch.autocast(kind, torch.float16, enabled=precision == "fp16"):
            return function(batch)

    begin = time.perf_counter()
    resident = images.to(args.device)
    run(resident).cpu()
    first = time.perf_counter() - begin
    network_times(run, resident, args.warmup)
    alone = network_times(run, resident, args.iters)
    infer_times(run, images, args.device, 1)
    whole, ids = infer_times(run, images, args.device, args.iters)
    figures = [statistics.median(alone), *(percentile(whole, p) for p in (50, 90, 99))]
    frames = 1000 * len(images) * len(whole) / sum(whole)
    cells = [f"PyTorch {mode}", precision, str(len(images)), f"{first:.1f} s", *(f"{f:.3f}" for f in figures)]
    finite = bool(torch.isfinite(run(resident, module.logits)).all())
    return f"| {' | '.join(cells)} | {frames:.0f} |", ids, finite


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, 1 for logits of NaN, 2 for weights that cannot be used, 3 for a missing device."""
    args = arguments(argv)
    try:
        device.checked(args.device)
        module = load(args.weights, args.variant, args.device)
    except device.DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    except weights.WeightsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    threads = f"CPU, {torch.get_num_threads()} threads"
    place = threads if args.device == "cpu" else torch.cuda.get_device_name(args.device)
    height, width = args.imgsz
    print(f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, {place}; generated picture, {height}x{width}\n")
    print("| run | precision | batch | first | network | infer p50 | infer p90 | infer p99 | frames/s | agrees |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    image = torch.from_numpy(np.ascontiguousarray(synthetic.image(height, width)))
    sound = True
    for batch in args.batch:
        images, reference = image.expand(batch, -1, -1, -1).contiguous(), None
        for precision in args.precision:
            for mode in args.mode:
                row, ids, finite = measure(module, mode, precision, images, args)
                reference = ids if reference is None else reference
                agrees = f"{100 * (ids == reference).double().mean():.3f} %" if finite else "NaN"
                print(f"{row} {agrees} |", flush=True)
                sound &= finite
    print(f"\n{REGIONS}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
