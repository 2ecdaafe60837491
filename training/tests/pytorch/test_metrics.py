import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lrnnet.data import CAMVID, Sample
from lrnnet.losses import SegmentationLoss, near_borders, soft_jaccard
from lrnnet.metrics import evaluate, predict, resized


class Constant(torch.nn.Module):
    """Says the same class everywhere."""

    def forward(self, x):
        return F.one_hot(torch.full((1, *x.shape[-2:]), 3), 11).permute(0, 3, 1, 2).float()


def test_evaluation_ignores_void_and_counts_every_other_pixel() -> None:
    label = np.full((16, 24), 11, np.uint8)
    label[:4] = 3
    label[4:6] = 0
    found, confusion = evaluate(
        Constant(), [Sample("x", np.zeros((16, 24, 3), np.uint8), label)], CAMVID, (16, 24), "cpu"
    )
    assert confusion.sum() == 6 * 24
    assert found["iou"]["Road"] == pytest.approx(4 / 6) and found["iou"]["Sky"] == 0 and found["images"] == 1


def test_evaluation_is_at_label_resolution() -> None:
    label = np.full((30, 50), 3, np.uint8)
    found, confusion = evaluate(
        Constant(), [Sample("x", np.zeros((30, 50, 3), np.uint8), label)], CAMVID, (16, 24), "cpu"
    )
    assert confusion[3, 3] == 30 * 50 and found["miou"] == 1


def test_soft_jaccard_of_sure_answers_is_the_jaccard_index() -> None:
    labels = torch.tensor([[[0, 0, 1, 11]]])
    sure = F.one_hot(torch.tensor([[[0, 1, 1, 5]]]), 11).permute(0, 3, 1, 2).float()
    assert soft_jaccard(sure, labels, 11).item() == pytest.approx(1 - (1 / 2 + 1 / 2) / 2)


def test_loss_of_the_shards_is_that_of_the_batch() -> None:
    torch.manual_seed(1)
    logits, weights = torch.randn(4, 11, 4, 4), torch.rand(11)
    labels = torch.randint(0, 12, (4, 4, 4))
    labels[1] = 11  # void only
    loss = SegmentationLoss(11, weights, jaccard=0.0)
    total = loss.labelled(labels)
    parts = [loss(logits[i : i + 1], labels[i : i + 1], total, 1 / 4).item() for i in range(4)]
    expected = F.cross_entropy(logits, labels, weight=weights, ignore_index=11).item()
    assert sum(parts) == pytest.approx(expected) and parts[1] == 0


def logits_of(*probabilities: float) -> torch.Tensor:
    """One row of pixels that give class 0 these probabilities, of two classes."""
    p = torch.tensor(probabilities)
    return torch.stack([p, 1 - p]).log()[None, :, None, :].requires_grad_()


def test_the_focal_loss_by_hand() -> None:
    logits, labels = logits_of(0.75, 0.25, 0.5), torch.tensor([[[0, 0, 11]]])
    loss = SegmentationLoss(11, torch.ones(2), jaccard=0.0, focal=2.0)
    expected = -(0.25**2 * math.log(0.75) + 0.75**2 * math.log(0.25)) / 2
    assert loss(logits, labels, loss.labelled(labels), 1.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("focal", [0.5, 1.0, 2.0])
def test_the_focal_loss_has_a_gradient_where_the_network_is_sure(focal) -> None:
    logits, labels = torch.tensor([[[[40.0]], [[-40.0]]]], requires_grad=True), torch.zeros(1, 1, 1, dtype=torch.long)
    loss = SegmentationLoss(11, torch.ones(2), jaccard=0.5, focal=focal)
    loss(logits, labels, loss.labelled(labels), 1.0).backward()
    assert torch.isfinite(logits.grad).all()


def test_pixels_near_a_border_count_more() -> None:
    labels = torch.tensor([[[0, 0, 0, 1, 1, 1, 1, 11]]])
    assert near_borders(labels)[0, 0].tolist() == [False, True, True, True, True, True, True, True]
    assert near_borders(labels[..., :1].expand(1, 8, 8)).sum() == 0  # the crop's edge is no border
    loss = SegmentationLoss(11, torch.tensor([1.0, 3.0]), jaccard=0.0, border=2.0)
    assert loss.pixel_weights(labels)[0, 0].tolist() == [1, 3, 3, 9, 9, 9, 9, 0]
    assert loss.labelled(labels) == 43


def test_a_batch_of_void_loses_nothing() -> None:
    logits, labels = torch.randn(2, 11, 4, 4, requires_grad=True), torch.full((2, 4, 4), 11)
    loss = SegmentationLoss(11, torch.rand(11), jaccard=0.5, focal=1.0, border=1.0)
    found = loss(logits, labels, loss.labelled(labels), 1.0)
    found.backward()
    assert found.item() == 0 and not logits.grad.any()


def test_a_picture_is_scaled_to_bytes_and_its_class_map_to_the_nearest() -> None:
    """By hand: 1 x 4 bytes to 1 x 2 are means of pairs, rounded up at a half; ids repeat."""
    pixels = torch.tensor([[0, 1, 10, 20]], dtype=torch.uint8)[..., None].expand(1, 4, 3)
    assert resized(pixels, (1, 2))[0, :, 0].tolist() == [1, 15]

    class Halves(torch.nn.Module):
        def forward(self, x):
            ids = (torch.arange(x.shape[-1]) >= x.shape[-1] / 2).long().expand(1, *x.shape[-2:])
            return F.one_hot(ids, 2).permute(0, 3, 1, 2).float()

    found = predict(Halves(), np.zeros((6, 10, 3), np.uint8), (8, 8), "cpu")
    assert found.shape == (6, 10) and found[0].tolist() == [0] * 5 + [1] * 5
