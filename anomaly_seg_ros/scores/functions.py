# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The five scores that need nothing but logits."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from anomaly_seg_ros.registry import Registry
from anomaly_seg_ros.scores.logits import DenseLogits, Logits

Score = Callable[[Tensor | Logits], Tensor]

SCORES: Registry[Score] = Registry('score')
"""Every score by name: a function of logits, higher = more anomalous."""


def as_logits(logits: Tensor | Logits) -> Logits:
    """Return `logits` as reductions that several scores can share.

    Raises:
        ValueError: A tensor is not (N, C, H, W) with at least one class.
    """
    if isinstance(logits, Logits):
        return logits
    if logits.ndim != 4 or logits.shape[1] < 1:
        msg = f'expected logits of shape (N, C, H, W), received {tuple(logits.shape)}'
        raise ValueError(msg)
    return DenseLogits(logits)


@SCORES.register('max_softmax')
def max_softmax(logits: Tensor | Logits) -> Tensor:
    """Return 1 - max softmax, in [0, 1 - 1/C].

    Hendrycks and Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution
    Examples in Neural Networks, ICLR 2017.

    Args:
        logits: (N, C, H, W), or reductions of logits.

    Returns:
        (N, H, W) float32.
    """
    z = as_logits(logits)
    return 1 - 1 / z.exp_sum


@SCORES.register('entropy')
def entropy(logits: Tensor | Logits) -> Tensor:
    """Return the Shannon entropy of the softmax divided by ln C, in [0, 1]; 0 for one class.

    Chan et al., Entropy Maximization and Meta Classification for Out-of-Distribution Detection
    in Semantic Segmentation, ICCV 2021. Computed as ln S - T / S, with S the sum of exp(d) and T
    that of d exp(d), which has no logarithm of a vanishing probability.

    Args:
        logits: (N, C, H, W), or reductions of logits.

    Returns:
        (N, H, W) float32.
    """
    z = as_logits(logits)
    nats = z.exp_sum.log() - z.weighted_sum / z.exp_sum
    return (nats / math.log(max(z.num_classes, 2))).clamp(0, 1)


@SCORES.register('max_logit')
def max_logit(logits: Tensor | Logits) -> Tensor:
    """Return the largest logit, negated.

    Hendrycks et al., Scaling Out-of-Distribution Detection for Real-World Settings, ICML 2022.

    Args:
        logits: (N, C, H, W), or reductions of logits.

    Returns:
        (N, H, W) float32.
    """
    return -as_logits(logits).maximum


@SCORES.register('energy')
def energy(logits: Tensor | Logits) -> Tensor:
    """Return the free energy at temperature 1, -ln sum exp z.

    Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020.

    Args:
        logits: (N, C, H, W), or reductions of logits.

    Returns:
        (N, H, W) float32.
    """
    z = as_logits(logits)
    return -(z.maximum + z.exp_sum.log())


@SCORES.register('max_min')
def max_min(logits: Tensor | Logits) -> Tensor:
    """Return the distance from the smallest to the largest logit, negated; at most 0.

    Zhang et al., Anomaly-Aware Semantic Segmentation via Style-Aligned OoD Augmentation, 2023.

    Args:
        logits: (N, C, H, W), or reductions of logits.

    Returns:
        (N, H, W) float32.
    """
    z = as_logits(logits)
    return z.minimum - z.maximum
