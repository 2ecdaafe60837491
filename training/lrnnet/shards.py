"""Data parallelism in threads: each shard of the batch runs forward and backward on a replica of its own.

On a CPU that other programs use too, two threads inside every operator wait for each other at every barrier; one
thread per shard, joined once per step, was measured three times as fast there and equal on an idle machine.
"""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

LossOf = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]


def replica(model: nn.Module) -> nn.Module:
    """A copy that shares the parameters and has buffers (BN statistics) of its own."""
    memo = {id(p): p for p in model.parameters()}
    return copy.deepcopy(model, memo)


class Shards:
    """`model` and `count - 1` replicas, compiled or not. The model itself is the one whose BN statistics are kept."""

    def __init__(self, model: nn.Module, count: int, compiled: bool = False) -> None:
        self.models = [model] + [replica(model) for _ in range(count - 1)]
        if compiled:
            for each in self.models:
                each.compile(dynamic=False)
        self.parameters = list(model.parameters())
        self.pool = ThreadPoolExecutor(count) if count > 1 else None

    def backward(self, loss_of: LossOf, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Set every parameter's `.grad` to that of the sum of the shards' losses; returns that sum and the logits."""

        def one(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
            loss, logits = loss_of(model, x, y)
            # `autograd.grad`, since concurrent `backward` calls would race for the shared `.grad`.
            return loss.detach(), logits.detach(), torch.autograd.grad(loss, self.parameters)

        # A short batch has fewer chunks than there are models; `map` stops at the shortest.
        run = self.pool.map if self.pool else map
        results = list(run(one, self.models, images.chunk(len(self.models)), labels.chunk(len(self.models))))
        for parameter, *gradients in zip(self.parameters, *(g for _, _, g in results), strict=True):
            parameter.grad = sum(gradients[1:], gradients[0])
        return sum(loss for loss, _, _ in results), torch.cat([logits for _, logits, _ in results])
