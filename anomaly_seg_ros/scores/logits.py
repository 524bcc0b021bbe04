# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the scores need to know of the logits, each fact computed at most once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor


class Logits(ABC):
    """Reductions of logits over the classes, computed when asked for and then kept.

    With z the logits of one pixel and m their maximum, everything is expressed in d = z - m <= 0,
    so that exponentials neither overflow nor lose the largest term.
    """

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """The number of classes, C."""

    @cached_property
    @abstractmethod
    def labels(self) -> Tensor:
        """The first class with the largest logit, uint8."""

    @cached_property
    @abstractmethod
    def maximum(self) -> Tensor:
        """m, the largest logit."""

    @cached_property
    @abstractmethod
    def second(self) -> Tensor:
        """The second largest logit, m where two classes share it; needs two classes."""

    @cached_property
    @abstractmethod
    def minimum(self) -> Tensor:
        """The smallest logit."""

    @cached_property
    @abstractmethod
    def exp_sum(self) -> Tensor:
        """Sum of exp(d) over the classes, in [1, C]; the largest softmax is its inverse."""

    @cached_property
    @abstractmethod
    def weighted_sum(self) -> Tensor:
        """Sum of d exp(d) over the classes, in [-(C - 1) / e, 0]."""


class DenseLogits(Logits):
    """Logits as one tensor.

    Args:
        values: (N, C, H, W), any floating type; reduced in float32 to (N, H, W).
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values.float()

    @property
    def num_classes(self) -> int:
        """The number of classes, C."""
        return self.values.shape[1]

    @cached_property
    def labels(self) -> Tensor:
        """The first class with the largest logit, (N, H, W) uint8."""
        return self.values.argmax(1).to(torch.uint8)

    @cached_property
    def maximum(self) -> Tensor:
        """The largest logit, (N, H, W)."""
        return self.values.amax(1)

    @cached_property
    def second(self) -> Tensor:
        """The second largest logit, (N, H, W)."""
        return self.values.topk(2, 1).values[:, 1]

    @cached_property
    def minimum(self) -> Tensor:
        """The smallest logit, (N, H, W)."""
        return self.values.amin(1)

    @cached_property
    def _shifted(self) -> Tensor:
        return self.values - self.maximum[:, None]

    @cached_property
    def _exponentials(self) -> Tensor:
        return self._shifted.exp()

    @cached_property
    def exp_sum(self) -> Tensor:
        """Sum of exp(d) over the classes, (N, H, W)."""
        return self._exponentials.sum(1)

    @cached_property
    def weighted_sum(self) -> Tensor:
        """Sum of d exp(d) over the classes, (N, H, W)."""
        return (self._shifted * self._exponentials).sum(1)


class PlaneLogits(Logits):
    """Logits as one tensor per class, for graphs: chains of element-wise operators.

    Runtimes run a chain over planes that fit into the cache several times faster than a
    reduction over the strided class axis of a large tensor.

    Args:
        planes: One float32 tensor per class, all of one shape.
    """

    def __init__(self, planes: Sequence[Tensor]) -> None:
        self.planes = tuple(planes)

    @property
    def num_classes(self) -> int:
        """The number of classes, C."""
        return len(self.planes)

    @cached_property
    def _running(self) -> tuple[Tensor, Tensor]:
        maximum = self.planes[0]
        labels = torch.zeros((), dtype=torch.uint8, device=maximum.device)
        labels = labels.expand_as(maximum) if len(self.planes) == 1 else labels
        for label, plane in enumerate(self.planes[1:], 1):
            # Strictly greater: the first of equal classes stays, as arg max has it.
            constant = torch.tensor(label, dtype=torch.uint8, device=plane.device)
            labels = torch.where(plane > maximum, constant, labels)
            maximum = torch.maximum(maximum, plane)
        return labels, maximum

    @cached_property
    def labels(self) -> Tensor:
        """The first class with the largest logit, uint8."""
        return self._running[0]

    @cached_property
    def maximum(self) -> Tensor:
        """The largest logit."""
        return self._running[1]

    @cached_property
    def second(self) -> Tensor:
        """The second largest logit."""
        first, second = self.planes[0], self.planes[1]
        first, second = torch.maximum(first, second), torch.minimum(first, second)
        for plane in self.planes[2:]:
            second = torch.maximum(second, torch.minimum(first, plane))
            first = torch.maximum(first, plane)
        return second

    @cached_property
    def minimum(self) -> Tensor:
        """The smallest logit."""
        minimum = self.planes[0]
        for plane in self.planes[1:]:
            minimum = torch.minimum(minimum, plane)
        return minimum

    @cached_property
    def _terms(self) -> list[tuple[Tensor, Tensor]]:
        shifted = [plane - self.maximum for plane in self.planes]
        return [(d, d.exp()) for d in shifted]

    @cached_property
    def exp_sum(self) -> Tensor:
        """Sum of exp(d) over the classes."""
        total = self._terms[0][1]
        for _, exponential in self._terms[1:]:
            total = total + exponential
        return total

    @cached_property
    def weighted_sum(self) -> Tensor:
        """Sum of d exp(d) over the classes."""
        total = self._terms[0][0] * self._terms[0][1]
        for shifted, exponential in self._terms[1:]:
            total = total + shifted * exponential
        return total
