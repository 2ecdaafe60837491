"""The training loss; logits are `float32 [n, classes, h, w]`, labels `int64 [n, h, w]`.

Nothing here reads a value back from the device, so a GPU is never waited for.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

BORDER = 2  # pixels on either side of a border between two labels that count as near it


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


def near_borders(labels: Tensor) -> Tensor:
    """bool `[n, h, w]`: pixels with another label (ignored ones too) within `BORDER` rows and columns."""
    side = 2 * BORDER + 1
    ids = labels.float().unsqueeze(1)
    largest, smallest = (sign * F.max_pool2d(sign * ids, side, 1, BORDER) for sign in (1, -1))
    return (largest != smallest).squeeze(1)


@dataclass(frozen=True)
class SegmentationLoss:
    """Cross-entropy with class `weights` (`float32 [classes]`), plus `jaccard` times the soft Jaccard loss.

    `focal` is the exponent of the focal loss (Lin et al., arXiv 1708.02002, without its division by class): a pixel
    counts with `(1 - p)^focal`, where `p` is the probability of its label. Pixels near borders count `border` more.
    """

    ignore: int
    weights: Tensor
    jaccard: float
    focal: float = 0.0
    border: float = 0.0

    def pixel_weights(self, labels: Tensor) -> Tensor:
        """`float32 [n, h, w]`, zero at ignored pixels."""
        real = labels != self.ignore
        weights = self.weights[labels.masked_fill(~real, 0)] * real
        return weights * (1 + self.border * near_borders(labels)) if self.border else weights

    def labelled(self, labels: Tensor) -> Tensor:
        """The sum of the weights of all pixels: what the cross-entropy of a batch is divided by."""
        return self.pixel_weights(labels).sum().clamp(min=1e-6)

    def __call__(self, logits: Tensor, labels: Tensor, labelled: Tensor, share: float) -> Tensor:
        """What a shard with a `share` (0 to 1) of the batch's pictures adds to the loss of the whole batch."""
        log_probability = logits.log_softmax(1)
        entropy = F.nll_loss(log_probability, labels, ignore_index=self.ignore, reduction="none")
        weights = self.pixel_weights(labels)
        if self.focal:
            doubt = 1 - (-entropy).exp()
            weights = weights * doubt.clamp(min=1e-6) ** self.focal  # a power below 1 has no slope at 0
        loss = (weights * entropy).sum() / labelled
        if self.jaccard:
            loss = loss + self.jaccard * share * soft_jaccard(log_probability.exp(), labels, self.ignore)
        return loss
