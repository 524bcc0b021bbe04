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

from anomaly_seg_ros.refinement import vde_arrays
from anomaly_seg_ros.refinement.dispatch import is_plain


@dataclass(frozen=True)
class VdeConfig:
    """What the paper leaves open, in units of the standardised score (see `vde_refine`).

    The values are those that served on Cityscapes and CamVid scenes with COCO objects on the
    road, with the smoothed SML of ERFNet. Raising holes gained wherever an anomaly lies on the
    road. Lowering true road gains where anomalies lie elsewhere, and hides those that the network
    takes for road; lowering the outside loses what rises above the road or lies beside it. Both
    are off for that and are there because the paper names them. A threshold of 1 to 1.5 was best:
    none lets small anomalies pass as road, a stricter one finds no road under a strange camera.

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

    road_threshold: float = 1.0
    raise_hole: float = 2.0
    lower_road: float = 0.0
    lower_outside: float = 0.0

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
    threshold = centre + config.road_threshold * scale
    if is_plain(score) and is_plain(labels) and score.dtype == torch.float32:
        amounts = (config.raise_hole, config.lower_road, config.lower_outside)
        array = vde_arrays.refine(
            score.numpy(),
            labels.numpy(),
            drivable,
            float(threshold),
            *(float(amount * scale) for amount in amounts),
        )
        return torch.from_numpy(array)
    road, outside, has_road = _parts(score, labels, drivable, threshold)
    # The three parts exclude each other; an amount of 0 costs nothing.
    refined = score
    if config.lower_outside:
        amount = has_road.to(score.dtype) * (config.lower_outside * scale)
        refined = refined - outside.to(score.dtype) * amount
    if config.raise_hole:
        hole = ~(outside | road)
        refined = refined + hole.to(score.dtype) * (config.raise_hole * scale)
    if config.lower_road:
        refined = refined - road.to(score.dtype) * (config.lower_road * scale)
    return refined


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
    road, outside, _ = _parts(score, labels, drivable, threshold)
    return road, ~outside


def _parts(
    score: Tensor, labels: Tensor, drivable: Sequence[int], threshold: Tensor | float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return true road and outside, (N, H, W), and which frames have road, (N, 1, 1); bool."""
    road = _is_any_of(labels, drivable) & (score <= threshold)
    height, width = road.shape[1:]
    length = _segment(width)
    place = torch.arange(width, device=road.device) % length
    # Bytes, and only then wider numbers: each row in segments, in each segment the place of the
    # last and (counted from its end) of the first true road pixel, 1 to `length`; 0 is none.
    byte = road.to(torch.uint8)
    shape = (-1, height, width // length, length)
    last = (byte * (place + 1).to(torch.uint8)).reshape(shape).amax(-1)
    first = (byte * (length - place).to(torch.uint8)).reshape(shape).amax(-1)
    # The same for whole rows, 1 to `width`.
    before = torch.arange(0, width, length, dtype=torch.float32, device=road.device)
    behind = width - length - before
    to_last = torch.where(last > 0, last + before, 0.0).amax(-1, keepdim=True)
    to_first = torch.where(first > 0, first + behind, 0.0).amax(-1, keepdim=True)
    column = torch.arange(width, dtype=torch.float32, device=road.device)
    outside = (column >= to_last) | (column < width - to_first)
    return road, outside, to_last.amax(-2, keepdim=True) > 0


def _segment(width: int) -> int:
    """Return the largest divisor of `width` whose places can be counted in a byte."""
    return max(length for length in range(1, 256) if width % length == 0)


def _is_any_of(labels: Tensor, values: Sequence[int]) -> Tensor:
    """Return where `labels` is one of `values`, bool."""
    first, *others = sorted(set(values))
    found = labels == first
    for value in others:
        found = found | (labels == value)
    return found
