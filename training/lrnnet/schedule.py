"""Where a run stands, and what follows from that: the learning rate and the crop size."""

import math
from dataclasses import asdict, dataclass

from lrnnet.recipe import Phase, Recipe


@dataclass
class Budget:
    """How long a run is, in images or in seconds of training, and how much of that is done.

    With seconds the schedule follows the clock, so it ends on time however busy the machine is.
    """

    images: int | None = None
    seconds: float | None = None
    step: int = 0
    images_seen: int = 0
    elapsed: float = 0.0

    def progress_after(self, images: int) -> float:
        """0 to 1, once `images` more are trained on; by the clock, the progress now."""
        done = self.elapsed / self.seconds if self.seconds else (self.images_seen + images) / self.images
        return min(1.0, done)

    @property
    def progress(self) -> float:
        """0 to 1."""
        return self.progress_after(0)

    def advance(self, images: int, seconds: float) -> None:
        self.step += 1
        self.images_seen += images
        self.elapsed += seconds

    def state(self) -> dict:
        return asdict(self)


def rate_at(progress: float, recipe: Recipe) -> float:
    """The learning rate at `progress` (0 to 1): linear warm-up, then cosine or linear decay to zero."""
    if progress < recipe.warm_up:
        return recipe.peak_rate * (progress / recipe.warm_up)
    left = 1 - (min(progress, 1.0) - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.peak_rate * (left if recipe.decay == "linear" else 0.5 - 0.5 * math.cos(math.pi * left))


def decay_at(step: int, recipe: Recipe) -> float:
    """The decay of the weights' moving average after `step` steps: it rises to the recipe's.

    At that from the first step on, a short run from nothing would still average what it began with.
    """
    return min(recipe.ema, (1 + step) / (10 + step))


def phase_at(progress: float, recipe: Recipe) -> Phase:
    return next(p for p in recipe.phases if progress < p.until or p is recipe.phases[-1])
