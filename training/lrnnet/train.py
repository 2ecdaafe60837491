"""`python -m lrnnet.train`: train one LRNNet. `training/README.md` says what it needs and writes."""

import argparse
import ctypes
import dataclasses
import math
import os
import signal
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from lrnnet import data, recipe, report
from lrnnet.batches import Batches, sequence_of
from lrnnet.data import DataError, Sample
from lrnnet.metrics import confusion_matrix, evaluate, figures, predict
from lrnnet.model import VARIANTS
from lrnnet.recipe import Recipe, RecipeError
from lrnnet.run import CheckpointError, Run, read_checkpoint, recipe_of
from lrnnet.schedule import Budget, phase_at, rate_at
from lrnnet.weights import WeightsError

CHECKPOINT_SECONDS = 180
EVALUATE_EVERY = 4  # checkpoints
MEASURE_EVERY = 8  # steps; the training mIoU of each step would cost a tenth of the time on a CPU
SHOWN = 4  # sample predictions
CPU_SHARDS = 2  # more would leave each too few pictures for BN's statistics


class UsageError(Exception):
    """Arguments that do not go together."""


class StopRequest:
    """Ctrl-C or SIGTERM asks for a stop after the step in hand; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, self.ask)

    def ask(self, sig: int, _frame) -> None:
        self.asked = True
        signal.signal(sig, signal.SIG_DFL)


class Trainer:
    """The loop around a `Run`: batches in; checkpoints, log and pictures out."""

    def __init__(self, run: Run, budget: Budget, batches: Batches, val: list[Sample], out: Path) -> None:
        self.run, self.budget, self.batches, self.val, self.out = run, budget, batches, val, out
        self.losses: list[float] = []
        self.matrix = confusion_matrix(run.spec, run.device)
        self.checkpoints = 0

    def fit(self) -> bool:
        """Train to the end of the budget; returns whether it got there."""
        budget, stop = self.budget, StopRequest()
        stream = self.batches.stream(budget.step, lambda: phase_at(budget.progress, self.run.recipe))
        bar = tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}", mininterval=1)
        saved = time.monotonic()
        while budget.progress < 1 and not stop.asked:
            started = time.monotonic()
            images, labels = next(stream)
            loss, logits = self.run.step(images, labels, budget.progress)
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"step {budget.step}: the loss is {loss}; {self.out} keeps the last checkpoint"
                )
            self.losses.append(loss)
            if budget.step % MEASURE_EVERY == 0:
                self.matrix.update(logits.argmax(1), labels.to(self.run.device))
            budget.advance(len(images), time.monotonic() - started)
            bar.n = round(100 * budget.progress, 1)
            bar.set_postfix_str(f"step {budget.step}, {budget.images_seen} images, loss {loss:.3f}", refresh=False)
            bar.update(0)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.checkpoint(measure=self.checkpoints % EVALUATE_EVERY == 0)
                saved = time.monotonic()
        bar.close()
        if self.losses:
            self.checkpoint(measure=budget.progress >= 1)
        return budget.progress >= 1

    def checkpoint(self, measure: bool) -> None:
        budget, run = self.budget, self.run
        size = None if run.spec.trained_size == self.val[0].label.shape else run.spec.trained_size
        if measure:
            run.metrics, _ = evaluate(run.average.module, self.val, run.spec, size, run.device)
            shown = self.val[:: max(1, len(self.val) // SHOWN)][:SHOWN]
            predictions = [predict(run.average.module, s.image, size, run.device) for s in shown]
            report.draw_predictions(shown, predictions, run.spec, self.out / "predictions.png")
        run.save(self.out, budget)
        row = {
            "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            "minutes": round(budget.elapsed / 60, 2),
            "step": budget.step,
            "images": budget.images_seen,
            "progress": round(budget.progress, 4),
            "rate": f"{rate_at(budget.progress, run.recipe):.2e}",
            "loss": round(sum(self.losses) / len(self.losses), 4),
            "train_miou": round(figures(self.matrix.compute().cpu().numpy(), run.spec)["miou"], 4),
        }
        if measure:
            row |= {"val_miou": round(run.metrics["miou"], 4), "val_accuracy": round(run.metrics["pixel_accuracy"], 4)}
        report.append_row(self.out / "log.csv", row)
        report.draw_curves(self.out / "log.csv", self.out / "curves.png")
        self.losses.clear()
        self.matrix.reset()
        self.checkpoints += 1


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks: returning them to the system after each step costs a third of a CPU's time."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_top_pad, 2**28)


def held_out(name: str, train: list[Sample], val: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples; with a sequence's `name`, its pictures leave the one and are the other."""
    if not name:
        return train, val
    rest = [s for s in train if sequence_of(s) != name]
    held = [s for s in train if sequence_of(s) == name]
    if not rest or not held:
        raise RecipeError(
            f"hold_out is {name!r}: that leaves {len(rest)} pictures to train on and {len(held)} held out"
        )
    return rest, held


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lrnnet.train", description="Train one LRNNet.")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--config", type=Path, help="a recipe, such as configs/camvid-c.toml")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="instead of the recipe's")
    parser.add_argument("--seed", type=int, help="instead of the recipe's")
    parser.add_argument("--init", type=Path, help="start from these .safetensors weights")
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in --out with its own recipe and length"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=float, help="length of the schedule in passes over the pictures")
    length.add_argument("--minutes", type=float, help="length of the schedule in minutes of training")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads of PyTorch")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="threads that augment")
    return parser.parse_args(argv)


