# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Iterative boundary suppression: scores at class boundaries are replaced by those beside them.

Between two classes the largest logit is small whatever lies there. Jung et al., Standardized Max
Logits, ICCV 2021, section 3.4, give boundary pixels the mean of the pixels around them that lie
off the boundary, first for a wide boundary, then for narrower ones (8, 6, 4 and 2 pixels), each
time reading the result before, so that scores move into the boundary from both of its sides.

The boundary is that of the paper's implementation: pixels whose label differs from a neighbour's
(about 2 pixels wide), dilated by diamonds of radius 3, 2, 1 and 0. A corner alone counts for the
larger of the two labels, because there it compares a dilation by a cross with an erosion by a
square. Beyond the border of the image there is nothing to differ from.

Written as published every iteration touches all pixels of all maps. But a pixel can only pass
its score on when the boundary has shrunk past it, and that is the iteration after it was last
replaced. So the last replacement is the only one that counts: the pixels of one *level*, those at
one distance from the labels' boundary, are computed once, from the pixels of lower levels.
"""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from anomaly_seg_ros.refinement import fast
from anomaly_seg_ros.refinement.dispatch import by_image, is_plain

ITERATIONS = 4


class Boundaries:
    """The class boundaries of a batch of images, and what they do to any number of scores.

    Args:
        labels: (N, H, W) uint8.
    """

    def __init__(self, labels: Tensor) -> None:
        self._labels = labels

    @cached_property
    def levels(self) -> Tensor:
        """In how many of the iterations a pixel lies inside the boundary, (N, H, W) uint8.

        From 0, off every boundary, to 4, where labels differ.
        """
        if is_plain(self._labels):
            return by_image(fast.boundary_levels, self._labels)
        inside = _differs(self._labels)
        levels = inside.to(torch.uint8)
        for _ in range(ITERATIONS - 1):
            inside = _dilate(inside)
            levels = levels + inside.to(torch.uint8)
        return levels

    def suppress(self, score: Tensor) -> Tensor:
        """Replace the scores inside the boundary.

        A boundary pixel takes the mean of the pixels of lower level in the 3 x 3 window around
        it, where the image's border pixels count again beyond the border (replicate padding); it
        keeps its score if there are none.

        Args:
            score: (N, H, W), any floating type, finite.

        Returns:
            (N, H, W) float32.
        """
        score = score.float()
        if is_plain(score):
            return by_image(fast.suppress_boundaries, score, self.levels)
        for weight, replaced, count in self._steps:
            window = F.pad((score * weight)[:, None], (1, 1, 1, 1), mode='replicate')
            score = torch.where(replaced, F.avg_pool2d(window, 3, 1)[:, 0] / count, score)
        return score

    @cached_property
    def _steps(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """By level, (N, H, W): weights of the pixels that are read, what is replaced, divisors."""
        steps = []
        for level in range(1, ITERATIONS + 1):
            valid = (self.levels < level).to(torch.uint8)
            count = _window_sum(valid)
            replaced = (self.levels == level) & (count > 0)
            # Of pixels weighed by nine the mean over a window is the sum. Divisors are never 0.
            divisor = count + (~replaced).to(torch.uint8)
            steps.append(((valid * 9).float(), replaced, divisor.float()))
        return steps


def _differs(labels: Tensor) -> Tensor:
    """Find pixels that differ from one of their neighbours, (N, H, W) bool.

    As the paper's implementation has it: the dilation by a cross is not the erosion by a square.
    It is if no neighbour beside the pixel differs and none at its corners is smaller. Bytes are
    compared, since runtimes have neither maxima nor minima of bytes.
    """
    height, width = labels.shape[1:]
    padded = _replicate(_replicate(labels, 1), 2)
    same = None
    for down in range(3):
        for right in range(3):
            if down == right == 1:
                continue
            neighbour = padded.narrow(1, down, height).narrow(2, right, width)
            beside = 1 in (down, right)
            equal = labels == neighbour if beside else labels <= neighbour
            same = equal if same is None else same & equal
    assert same is not None
    return ~same


def _dilate(inside: Tensor) -> Tensor:
    """Dilate (N, H, W) bool by a pixel and its four neighbours."""
    result = inside
    for axis in (1, 2):
        size = inside.shape[axis]
        padded = _replicate(inside, axis)
        result = result | padded.narrow(axis, 0, size) | padded.narrow(axis, 2, size)
    return result


def _window_sum(values: Tensor) -> Tensor:
    """Sum (N, H, W) uint8 over 3 x 3 windows with replicate padding."""
    for axis in (1, 2):
        size = values.shape[axis]
        padded = _replicate(values, axis)
        values = values + padded.narrow(axis, 0, size) + padded.narrow(axis, 2, size)
    return values


def _replicate(values: Tensor, axis: int) -> Tensor:
    """Repeat the first and the last row or column; `F.pad` does not know bytes."""
    last = values.shape[axis] - 1
    return torch.cat([values.narrow(axis, 0, 1), values, values.narrow(axis, last, 1)], axis)
