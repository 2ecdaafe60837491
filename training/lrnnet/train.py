"""`python -m lrnnet.train`: train one LRNNet. See `training/README.md`."""

import argparse
import csv
import ctypes
import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from lrnnet import data, weights
from lrnnet.batches import Batches, sequence_of
from lrnnet.data import DataSpec, Sample
from lrnnet.losses import segmentation_loss
from lrnnet.metrics import confusion_matrix, evaluate, figures, normalised
from lrnnet.model import VARIANTS, LRNNet
from lrnnet.recipe import Phase, Recipe, RecipeError
from lrnnet.recipe import read as read_recipe
from lrnnet.shards import Shards

LOG_FIELDS = ("time", "minutes", "step", "images", "progress", "rate", "loss", "train_miou", "val_miou", "val_accuracy")
CHECKPOINT_SECONDS = 180
EVALUATE_EVERY = 4  # checkpoints


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks: on a CPU, returning them after each step costs a third of the time."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
            libc.mallopt(m_mmap_max, 0)
            libc.mallopt(m_trim_threshold, 2**31 - 1)
            libc.mallopt(m_top_pad, 2**28)


def rate_at(progress: float, recipe: Recipe) -> float:
    """The learning rate at `progress` (0 to 1): linear warm-up, then cosine or linear decay to zero."""
    if progress < recipe.warm_up:
        return recipe.peak_rate * (progress / recipe.warm_up)
    left = 1 - (min(progress, 1.0) - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.peak_rate * (left if recipe.decay == "linear" else 0.5 - 0.5 * math.cos(math.pi * left))


def phase_at(progress: float, recipe: Recipe) -> Phase:
    return next(p for p in recipe.phases if progress < p.until or p is recipe.phases[-1])


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    decayed = [p for p in model.parameters() if p.ndim == 4]
    free = [p for p in model.parameters() if p.ndim != 4]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.peak_rate, fused=True)


def commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


class Budget:
    """How far the run is: by training steps, or by seconds of training where the budget is in minutes."""

    def __init__(self, steps: int | None, seconds: float | None) -> None:
        self.steps, self.seconds = steps, seconds
        self.step, self.elapsed = 0, 0.0

    @property
    def progress(self) -> float:
        done = self.step / self.steps if self.steps else self.elapsed / self.seconds
        return min(1.0, done)


