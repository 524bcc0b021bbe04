# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses that want the softmax of unknown pixels to be flat."""

from __future__ import annotations

import math

from torch import Tensor

from anomaly_seg_training.finetune.losses.base import (
    OOD_LOSSES,
    OodLoss,
    cross_entropy_sum,
    is_known,
    mean,
    require_option,
    rows_of,
)
from anomaly_seg_training.recipe_file import RecipeError


@OOD_LOSSES.register('uniform')
class Uniform(OodLoss):
    """Cross entropy of unknown pixels with the uniform distribution, mean over them.

    Hendrycks et al., Deep Anomaly Detection with Outlier Exposure, ICLR 2019.
    """

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the mean of -1 / C sum log softmax, at least ln C where there are pixels."""
        del labels
        return mean(-rows_of(logits, ood).log_softmax(1).mean(1))


def divergence_from_uniform(rows: Tensor) -> Tensor:
    """Return ln N - H(softmax), the KL divergence from the softmax to the uniform distribution.

    Args:
        rows: (P, N) logits.

    Returns:
        (P,) from 0, exactly, where all logits are equal, to ln N where one of them rules.
    """
    below = rows - rows.amax(1, keepdim=True).detach()
    weights = below.exp()
    total = weights.sum(1)
    # The mean of ones is one and its logarithm zero, without a rounding that ln N would have.
    return (weights * below).sum(1) / total - (total / rows.shape[1]).log()


@OOD_LOSSES.register('kl')
class Kl(OodLoss):
    """KL divergence from the uniform distribution to the softmax of unknown pixels, mean of them.

    -sum z log(S / z) with z = 1 / N: `Uniform` less ln N, so that 0 is its least value. Lu et al.,
    Anomaly-Aware Semantic Segmentation by Leveraging Synthetic-Unknown Data, 2021, equation 4.
    """

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return equation 4; exactly 0 where all logits of a pixel are equal."""
        del labels
        rows = rows_of(logits, ood)
        below = rows - rows.amax(1, keepdim=True).detach()
        return mean((below.exp().sum(1) / rows.shape[1]).log() - below.mean(1))


@OOD_LOSSES.register('entropy_ratio')
class EntropyRatio(OodLoss):
    """(ln N + r) / (H + r) - 1 of unknown pixels, with H the entropy of the softmax; their mean.

    0 where all classes are equally likely and, with r = 0.01 ln N, 100 where one is certain. Its
    gradient grows with 1 / (H + r)^2: the first steps on pixels of which the network is certain
    need a `gradient_clip`. Lu et al. 2021, equation 6.

    Args:
        share: r / ln N, more than 0; 0.01 in the paper.
    """

    def __init__(self, share: float = 0.01) -> None:
        require_option(share > 0, f'share is {share}, expected more than 0')
        self.share = share

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return equation 6; exactly 0 where all logits of a pixel are equal.

        Raises:
            RecipeError: There is one class, whose entropy is always 0.
        """
        del labels
        rows = rows_of(logits, ood)
        if rows.shape[1] < 2:
            msg = "recipe key 'loss': received entropy_ratio for one class, expected at least 2"
            raise RecipeError(msg)
        most = math.log(rows.shape[1])
        missing = divergence_from_uniform(rows)
        # (ln N + r - H - r) / (H + r): a difference of equals would not be exactly 0.
        return mean(missing / (most - missing + self.share * most))


@OOD_LOSSES.register('maxent')
class MaxEnt(OodLoss):
    """Cross entropy with the truth on known pixels, with the uniform distribution on unknown ones.

    Weights 1 - alpha and alpha, one mean over all pixels of both kinds (Chan et al., Entropy
    Maximization and Meta Classification, ICCV 2021; the mean is that of their code, which also
    divides by the number of classes).

    Args:
        alpha: Weight of unknown pixels, 0 to 1.
    """

    def __init__(self, alpha: float = 0.9) -> None:
        require_option(0 <= alpha <= 1, f'alpha is {alpha}, expected 0 to 1')
        self.alpha = alpha

    def known(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the part of known pixels."""
        known = is_known(labels, ood)
        total = (known | ood).sum().clamp(min=1)
        return (1 - self.alpha) * cross_entropy_sum(logits, labels, known) / total

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return the part of unknown pixels."""
        total = (is_known(labels, ood) | ood).sum().clamp(min=1)
        return -self.alpha * rows_of(logits, ood).log_softmax(1).mean(1).sum() / total
