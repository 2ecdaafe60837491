"""The stream of training batches. Batch `step` is a pure function of `(seed, step)`, so resuming needs no state."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from lrnnet.augment import augmented_batch
from lrnnet.data import Sample
from lrnnet.recipe import Phase, Recipe


def sequence_of(sample: Sample) -> str:
    return sample.name.split("_")[0]


def sampling_odds(samples: list[Sample], balance: float) -> np.ndarray:
    """`float64 [n]`, sums to 1: a sequence of m pictures is drawn in proportion to m^(1 - balance)."""
    _, index, counts = np.unique([sequence_of(s) for s in samples], return_inverse=True, return_counts=True)
    odds = counts[index] ** -float(balance)
    return odds / odds.sum()


class Batches:
    """Batches made ahead in threads (OpenCV and NumPy release the interpreter lock for most of the work)."""

    def __init__(self, samples: list[Sample], recipe: Recipe, ignore: int, workers: int, ahead: int = 2) -> None:
        self.samples, self.recipe, self.ignore, self.ahead = samples, recipe, ignore, ahead
        self.odds = sampling_odds(samples, recipe.sequence_balance)
        self.pool = ThreadPoolExecutor(workers)

    def make(self, step: int, phase: Phase) -> tuple[Tensor, Tensor]:
        """`uint8 [n, h, w, 3]`, `int64 [n, h, w]`."""
        rng = np.random.default_rng((self.recipe.seed, step))
        chosen = rng.choice(len(self.samples), phase.batch, p=self.odds, replace=phase.batch > len(self.samples))
        pairs = [(self.samples[i].image, self.samples[i].label) for i in chosen]
        size = (phase.height, phase.width)
        images, labels = augmented_batch(pairs, size, self.ignore, self.recipe.augment, rng)
        return torch.from_numpy(images), torch.from_numpy(labels).long()

    def stream(self, first: int, phase_now) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from step `first` on, endlessly; `phase_now()` is asked when a batch is begun."""
        queue: deque[Future] = deque()
        step = first
        while True:
            while len(queue) <= self.ahead:
                queue.append(self.pool.submit(self.make, step, phase_now()))
                step += 1
            yield queue.popleft().result()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
