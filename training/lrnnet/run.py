"""One training run: the model, its average and its optimizer, and the checkpoint that holds them."""

import json
import pickle
import subprocess
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lrnnet import weights
from lrnnet.config import MEAN, STD
from lrnnet.device import training_dtype
from lrnnet.losses import SegmentationLoss
from lrnnet.model import LRNNet, WithAuxiliary
from lrnnet.normalise import normalised
from lrnnet.recipe import Recipe, from_dict, to_dict
from lrnnet.schedule import Budget, decay_at, rate_at
from lrnnet.shards import Shards


class CheckpointError(Exception):
    """A checkpoint that cannot be read; the message names the file."""


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that decays convolution weights only; decaying BN and biases costs accuracy in a net this small."""
    decayed = [p for p in model.parameters() if p.ndim == 4]
    free = [p for p in model.parameters() if p.ndim != 4]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.peak_rate, fused=True)


def source_commit() -> str:
    """The commit of this code, with `-dirty` where the folder has changes of its own; `unknown` outside git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:  # no git program
        return "unknown"
    return found.stdout.strip() or "unknown"


def read_checkpoint(path: Path) -> dict:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: not a readable checkpoint: {error}") from error


def recipe_of(checkpoint: dict) -> Recipe:
    return from_dict(json.loads(checkpoint["recipe"]), "the checkpoint's recipe")


class Run:
    """Everything that a checkpoint holds. `class_weights` is `float32 [classes]`."""

    def __init__(
        self, recipe: Recipe, class_weights: Tensor, device: str = "cpu", shards: int = 1, compiled: bool = False
    ) -> None:
        self.recipe, self.device, self.shard_count, self.compiled = recipe, device, shards, compiled
        self.dtype = training_dtype(torch.device(device))
        self.commit = source_commit()
        torch.manual_seed(recipe.seed)
        self.model = LRNNet(recipe.network, recipe.dropout).to(device)
        if device != "cpu":  # on a CPU the plain layout was measured faster
            self.model = self.model.to(memory_format=torch.channels_last)
        if self.model.svn is not None:
            nn.init.zeros_(self.model.svn.expand_bn.weight)  # SVN starts as the identity
        self.loss = SegmentationLoss(
            recipe.data.ignore, class_weights.to(device), recipe.jaccard, recipe.focal, recipe.border
        )
        self.metrics: dict = {}
        self.start_training_state()

    def start_training_state(self) -> None:
        """Replicas, average and optimizer of the weights as they are now."""
        self.trained: nn.Module = WithAuxiliary(self.model) if self.recipe.auxiliary else self.model
        self.trained.to(self.device).train()
        self.shards = Shards(self.trained, self.shard_count, self.compiled)
        self.average = AveragedModel(self.model, use_buffers=True)
        self.average.eval()
        self.optimizer = make_optimizer(self.trained, self.recipe)

    def warm_start(self, path: Path) -> None:
        tensors, _ = weights.as_trained(path)
        weights.fill(self.model, tensors, path)
        self.start_training_state()

    def step(self, images: Tensor, labels: Tensor, budget: Budget) -> tuple[Tensor, Tensor]:
        """One optimizer step on `uint8 [n, h, w, 3]` and `int64 [n, h, w]`; returns the loss and the logits."""
        torch.manual_seed((self.recipe.seed << 32) + budget.step)  # dropout masks follow from the step, not the past
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(budget.progress, self.recipe)
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        labelled = self.loss.labelled(labels)

        def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
                # With a float32 picture the first max-pool, and through it every sum after it, would stay in float32.
                found = model(normalised(x).to(self.dtype))
            logits, *auxiliary = found if self.recipe.auxiliary else (found,)
            losses = [self.loss(each, y, labelled, len(x) / len(images)) for each in (logits, *auxiliary)]
            return losses[0] + sum(self.recipe.auxiliary * second for second in losses[1:]), logits

        loss, logits = self.shards.backward(loss_of, images, labels)
        nn.utils.clip_grad_norm_(self.trained.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.average.multi_avg_fn = get_ema_multi_avg_fn(decay_at(budget.step, self.recipe))
        self.average.update_parameters(self.model)
        return loss, logits

    def metadata(self, budget: Budget) -> dict[str, str]:
        """The metadata of the weight file: plain keys, JSON values."""
        data, config = self.recipe.data, self.model.config
        values = {
            "variant": self.recipe.variant,
            "context": config.context_word,
            "power_iterations": config.power_iters,
            "classes": data.class_names,
            "palette": data.palette,
            "ignore": data.ignore,
            "mean": MEAN,
            "std": STD,
            "trained_size": data.trained_size,
            "recipe": to_dict(self.recipe),
            "images_seen": budget.images_seen,
            "steps": budget.step,
            "minutes": round(budget.elapsed / 60, 1),
            "commit": self.commit,
            "metrics": self.metrics,
        }
        return {key: json.dumps(value) for key, value in values.items()}

    def save(self, out: Path, budget: Budget) -> None:
        """`checkpoint.pt` to resume from and `weights.safetensors`, the average, to use."""
        state = {
            "model": self.trained.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "recipe": json.dumps(to_dict(self.recipe)),
            "budget": budget.state(),
            "metrics": self.metrics,
        }
        weights.write_atomically(out / "checkpoint.pt", lambda temporary: torch.save(state, temporary))
        weights.save(out / "weights.safetensors", self.average.module, self.metadata(budget))

    def restore(self, checkpoint: dict) -> None:
        self.trained.load_state_dict(checkpoint["model"])
        self.average.load_state_dict(checkpoint["average"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.metrics = checkpoint["metrics"]
