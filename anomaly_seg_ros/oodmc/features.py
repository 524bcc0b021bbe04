# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The feature vector of a pixel: entropy of the mean, mean, central moments (Algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from anomaly_seg_ros.oodmc.errors import OodmcError
from anomaly_seg_ros.oodmc.moments import MAX_ORDER


@dataclass(frozen=True)
class FeatureSpec:
    """Which features a classifier was fitted on.

    Args:
        order: Highest order of the moments, 1 to 4; 1 is the mean alone.
        softmax: The moments are those of softmax probabilities, as in the paper's code, instead of
            logits, as in its text.
        roots: Take the signed n-th root of the n-th moment. It loses nothing, and brings all
            features to the unit of a logit: raw fourth moments span many powers of ten, which no
            linear classifier can weigh.
        moment_weight: The paper's `moment_weight`, w in [0, 1]: after standardisation, the entropy
            is multiplied by 2 (1 - w) and the moments by 2 w.

    Raises:
        OodmcError: A value is out of range.
    """

    order: int = MAX_ORDER
    softmax: bool = False
    roots: bool = True
    moment_weight: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if not 1 <= self.order <= MAX_ORDER:
            msg = f'received moments of order {self.order}, expected 1 to {MAX_ORDER}'
            raise OodmcError(msg)
        if not 0 <= self.moment_weight <= 1:
            msg = f'received moment_weight={self.moment_weight}, expected 0 to 1'
            raise OodmcError(msg)

    def dimensions(self, num_classes: int) -> int:
        """Return the number of features: 1 + order x classes."""
        return 1 + self.order * num_classes

    def weights(self, num_classes: int) -> Tensor:
        """Return the factor of each standardised feature, (D,) float32."""
        moments = torch.full((self.order * num_classes,), 2 * self.moment_weight)
        return torch.cat([torch.tensor([2 * (1 - self.moment_weight)]), moments])


def features(stack: Tensor, spec: FeatureSpec) -> Tensor:
    """Return the features of every pixel.

    Args:
        stack: Mean and central moments, (orders, C, ...) with at least ``spec.order`` orders.
        spec: Which features.

    Returns:
        (D, ...) float32: entropy of the mean in [0, 1], C means, C second moments, ...

    Raises:
        OodmcError: There are fewer orders than `spec` asks for.
    """
    if stack.ndim < 2 or stack.shape[0] < spec.order:
        msg = f'received moments of shape {tuple(stack.shape)}, expected {spec.order} orders'
        raise OodmcError(msg)
    stack = stack[: spec.order].float()
    rows = [mean_entropy(stack[0], softmax=spec.softmax)[None], stack[0]]
    for order in range(2, spec.order + 1):
        moment = stack[order - 1]
        rows.append(_root(moment, order) if spec.roots else moment)
    return torch.cat(rows)


def mean_entropy(mean: Tensor, *, softmax: bool) -> Tensor:
    """Return the entropy of the mean divided by ln C, in [0, 1].

    Args:
        mean: (C, ...) mean probabilities if `softmax`, else mean logits, of whose softmax the
            entropy is taken.
        softmax: What `mean` holds.
    """
    if softmax:
        nats = -torch.special.xlogy(mean, mean.clamp(min=0)).sum(0)
    else:
        logarithms = mean.log_softmax(0)
        nats = -(logarithms.exp() * logarithms).sum(0)
    result: Tensor = (nats / math.log(max(mean.shape[0], 2))).clamp(0, 1)
    return result


def _root(moment: Tensor, order: int) -> Tensor:
    """Return the signed root; even moments can be negative only by rounding."""
    if order == 2:
        return moment.clamp(min=0).sqrt()
    if order == 4:
        return moment.clamp(min=0).sqrt().sqrt()
    return moment.abs().pow(1 / order).copysign(moment)
