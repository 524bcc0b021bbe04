# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SML: how many standard deviations a score lies from what is normal for the predicted class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def standardise(score: Tensor, labels: Tensor, statistics: Tensor) -> Tensor:
    """Standardise a score by the statistics of the predicted class.

    Jung et al., Standardized Max Logits, ICCV 2021, equation 3: (L - mean) / std of the max logit
    L. Scores here are higher where something is more anomalous, so that of the max logit is -L
    and the result the negated SML.

    Args:
        score: (N, H, W), any floating type.
        labels: (N, H, W) uint8, the predicted classes, all below C.
        statistics: (2, C), means and standard deviations of the score.

    Returns:
        (N, H, W) float32.
    """
    means, deviations = statistics.float().unbind(0)
    # One look-up of both numbers: portable runtimes take as long for four bytes as for eight.
    table = torch.stack([means, 1 / deviations], 1)
    numbers = F.embedding(labels.int(), table)
    mean, inverse = numbers.narrow(-1, 0, 1).squeeze(-1), numbers.narrow(-1, 1, 1).squeeze(-1)
    return (score.float() - mean) * inverse