def chosen_recipe(args: argparse.Namespace) -> Recipe:
    chosen = recipe.read(args.config) if args.config else Recipe()
    given = {key: value for key in ("variant", "seed") if (value := getattr(args, key)) is not None}
    return dataclasses.replace(chosen, **given)


def check(args: argparse.Namespace) -> None:
    begun = (args.out / "checkpoint.pt").exists()
    if args.resume and any((args.config, args.variant, args.seed is not None, args.init, args.epochs, args.minutes)):
        raise UsageError("--resume takes recipe and length from the checkpoint; leave the other options away")
    if args.resume and not begun:
        raise UsageError(f"{args.out} holds no checkpoint.pt to resume")
    if begun and not args.resume:
        raise UsageError(f"{args.out} holds a run already; give --resume or another --out")
    if not args.resume and not (args.epochs or args.minutes):
        raise UsageError("give the length of the schedule: --epochs or --minutes")
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"--device {args.device}: PyTorch {torch.__version__} sees no CUDA device here")


def train(args: argparse.Namespace) -> int:
    check(args)
    checkpoint = read_checkpoint(args.out / "checkpoint.pt") if args.resume else None
    chosen = recipe_of(checkpoint) if checkpoint else chosen_recipe(args)
    spec = data.SPECS[chosen.data]
    pictures = data.load(args.data, chosen.train_split, spec, size=chosen.load_size)
    pictures, val = held_out(chosen.hold_out, pictures, data.load(args.data, chosen.val_split, spec))
    shards = min(CPU_SHARDS, args.threads) if args.device == "cpu" else 1
    torch.set_num_threads(max(1, args.threads // shards))
    run = Run(chosen, spec, torch.from_numpy(data.class_weights(pictures, spec)), args.device, shards)
    if checkpoint:
        run.restore(checkpoint)
        budget = Budget(**checkpoint["budget"])
    else:
        budget = Budget(
            images=math.ceil(args.epochs * len(pictures)) if args.epochs else None,
            seconds=60 * args.minutes if args.minutes else None,
        )
        if args.init:
            run.warm_start(args.init)
    args.out.mkdir(parents=True, exist_ok=True)
    batches = Batches(pictures, chosen, spec.ignore, args.workers)
    try:
        finished = Trainer(run, budget, batches, val, args.out).fit()
    finally:
        batches.close()
    word = "finished" if finished else "stopped; --resume continues"
    print(f"{word}: {budget.images_seen} images in {budget.step} steps, {args.out}", file=sys.stderr)
    return 0 if finished else 130


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0 finished, 2 wrong use or data, 130 stopped."""
    args = arguments(argv)
    keep_freed_memory()
    try:
        return train(args)
    except (UsageError, RecipeError, DataError, WeightsError, CheckpointError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
