# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of network and uncertainty maps by grid search (section 3.3 of the paper)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle.resynthesis import MEMBERS
from anomaly_seg_ros.metrics import AnomalyMetrics

STEPS = (0, 1, 2, 3)
"""What each member may weigh before the weights are made to add up to 1."""
Weights = tuple[float, float, float, float]


def candidates() -> list[Weights]:
    """Return all weights that differ: of each set of multiples the smallest."""
    found: list[Weights] = []
    for a, b, c, d in itertools.product(STEPS, repeat=len(MEMBERS)):
        if gcd(a, b, c, d) == 1:
            total = a + b + c + d
            found.append((a / total, b / total, c / total, d / total))
    return found


def figures(score: NDArray[np.float32], target: NDArray[np.uint8]) -> dict[str, float]:
    """Return ``ap`` and ``fpr95`` of pixels.

    Args:
        score: (P,), higher = more anomalous.
        target: (P,) 0 or 1, both of which occur.
    """
    metrics = AnomalyMetrics()
    metrics.update(score, target)
    result = metrics.compute()
    return {'ap': float(result.ap or 0.0), 'fpr95': float(1.0 if result.fpr95 is None
                                                          else result.fpr95)}  # fmt: skip


def search(
    members: NDArray[np.float32], target: NDArray[np.uint8], metric: str = 'fpr95',
    choices: Sequence[Weights] | None = None,
) -> tuple[Weights, dict[str, float]]:  # fmt: skip
    """Return the best weights and their figures.

    Args:
        members: (4, P), network, entropy, perceptual difference and distance of pixels.
        target: (P,) 0 or 1.
        metric: ``fpr95``, lowest, or ``ap``, highest; the other one decides between equals.
        choices: Weights to try; `candidates` if None.
    """
    best: tuple[tuple[float, float], Weights, dict[str, float]] | None = None
    for weights in candidates() if choices is None else choices:
        score = np.tensordot(np.asarray(weights, np.float32), members, 1)
        found = figures(score, target)
        key = (found['fpr95'], -found['ap'])
        key = key if metric == 'fpr95' else (key[1], key[0])
        if best is None or key < best[0]:
            best = (key, weights, found)
    assert best is not None
    return best[1], best[2]
