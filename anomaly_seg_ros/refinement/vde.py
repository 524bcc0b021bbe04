# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VDE: what lies between road pixels is of interest, what lies outside the road is not.

"Irrelevant regions elimination with variation of dilation and erosion", section 3.3.2 of Mao,
Sun, Huang: Improving Performance and Compute Efficiency of Anomaly Segmentation Models with
COCO-DAG. The text says:

1. select the pixels that are classified as road, and of those the ones above a high threshold of
   the standardised max logit: the *true road* pixels;
2. dilate them, rows from top to bottom, each new pixel written at once into the image that is
   read, so that holes of any size are filled by a small kernel;
3. erode every row from its left and from its right end until a true road pixel is met;
4. raise or lower the score according to the result, the *region*.

Written at once, a row that holds one set pixel is set from there to its end, whatever the size
of the kernel: its left neighbour is always in the window. The erosion then gives back everything
outside the row's outermost true road pixels, and all of a row without any. Steps 2 and 3 are
therefore exactly this: **the region of a row reaches from its first to its last true road
pixel**. This is what is computed here; the tests compare it with the steps taken literally, pixel
by pixel, for several kernels and both scan orders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class VdeConfig:
    """What the paper leaves open, in units of the standardised score (see `vde_refine`).

    Args:
        road_threshold: A pixel of a drivable class is true road where its score is at most
            this; the lower, the surer ("set a high threshold" of the negated score).
        raise_hole: Added where the region is not true road: an unknown between road pixels.
        lower_road: Subtracted on true road.
        lower_outside: Subtracted outside the region: the "irrelevant" part of the image. It is
            finite, so that what is very anomalous out there still counts.

    Raises:
        ValueError: A number is not finite, or an amount is negative.
    """

    road_threshold: float = 0.0
    raise_hole: float = 0.0
    lower_road: float = 0.0
    lower_outside: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what would turn the refinement round."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value):
                msg = f'{field.name} of VDE must be a finite number, received {value!r}'
                raise ValueError(msg)
            if field.name != 'road_threshold' and value < 0:
                msg = f'{field.name} of VDE is an amount, 0 or more, received {value!r}'
                raise ValueError(msg)


def vde_refine(
    score: Tensor,
    labels: Tensor,
    drivable: Sequence[int],
    config: VdeConfig,
    centre: Tensor | float = 0.0,
    scale: Tensor | float = 1.0,
) -> Tensor:
    """Raise the score inside holes of the road and lower it away from the road.

    A frame without true road is returned as it is: nothing is known about where its road lies,
    and lowering all of it would hide every anomaly from a vehicle that has lost the road.

    Args:
        score: (N, H, W) float, higher = more anomalous. A NaN stays NaN and is no road.
        labels: (N, H, W) uint8, the predicted classes.
        drivable: Labels of the drivable classes; where there are none nothing is changed.
        config: Threshold and amounts, in units of the standardised score.
        centre: The score that counts as 0; for one that is not standardised: its mean on road.
        scale: The score that counts as 1; for one that is not standardised: its standard
            deviation on road. Positive.

    Returns:
        (N, H, W) of the type of `score`.
    """
    if not drivable:
        return score
    road, first, last = _span(score, labels, drivable, centre + config.road_threshold * scale)
    column = _columns(score)
    region = (column >= first) & (column <= last)
    has_road = (last.amax(-2, keepdim=True) >= 0).to(score.dtype)
    outside = score - has_road * (config.lower_outside * scale)
    refined = torch.where(region, score + config.raise_hole * scale, outside)
    return torch.where(road, score - config.lower_road * scale, refined)


def vde_region(
    score: Tensor, labels: Tensor, drivable: Sequence[int], threshold: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Find the true road and, row by row, what it encloses.

    Args:
        score: (N, H, W) float, higher = more anomalous.
        labels: (N, H, W) uint8.
        drivable: Labels of the drivable classes.
        threshold: The highest score of a true road pixel.

    Returns:
        True road and region, both (N, H, W) bool; the region holds the true road.
    """
    road, first, last = _span(score, labels, drivable, threshold)
    column = _columns(score)
    return road, (column >= first) & (column <= last)


def _span(
    score: Tensor, labels: Tensor, drivable: Sequence[int], threshold: Tensor | float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return true road, (N, H, W) bool, and the first and last column of it in each row.

    The columns are (N, H, 1) float32; W and -1 in a row without true road.
    """
    road = _is_any_of(labels, drivable) & (score <= threshold)
    column = _columns(score)
    first = torch.where(road, column, float(score.shape[-1])).amin(-1, keepdim=True)
    last = torch.where(road, column, -1.0).amax(-1, keepdim=True)
    return road, first, last


def _columns(score: Tensor) -> Tensor:
    """Return the number of every column, (W,) float32."""
    return torch.arange(score.shape[-1], dtype=torch.float32, device=score.device)


def _is_any_of(labels: Tensor, values: Sequence[int]) -> Tensor:
    """Return where `labels` is one of `values`, bool."""
    # ONNX Runtime compares floats, not bytes.
    found = torch.zeros_like(labels, dtype=torch.bool)
    values_here = labels.to(torch.float32)
    for value in sorted(set(values)):
        found = found | (values_here == value)
    return found
