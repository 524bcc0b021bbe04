# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of a fusion by logistic regression, none of them negative."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.fusion.errors import FusionError


def fit_logistic(
    features: NDArray[Any],
    target: NDArray[Any],
    *,
    penalty: float = 1e-3,
    steps: int = 2000,
    tolerance: float = 1e-7,
) -> tuple[NDArray[np.float64], float]:
    """Fit P(anomaly) = 1 / (1 + exp(-(w x + b))) with w >= 0, both classes weighing the same.

    Weights below zero would make a fused score fall where one of its scores rises. Accelerated
    projected gradient descent (Beck and Teboulle 2009, "A Fast Iterative Shrinkage-Thresholding
    Algorithm") on features of unit deviation, restarted where it overshoots.

    Args:
        features: (n, k) floats.
        target: (n,) 1 anomaly, 0 normal.
        penalty: Half of it times the squared weights, in units of deviations, is added.
        steps: At most.
        tolerance: Stop when no parameter moves by more, in units of deviations.

    Returns:
        Weights (k,) and the intercept b.

    Raises:
        FusionError: Shapes differ, a class is missing or a feature is not finite.
    """
    x, y = np.asarray(features, np.float64), np.asarray(target)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        msg = f'received features {x.shape} for targets {y.shape}, expected (n, k) and (n,)'
        raise FusionError(msg)
    anomalous = y == 1
    n_pos, n_neg = int(anomalous.sum()), int((y == 0).sum())
    if not n_pos or not n_neg or n_pos + n_neg != len(y):
        msg = f'received {n_pos} anomalous and {n_neg} normal pixels, expected both, only 1 and 0'
        raise FusionError(msg)
    if not np.isfinite(x).all():
        msg = 'received features that are not finite: expected a number for each pixel'
        raise FusionError(msg)
    mean, scale = x.mean(0), x.std(0)
    scale[scale == 0] = 1
    design = np.column_stack(((x - mean) / scale, np.ones(len(x))))
    share = np.where(anomalous, 0.5 / n_pos, 0.5 / n_neg)
    ridge = np.append(np.full(x.shape[1], penalty), 0.0)
    lowest = np.append(np.zeros(x.shape[1]), -np.inf)
    # The Hessian is at most a quarter of the weighted Gram matrix.
    gram = (design * share[:, None]).T @ design
    rate = 1 / (0.25 * float(np.linalg.eigvalsh(gram)[-1]) + penalty)
    best, ahead, momentum = np.zeros(len(ridge)), np.zeros(len(ridge)), 1.0
    for _ in range(steps):
        residual = _sigmoid(design @ ahead) - anomalous
        gradient = design.T @ (share * residual) + ridge * ahead
        new = np.maximum(ahead - rate * gradient, lowest)
        moved = new - best
        if float((ahead - new) @ moved) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * moved
        best, momentum = new, following
        if np.abs(moved).max() < tolerance:
            break
    weights = best[:-1] / scale
    return weights, float(best[-1] - weights @ mean)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * values))
    return result
