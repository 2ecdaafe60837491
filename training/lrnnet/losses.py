"""The training loss; logits are `float32 [n, classes, h, w]`, labels `int64 [n, h, w]`.

Nothing here reads a value back from the device, so a GPU is never waited for.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


def soft_jaccard(probability: Tensor, labels: Tensor, ignore: int) -> Tensor:
    """`1 - mean IoU` of the class probabilities `[n, classes, h, w]`, over the classes that the labels hold.

    Where the labels hold none, there is nothing to lose: 0.
    """
    classes = probability.shape[1]
    real = labels != ignore
    probability = probability * real.unsqueeze(1)
    truth = labels.masked_fill(~real, 0)
    hits = probability.gather(1, truth.unsqueeze(1))  # zero at ignored pixels, so their class does not matter
    hit = probability.new_zeros(classes).index_add(0, truth.flatten(), hits.flatten())
    count = probability.new_zeros(classes).index_add(0, truth.flatten(), real.flatten().to(probability.dtype))
    union = probability.sum((0, 2, 3)) + count - hit
    present = count > 0
    lost = (1 - hit / union.clamp(min=1e-6)) * present
    return lost.sum() / present.sum().clamp(min=1)


@dataclass(frozen=True)
class SegmentationLoss:
    """Cross-entropy with class `weights` (`float32 [classes]`), plus `jaccard` times the soft Jaccard loss."""

    ignore: int
    weights: Tensor
    jaccard: float

    def labelled(self, labels: Tensor) -> Tensor:
        """The sum of the class weights of all labelled pixels: what the cross-entropy of a batch is divided by."""
        real = labels != self.ignore
        return (self.weights[labels.masked_fill(~real, 0)] * real).sum().clamp(min=1e-6)

    def __call__(self, logits: Tensor, labels: Tensor, labelled: Tensor, share: float) -> Tensor:
        """What a shard with a `share` (0 to 1) of the batch's pictures adds to the loss of the whole batch."""
        log_probability = logits.log_softmax(1)
        entropy = F.nll_loss(log_probability, labels, self.weights, ignore_index=self.ignore, reduction="sum")
        loss = entropy / labelled
        if self.jaccard:
            loss = loss + self.jaccard * share * soft_jaccard(log_probability.exp(), labels, self.ignore)
        return loss
