# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle for tests that is small, quick, deterministic, and right about simple pictures.

Its segmenter gives each pixel the class whose Cityscapes colour is nearest, and a maximum logit
that falls with the distance to it. So a picture painted in class colours has known labels, and
a colour far from all of them is anomalous by every score that grows as logits fall.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Card, GraphFile, Preprocessing, SegmenterSpec, Threshold
from anomaly_seg_ros.bundle.write import write_bundle
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.size import Size

if TYPE_CHECKING:
    from torch import Tensor

    from anomaly_seg_ros.models.base import Segmenter

INPUT_SIZE = Size(64, 32)
SCORES = ('max_softmax', 'entropy', 'max_logit', 'energy', 'max_min')
SCORE = 'max_logit'
THRESHOLD = 8.0
"""Between the scores of the class colours, at most 0, and of `UNKNOWN_COLOUR`, above 12."""
UNKNOWN_COLOUR = (0, 255, 255)
"""Cyan, far from the colours of all classes."""

_SHARPNESS = 32.0


def build_tiny_bundle(
    directory: Path,
    *,
    threshold: float | None = THRESHOLD,
    scores: tuple[str, ...] = SCORES,
    refinements: tuple[str, ...] = ('none',),
) -> Path:
    """Export the tiny detector and write its bundle; return the bundle's folder.

    Args:
        directory: The folder to make.
        threshold: Of the card, None for a card without one.
        scores: What the graph offers, `SCORE` among them.
        refinements: What the graph offers of every score.
    """
    from anomaly_seg_ros.detector import Detector, export

    preprocessing = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    segmenter, drivable = _colour_segmenter(), CITYSCAPES.drivable
    detector = Detector(segmenter, preprocessing, INPUT_SIZE, scores, refinements, drivable)
    card = Card(
        name='tiny',
        description='Gives each pixel the class with the nearest colour; for tests.',
        segmenter=SegmenterSpec('nearest_colour'),
        classes=CITYSCAPES,
        preprocessing=preprocessing,
        input_size=INPUT_SIZE,
        scores=scores,
        score=SCORE,
        refinements=refinements,
        graph=GraphFile(),
        threshold=None if threshold is None else Threshold(threshold, 'chosen for tests'),
        score_range=(0.0, 30.0),
        licence={'weights': 'Apache-2.0'},
    )
    graph = directory.parent / f'{directory.name}.onnx'
    export(detector, graph)
    write_bundle(directory, card, {'detector.onnx': graph})
    graph.unlink()
    return directory


def _colour_segmenter() -> Segmenter:
    import torch
    from torch.nn import functional

    from anomaly_seg_ros.models.base import Segmenter

    class NearestColour(Segmenter):
        num_classes = len(CITYSCAPES)
        stride = 4

        def __init__(self) -> None:
            super().__init__()
            palette = torch.tensor(CITYSCAPES.palette, dtype=torch.float32) / 255
            self.register_buffer('palette', palette.view(1, -1, 3, 1, 1))

        def forward(self, image: Tensor) -> Tensor:
            small = functional.avg_pool2d(image, self.stride)
            distance = (small.unsqueeze(1) - self.palette).square().sum(2)
            return -_SHARPNESS * distance

    return NearestColour()


def stripes(width: int = 64, height: int = 32, unknown: bool = True) -> NDArray[np.uint8]:
    """Paint a picture that the tiny bundle reads right.

    Returns:
        (H, W, 3) uint8 RGB: from top to bottom sky, vegetation, road, one third each; with
        `unknown` the right half of the road has `UNKNOWN_COLOUR`.
    """
    image = np.empty((height, width, 3), np.uint8)
    thirds = (0, height // 3, 2 * height // 3, height)
    for name, top, bottom in zip(('sky', 'vegetation', 'road'), thirds, thirds[1:], strict=False):
        image[top:bottom] = CITYSCAPES.palette[CITYSCAPES.names.index(name)]
    if unknown:
        image[thirds[2] :, width // 2 :] = UNKNOWN_COLOUR
    return image
