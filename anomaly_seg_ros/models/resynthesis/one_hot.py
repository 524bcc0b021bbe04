# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label maps as channels."""

from __future__ import annotations

import torch

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.models.base import ModelError


def one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Return one channel per class, 1 where a pixel has it; void pixels are 0 in all of them.

    Values are not checked, for this is part of graphs; see `check_label_map`.

    Args:
        labels: (N, H, W) uint8, classes and 255 = void.
        classes: Number of classes, C.

    Returns:
        (N, C, H, W) float32 of 0 and 1.
    """
    numbers = torch.arange(classes, dtype=torch.uint8, device=labels.device)
    return (labels[:, None] == numbers[:, None, None]).float()


def check_label_map(labels: torch.Tensor, classes: int) -> None:
    """Refuse label maps with values that are no class and not void.

    Args:
        labels: uint8, of any shape.
        classes: Number of classes.

    Raises:
        ModelError: There are unknown values; the message lists them.
    """
    unknown = sorted(set(labels[(labels >= classes) & (labels != IGNORE)].tolist()))
    if unknown:
        msg = (
            f'the label map holds the values {unknown[:8]}, expected classes 0 to {classes - 1} '
            f'and {IGNORE} for void: translate its ids to the classes of the generator first'
        )
        raise ModelError(msg)
