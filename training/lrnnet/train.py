"""`python -m lrnnet.train`: train one LRNNet. `training/README.md` says what it needs and writes."""

import argparse
import ctypes
import dataclasses
import math
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from lrnnet import data, device, recipe, report, weights
from lrnnet.arguments import positive
from lrnnet.batches import Batches
from lrnnet.config import VARIANTS
from lrnnet.data import DataError, Sample
from lrnnet.device import DeviceError
from lrnnet.figures import figures
from lrnnet.metrics import confusion_matrix, evaluate, predict
from lrnnet.recipe import Recipe, RecipeError
from lrnnet.run import CheckpointError, Run, read_checkpoint, recipe_of
from lrnnet.schedule import Budget, phase_at, rate_at
from lrnnet.weights import WeightsError

CHECKPOINT_SECONDS = 180
EVALUATE_EVERY = 4  # checkpoints
MEASURE_EVERY = 8  # steps; each step would cost a CPU a tenth of the time, and a GPU its head start
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
        self.spec = run.recipe.data
        self.losses: list[Tensor] = []
        self.matrix = confusion_matrix(self.spec, run.device)
        self.checkpoints = 0

    def fit(self) -> bool:
        """Train to the end of the budget; returns whether it got there."""
        budget, stop = self.budget, StopRequest()
        stream = self.batches.stream(budget.step, lambda ahead: phase_at(budget.progress_after(ahead), self.run.recipe))
        bar = tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}", mininterval=1)
        saved = time.monotonic()
        while budget.progress < 1 and not stop.asked:
            started = time.monotonic()
            images, labels = next(stream)
            loss, logits = self.run.step(images, labels, budget)
            self.losses.append(loss)
            if budget.step % MEASURE_EVERY == 0:
                self.matrix.update(logits.argmax(1), labels.to(self.run.device))
                shown = f"step {budget.step}, {budget.images_seen} images, loss {self.finite_mean([loss]):.3f}"
                bar.set_postfix_str(shown, refresh=False)
            budget.advance(len(images), time.monotonic() - started)
            bar.n = round(100 * budget.progress, 1)
            bar.update(0)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.checkpoint(measure=self.checkpoints % EVALUATE_EVERY == 0)
                saved = time.monotonic()
        bar.close()
        if self.losses:
            self.checkpoint(measure=True)
        return budget.progress >= 1

    def finite_mean(self, losses: list[Tensor]) -> float:
        loss = torch.stack(losses).mean().item()
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"step {self.budget.step}: the loss is {loss}; {self.out} keeps the last checkpoint"
            )
        return loss

    def measure(self) -> dict:
        """The figures of the average on the validation samples, some of which are drawn."""
        model, size, device = self.run.average.module, self.spec.trained_size, self.run.device
        found, _ = evaluate(model, self.val, self.spec, size, device)
        shown = self.val[:: max(1, len(self.val) // SHOWN)][:SHOWN]
        predictions = [predict(model, s.image, size, device) for s in shown]
        report.draw_predictions(shown, predictions, self.spec, self.out / "predictions.png")
        return found

    def checkpoint(self, measure: bool) -> None:
        budget, run = self.budget, self.run
        loss = self.finite_mean(self.losses)
        run.metrics = self.measure() if measure else {}  # figures of other weights are not these weights' figures
        run.save(self.out, budget)
        row = {
            "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            "minutes": round(budget.elapsed / 60, 2),
            "step": budget.step,
            "images": budget.images_seen,
            "progress": round(budget.progress, 4),
            "rate": f"{rate_at(budget.progress, run.recipe):.2e}",
            "loss": round(loss, 4),
        }
        if (counted := self.matrix.confmat.cpu().numpy()).any():
            row["train_miou"] = round(figures(counted, self.spec)["miou"], 4)
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


def tensors(pinned: bool, images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Images as they are, labels `int64`; in pinned memory where they are to be copied to a GPU."""
    found = torch.from_numpy(images), torch.from_numpy(labels).long()
    return tuple(t.pin_memory() for t in found) if pinned else found


def load_samples(root: Path, chosen: Recipe) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples; a sequence that is held out is the latter."""
    train = data.load(root, chosen.train_split, chosen.data, size=chosen.load_size)
    if chosen.hold_out:
        return data.split_off(train, chosen.hold_out)
    return train, data.load(root, chosen.val_split, chosen.data)


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
    length.add_argument("--epochs", type=positive(float), help="passes over the pictures, instead of the recipe's")
    length.add_argument("--minutes", type=positive(float), help="length in minutes of training, instead of epochs")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    parser.add_argument("--threads", type=positive(int), default=os.cpu_count(), help="CPU threads of PyTorch")
    workers = max(1, (os.cpu_count() or 1) // 2)
    parser.add_argument("--workers", type=positive(int), default=workers, help="threads that augment")
    parser.add_argument("--compile", action="store_true", help="torch.compile; measure first, it does not always pay")
    return parser.parse_args(argv)


def chosen_recipe(args: argparse.Namespace) -> Recipe:
    chosen = recipe.read(args.config) if args.config else Recipe()
    given = {key: value for key in ("variant", "seed") if (value := getattr(args, key)) is not None}
    return dataclasses.replace(chosen, **given)


def new_budget(args: argparse.Namespace, chosen: Recipe, pictures: int) -> Budget:
    """The length that the command names, else the recipe's."""
    if args.minutes:
        return Budget(seconds=60 * args.minutes)
    return Budget(images=math.ceil((args.epochs or chosen.epochs) * pictures))


def check(args: argparse.Namespace) -> None:
    begun = (args.out / "checkpoint.pt").exists()
    if args.resume and any((args.config, args.variant, args.seed is not None, args.init, args.epochs, args.minutes)):
        raise UsageError("--resume takes recipe and length from the checkpoint; leave the other options away")
    if args.resume and not begun:
        raise UsageError(f"{args.out} holds no checkpoint.pt to resume")
    if begun and not args.resume:
        raise UsageError(f"{args.out} holds a run already; give --resume or another --out")
    device.checked(args.device)


def check_start(path: Path, hold_out: str) -> None:
    """A held-out sequence says something only about weights that have never seen it."""
    said = weights.metadata(path).get("recipe", {}).get("hold_out")
    if hold_out and said != hold_out:
        raise UsageError(
            f"{hold_out} is held out, but {path} does not say that it was in its training too; start from nothing or "
            "from weights of a recipe with the same hold_out"
        )


def train(args: argparse.Namespace) -> int:
    check(args)
    checkpoint = read_checkpoint(args.out / "checkpoint.pt") if args.resume else None
    chosen = recipe_of(checkpoint) if checkpoint else chosen_recipe(args)
    if args.init:
        check_start(args.init, chosen.hold_out)
    pictures, val = load_samples(args.data, chosen)
    on_cpu = args.device == "cpu"
    shards = min(CPU_SHARDS, args.threads) if on_cpu else 1
    torch.set_num_threads(max(1, args.threads // shards))
    torch.backends.cudnn.benchmark = True  # few crop sizes, many steps
    class_weights = data.class_weights(pictures, chosen.data)
    if not chosen.class_weighting:
        class_weights = np.ones_like(class_weights)
    run = Run(chosen, torch.from_numpy(class_weights), args.device, shards, args.compile)
    if checkpoint:
        run.restore(checkpoint)
        budget = Budget(**checkpoint["budget"])
    else:
        budget = new_budget(args, chosen, len(pictures))
        if args.init:
            run.warm_start(args.init)
    args.out.mkdir(parents=True, exist_ok=True)
    batches = Batches(pictures, chosen, args.workers, partial(tensors, not on_cpu))
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
    except (
        UsageError,
        DeviceError,
        RecipeError,
        DataError,
        WeightsError,
        CheckpointError,
        FloatingPointError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
