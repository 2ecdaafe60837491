import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lrnnet.data import CAMVID, Sample
from lrnnet.losses import SegmentationLoss, soft_jaccard
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


def test_a_batch_of_void_loses_nothing() -> None:
    logits, labels = torch.randn(2, 11, 4, 4, requires_grad=True), torch.full((2, 4, 4), 11)
    loss = SegmentationLoss(11, torch.rand(11), jaccard=0.5)
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
