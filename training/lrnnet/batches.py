"""The stream of training batches. A batch is a pure function of seed, step and phase, so resuming needs no state."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from lrnnet.augment import augmented_batch
from lrnnet.data import Sample
from lrnnet.recipe import Phase, Recipe


def sampling_odds(samples: list[Sample], balance: float) -> np.ndarray:
    """`float64 [n]`, sums to 1: a sequence of m pictures is drawn in proportion to m^(1 - balance)."""
    _, index, counts = np.unique([s.sequence for s in samples], return_inverse=True, return_counts=True)
    odds = counts[index] ** -float(balance)
    return odds / odds.sum()


class Batches:
    """Batches made ahead in threads (OpenCV and NumPy release the interpreter lock for most of the work)."""

    def __init__(
        self, samples: list[Sample], recipe: Recipe, workers: int, convert: Callable = lambda *arrays: arrays
    ) -> None:
        self.samples, self.recipe, self.workers, self.convert = samples, recipe, workers, convert
        self.odds = sampling_odds(samples, recipe.sequence_balance)
        self.pool = ThreadPoolExecutor(workers)

    def make(self, step: int, phase: Phase) -> tuple:
        """What `convert` makes, still in the thread, of images `uint8 [n, h, w, 3]` and labels `uint8 [n, h, w]`."""
        rng = np.random.default_rng((self.recipe.seed, step))
        chosen = rng.choice(len(self.samples), phase.batch, p=self.odds, replace=phase.batch > len(self.samples))
        pairs = [(self.samples[i].image, self.samples[i].label) for i in chosen]
        size = (phase.height, phase.width)
        return self.convert(*augmented_batch(pairs, size, self.recipe.data.ignore, self.recipe.augment, rng))

    def stream(self, first: int, phase_after: Callable[[int], Phase]) -> Iterator[tuple]:
        """Batches from step `first` on, endlessly.

        `phase_after(n)` is the phase once `n` more images are trained on. It is asked when a batch is begun, with the
        images of the batches that are still to come before it, so a resumed run cuts its batches as the first did.
        """
        queue: deque[tuple[int, Future]] = deque()
        step = first
        while True:
            while len(queue) <= self.workers:
                phase = phase_after(sum(images for images, _ in queue))
                queue.append((phase.batch, self.pool.submit(self.make, step, phase)))
                step += 1
            yield queue.popleft()[1].result()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
