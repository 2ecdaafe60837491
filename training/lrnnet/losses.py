"""The training loss; logits are `float32 [n, classes, h, w]`, labels `int64 [n, h, w]`."""

import torch.nn.functional as F
from torch import Tensor


def soft_jaccard(probability: Tensor, labels: Tensor, ignore: int) -> Tensor:
    """`1 - mean IoU` of the class probabilities `[n, classes, h, w]`, over the classes that the batch's labels hold."""
    classes = probability.shape[1]
    real = labels != ignore
    probability = probability * real.unsqueeze(1)
    truth = labels.masked_fill(~real, 0)
    hits = probability.gather(1, truth.unsqueeze(1))  # zero at ignored pixels, so their class does not matter
    hit = probability.new_zeros(classes).index_add(0, truth.flatten(), hits.flatten())
    count = labels[real].bincount(minlength=classes)
    union = probability.sum((0, 2, 3)) + count - hit
    present = count > 0
    if not present.any():
        return probability.sum() * 0
    return 1 - (hit[present] / union[present]).mean()


def segmentation_loss(logits: Tensor, labels: Tensor, ignore: int, weights: Tensor | None, jaccard: float) -> Tensor:
    """Cross-entropy with the class `weights`, plus `jaccard` times the soft Jaccard loss."""
    log_probability = logits.log_softmax(1)
    loss = F.nll_loss(log_probability, labels, weight=weights, ignore_index=ignore)
    return loss + jaccard * soft_jaccard(log_probability.exp(), labels, ignore) if jaccard else loss
