# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Central moments of a stream of samples, in one pass, without keeping a sample.

P. Pebay: Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order
Statistical Moments. Sandia Report SAND2008-6212, 2008, equation 2.1 (any two sets, any order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb

import torch
from torch import Tensor

from anomaly_seg_ros.oodmc.errors import OodmcError

MAX_ORDER = 4


class Moments:
    """Mean and central moments of order 2 to `order`, elementwise over samples of one shape.

    Memory is `order` values per element, however many samples come. Sums are kept about the mean,
    so that a large mean costs no precision.

    Args:
        order: Highest order, 1 to 4.

    Raises:
        OodmcError: The order is out of range.
    """

    def __init__(self, order: int) -> None:
        if not 1 <= order <= MAX_ORDER:
            msg = f'received moments of order {order}, expected an order from 1 to {MAX_ORDER}'
            raise OodmcError(msg)
        self.order = order
        self.count = 0
        self._mean: Tensor | None = None
        self._sums: list[Tensor] = []

    def update(self, samples: Tensor) -> None:
        """Add a batch of samples.

        Args:
            samples: (S, ...), S >= 1, any floating type; summed in float32, or in float64 if
                they are.

        Raises:
            OodmcError: There is no sample, the shape differs from earlier ones, or a value is NaN
                or infinite. Nothing is added then.
        """
        if samples.ndim < 1 or samples.shape[0] < 1:
            msg = f'received samples of shape {tuple(samples.shape)}, expected (S, ...), S >= 1'
            raise OodmcError(msg)
        if samples.dtype != torch.float64:
            samples = samples.float()
        batch = Moments(self.order)
        batch.count = samples.shape[0]
        batch._mean = samples.mean(0)
        # A NaN or infinity in any sample is one in the mean.
        if not bool(torch.isfinite(batch._mean).all()):
            msg = (
                'the stochastic forwards gave logits that are NaN or infinite: '
                "check the network's weights and its input"
            )
            raise OodmcError(msg)
        if self.order > 1:
            deviation = samples - batch._mean
            power = deviation * deviation
            batch._sums.append(power.sum(0))
            for _ in range(self.order - 2):
                power = power.mul_(deviation)
                batch._sums.append(power.sum(0))
        self.merge(batch)

    def merge(self, other: Moments) -> None:
        """Add all samples of `other`, which stays as it is.

        Raises:
            OodmcError: Order or shape differ.
        """
        if other.order != self.order:
            msg = f'moments up to order {self.order} cannot take those up to order {other.order}'
            raise OodmcError(msg)
        if other._mean is None:
            return
        if self._mean is None:
            self.count = other.count
            self._mean = other._mean.clone()
            self._sums = [values.clone() for values in other._sums]
            return
        if other._mean.shape != self._mean.shape:
            msg = (
                f'received samples of shape {tuple(other._mean.shape)}, expected '
                f'{tuple(self._mean.shape)} as before'
            )
            raise OodmcError(msg)
        n_a, n_b = self.count, other.count
        total = n_a + n_b
        delta = other._mean - self._mean
        # From the highest order down: each needs the lower orders of before the merge.
        for p in range(self.order, 1, -1):
            result = self._sums[p - 2] + other._sums[p - 2]
            for k in range(1, p - 1):
                own, its = self._sums[p - k - 2], other._sums[p - k - 2]
                mixed = (-n_b / total) ** k * own + (n_a / total) ** k * its
                result += comb(p, k) * mixed * delta**k
            factor = (n_a * n_b / total) ** p * (1 / n_b ** (p - 1) - (-1 / n_a) ** (p - 1))
            result += factor * delta**p
            self._sums[p - 2] = result
        self._mean = self._mean + delta * (n_b / total)
        self.count = total

    @property
    def mean(self) -> Tensor:
        """The mean, in the shape of one sample.

        Raises:
            OodmcError: No sample came.
        """
        if self._mean is None:
            msg = 'no sample came yet: run at least one stochastic forward'
            raise OodmcError(msg)
        return self._mean

    def central(self, order: int) -> Tensor:
        """Return the mean of (x - mean)^order, divided by the number of samples.

        Args:
            order: 2 to the highest order.

        Raises:
            OodmcError: The order was not asked for, or no sample came.
        """
        if not 2 <= order <= self.order:
            msg = f'received order {order}, expected 2 to {self.order}'
            raise OodmcError(msg)
        if self._mean is None:
            return self.mean
        return self._sums[order - 2] / self.count

    def shift(self, offset: Tensor) -> None:
        """Add a constant per element to all samples so far; central moments do not change."""
        self._mean = self.mean + offset

    def map(self, rearrange: Callable[[Tensor], Tensor]) -> Moments:
        """Return the same moments with their elements rearranged."""
        result = Moments(self.order)
        result.count = self.count
        result._mean = rearrange(self.mean)
        result._sums = [rearrange(values) for values in self._sums]
        return result

    @classmethod
    def join(cls, parts: Sequence[Moments]) -> Moments:
        """Return the moments of tensors whose last axis was cut into `parts`.

        Raises:
            OodmcError: The parts differ in order or in number of samples.
        """
        first = parts[0]
        if any((part.order, part.count) != (first.order, first.count) for part in parts):
            msg = 'parts of different order or number of samples cannot be joined'
            raise OodmcError(msg)
        result = cls(first.order)
        result.count = first.count
        result._mean = torch.cat([part.mean for part in parts], -1)
        result._sums = [
            torch.cat([part._sums[k] for part in parts], -1) for k in range(first.order - 1)
        ]
        return result

    def stack(self) -> Tensor:
        """Return mean and central moments in order, (order, ...)."""
        return torch.stack([self.mean, *(self.central(k) for k in range(2, self.order + 1))])
