# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One vs. rest against the logits of unknown pixels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from anomaly_seg_training.finetune.losses.base import (
    OOD_LOSSES,
    OodLoss,
    mean,
    require_option,
    rows_of,
)
from anomaly_seg_training.recipe_file import RecipeError


@OOD_LOSSES.register('topk_ovr')
class TopKOvR(OodLoss):
    """One vs. rest against the K largest logits of unknown pixels.

    Mean over unknown pixels of 1 / K sum over the K largest logits z of -log sigmoid(-s z).
    Zhang et al., Anomaly-Aware Semantic Segmentation via Style-Aligned OoD Augmentation, 2023,
    equation 1.

    Args:
        k: Logits per pixel, 1 to C.
        slope: s, more than 0.
    """

    def __init__(self, k: int = 5, slope: float = 2.0) -> None:
        require_option(k >= 1, f'k is {k}, expected at least 1')
        require_option(slope > 0, f'slope is {slope}, expected more than 0')
        self.k: int | None = k
        self.slope = slope

    def unknown(self, logits: Tensor, labels: Tensor, ood: Tensor) -> Tensor:
        """Return equation 1.

        Raises:
            RecipeError: There are fewer than K classes.
        """
        del labels
        rows = rows_of(logits, ood)
        k = rows.shape[1] if self.k is None else self.k
        if k > rows.shape[1]:
            msg = (
                f"recipe key 'loss_options': received k = {k} for a segmenter of "
                f'{rows.shape[1]} classes, expected at most as many'
            )
            raise RecipeError(msg)
        # -log sigmoid(-x) = softplus(x)
        return mean(functional.softplus(self.slope * rows.topk(k, 1).values))


@OOD_LOSSES.register('ovr')
class OvR(TopKOvR):
    """One vs. rest against all logits: `TopKOvR` with K = C.

    Args:
        slope: s, more than 0.
    """

    def __init__(self, slope: float = 2.0) -> None:
        super().__init__(1, slope)
        self.k = None