class Run:
    """One training run: everything that a checkpoint holds, and the files of its folder."""

    def __init__(
        self, out: Path, recipe: Recipe, spec: DataSpec, train: list[Sample], val: list[Sample], budget: Budget, device: str,
        shards: int,
    ) -> None:
        self.out, self.recipe, self.spec, self.budget, self.device = out, recipe, spec, budget, device
        self.train_samples, self.val_samples = train, val
        torch.manual_seed(recipe.seed)
        config = dataclasses.replace(VARIANTS[recipe.variant], classes=spec.classes)
        self.model = LRNNet(config, recipe.dropout).to(device)
        if self.model.svn is not None:
            nn.init.zeros_(self.model.svn.expand_bn.weight)  # SVN starts as the identity
        self.class_weights = torch.from_numpy(data.class_weights(train, spec)).to(device)
        self.images_seen = 0
        self.metrics: dict = {}
        self.shard_count = shards
        self.start_training_state()

    def start_training_state(self) -> None:
        """Optimizer and average of the weights as they are now."""
        self.model.train()
        self.shards = Shards(self.model, self.shard_count)
        self.ema = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(self.recipe.ema), use_buffers=True)
        self.ema.eval()
        self.optimizer = make_optimizer(self.model, self.recipe)

    def warm_start(self, path: Path) -> None:
        weights.load(path, self.model)
        self.start_training_state()

    def step(self, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        """One optimizer step; returns the loss and the logits."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.budget.progress, self.recipe)
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        loss, logits = self.shards.backward(self.loss_of, images, labels)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.ema.update_parameters(self.model)
        self.images_seen += len(images)
        return loss, logits

    def loss_of(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            logits = model(normalised(images))
        class_weights = self.class_weights if self.recipe.class_weighting else None
        loss = segmentation_loss(logits, labels, self.spec.ignore, class_weights, self.recipe.jaccard)
        return loss, logits

    def evaluate(self) -> dict:
        size = None if self.spec.name == "camvid" else self.spec.trained_size
        found, _ = evaluate(self.ema.module, self.val_samples, self.spec, size, self.device)
        self.metrics = found
        return found

    def metadata(self) -> dict[str, str]:
        """The safetensors metadata: plain keys, JSON values."""
        values = {
            "classes": self.spec.class_names,
            "palette": self.spec.palette,
            "ignore": self.spec.ignore,
            "mean": data.MEAN,
            "std": data.STD,
            "trained_size": self.spec.trained_size,
            "recipe": dataclasses.asdict(self.recipe),
            "images_seen": self.images_seen,
            "steps": self.budget.step,
            "minutes": round(self.budget.elapsed / 60, 1),
            "commit": commit(),
            "metrics": self.metrics,
        }
        return {key: json.dumps(value) for key, value in values.items()}

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "recipe": dataclasses.asdict(self.recipe),
            "step": self.budget.step,
            "elapsed": self.budget.elapsed,
            "images_seen": self.images_seen,
            "metrics": self.metrics,
        }
        weights.write_atomically(self.out / "checkpoint.pt", lambda temporary: torch.save(state, temporary))
        weights.save(self.out / "ema.safetensors", self.ema.module, self.metadata())

    def resume(self) -> None:
        state = torch.load(self.out / "checkpoint.pt", map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.budget.step, self.budget.elapsed = state["step"], state["elapsed"]
        self.images_seen, self.metrics = state["images_seen"], state["metrics"]


class Log:
    """The CSV log; one row per checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            self.write(LOG_FIELDS)

    def write(self, row) -> None:
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerow(row)


class StopRequest:
    """Ctrl-C or SIGTERM asks for a stop after the step in hand; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, self.ask)

    def ask(self, sig: int, _frame) -> None:
        self.asked = True
        signal.signal(sig, signal.SIG_DFL)


def fit(run: Run, batches: Batches, log: Log, on_checkpoint: Callable[[], None]) -> bool:
    """Train to the end of the budget; returns whether it got there."""
    stop, budget, recipe = StopRequest(), run.budget, run.recipe
    stream = batches.stream(budget.step, lambda: phase_at(budget.progress, recipe))
    matrix = confusion_matrix(run.spec, run.device)
    losses: list[float] = []
    saved = checkpoints = 0
    bar = tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}", mininterval=5)
    last = time.monotonic()
    saved = last
    while budget.progress < 1 and not stop.asked:
        loss, logits = run.step(*(batch := next(stream)))
        if not math.isfinite(loss):
            raise FloatingPointError(f"step {budget.step}: the loss is {loss}; the last checkpoint is kept")
        losses.append(loss)
        if budget.step % 8 == 0:
            matrix.update(logits.argmax(1), batch[1].to(run.device))  # costs a tenth of a step on a CPU
        budget.step += 1
        now = time.monotonic()
        budget.elapsed, last = budget.elapsed + now - last, now
        bar.n = round(100 * budget.progress, 1)
        bar.set_postfix_str(f"step {budget.step}, {run.images_seen} images, loss {loss:.3f}", refresh=False)
        bar.update(0)
        if now - saved > CHECKPOINT_SECONDS or budget.progress >= 1 or stop.asked:
            done = budget.progress >= 1
            val = run.evaluate() if checkpoints % EVALUATE_EVERY == 0 or done else None
            run.save()
            trained = figures(matrix.compute().cpu().numpy(), run.spec)["miou"]
            log.write((
                time.strftime("%Y-%m-%d %H:%M:%S"), round(budget.elapsed / 60, 2), budget.step, run.images_seen,
                round(budget.progress, 4), f"{rate_at(budget.progress, recipe):.2e}",
                round(sum(losses) / len(losses), 4), round(trained, 4),
                round(val["miou"], 4) if val else "", round(val["pixel_accuracy"], 4) if val else "",
            ))  # fmt: skip
            on_checkpoint()
            matrix.reset()
            losses.clear()
            checkpoints += 1
            saved = last = time.monotonic()
    bar.close()
    return budget.progress >= 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lrnnet.train", description="Train one LRNNet.")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--config", type=Path, help="a recipe, such as configs/camvid-c.toml")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="instead of the recipe's")
    parser.add_argument("--seed", type=int, help="instead of the recipe's")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    parser.add_argument("--init", type=Path, help="start from these .safetensors weights")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--epochs", type=float, help="length of the schedule in passes over the pictures")
    length.add_argument("--minutes", type=float, help="length of the schedule in minutes of training")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="shards of a batch that train side by side on the CPU")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="threads that augment")
    return parser.parse_args()


def split_samples(recipe: Recipe, samples: list[Sample], val: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    if not recipe.hold_out:
        return samples, val
    train = [s for s in samples if sequence_of(s) != recipe.hold_out]
    held = [s for s in samples if sequence_of(s) == recipe.hold_out]
    if not train or not held:
        raise RecipeError(f"hold_out is {recipe.hold_out!r}: it leaves {len(train)} to train on and {len(held)} held out")
    return train, held


def main() -> int:
    args = arguments()
    recipe = read_recipe(args.config) if args.config else Recipe()
    overrides = {k: v for k, v in (("variant", args.variant), ("seed", args.seed)) if v is not None}
    recipe = dataclasses.replace(recipe, **overrides)
    keep_freed_memory()
    torch.set_num_threads(1)  # threads are spent on shards of the batch, see shards.py
    spec = data.SPECS[recipe.data]
    train = data.load(args.data, recipe.train_split, spec)
    train, val = split_samples(recipe, train, data.load(args.data, recipe.val_split, spec))
    steps = math.ceil(args.epochs * len(train) / recipe.phases[0].batch) if args.epochs else None
    budget = Budget(steps, 60 * args.minutes if args.minutes else None)
    run = Run(args.out, recipe, spec, train, val, budget, args.device, args.threads if args.device == "cpu" else 1)
    if args.resume:
        run.resume()
    elif (args.out / "checkpoint.pt").exists():
        print(f"error: {args.out} holds a run already; give --resume or another --out", file=sys.stderr)
        return 2
    elif args.init:
        run.warm_start(args.init)
    args.out.mkdir(parents=True, exist_ok=True)
    batches = Batches(train, recipe, spec.ignore, args.workers)
    try:
        finished = fit(run, batches, Log(args.out / "log.csv"), lambda: None)
    finally:
        batches.close()
    print(f"{'finished' if finished else 'stopped'}: {run.images_seen} images in {budget.step} steps", file=sys.stderr)
    return 0 if finished else 130


if __name__ == "__main__":
    sys.exit(main())
