# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector: everything between a camera's bytes and the results' bytes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_seg_ros.bundle.preprocessing import Preprocessing
from anomaly_seg_ros.refinement.chain import RefinedScores
from anomaly_seg_ros.refinement.names import (
    NONE,
    RefinementError,
    needs_statistics,
    output_names,
    split_output,
)
from anomaly_seg_ros.refinement.vde import VdeConfig
from anomaly_seg_ros.scores import SCORES, DenseLogits, Logits
from anomaly_seg_ros.size import Size

LABELS = 'labels'
CONFIDENCE = 'confidence'


class Detector(nn.Module):
    """Image -> labels, confidence and anomaly scores, all at the image's own size.

    Normalise, resize to the network's size, segment, upsample the logits to the network's size,
    arg max, scores and their refinements there, results resized to the image. Resizing is
    bilinear with the half-pixel convention, nearest for labels.

    Args:
        segmenter: (N, 3, h, w) float -> logits (N, C, h / s, w / s).
        preprocessing: The normalisation that the segmenter was trained with.
        input_size: The size at which the segmenter runs.
        score_names: Names of `scores.SCORES`, in the order of the outputs.
        refinements: What is offered of every score, see `refinement.names`.
        drivable: The drivable classes, for VDE.
        vde: The constants of VDE.

    Raises:
        KeyError: A score is unknown.
        RefinementError: A refinement is unknown.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        segmenter: nn.Module,
        preprocessing: Preprocessing,
        input_size: Size,
        score_names: Sequence[str],
        refinements: Sequence[str] = (NONE,),
        drivable: Sequence[int] = (),
        vde: VdeConfig | None = None,
    ) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.input_size = input_size
        self.score_names = tuple(score_names)
        self.refinements = tuple(refinements)
        self.drivable = tuple(drivable)
        self.vde = vde or VdeConfig()
        for name in self.score_names:
            self._check_score(name)
        self.output_names = (LABELS, CONFIDENCE, *output_names(self.score_names, self.refinements))
        mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
        std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
        # On bytes: one subtraction and one multiplication.
        self.register_buffer('mean', mean * 255, persistent=False)
        self.register_buffer('scale', 1 / (std * 255), persistent=False)

    @property
    def takes_statistics(self) -> bool:
        """Whether one of the outputs takes class statistics."""
        return any(needs_statistics(name) for name in self.output_names)

    def forward(self, image: Tensor, statistics: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return all outputs, in the order of `output_names`.

        Args:
            image: (N, H, W, 3) uint8, RGB.
            statistics: (S, 2, C): per score of `score_names` the means and the standard
                deviations of the classes; needed if `takes_statistics`.

        Returns:
            Labels (N, H, W) uint8; the largest softmax as round(255 p), (N, H, W) uint8; one
            (N, H, W) float32 per score and refinement, higher = more anomalous.
        """
        results = self.run(image, self.output_names, statistics)
        return tuple(results[name] for name in self.output_names)

    def run(
        self, image: Tensor, outputs: Sequence[str], statistics: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the outputs asked for and compute nothing else.

        Args:
            image: (N, H, W, 3) uint8, RGB.
            outputs: Some of `output_names`.
            statistics: See `forward`.

        Raises:
            KeyError: An output is unknown.
            RefinementError: An output needs statistics, and there are none, or they are of
                another shape.
        """
        logits = self._reductions(self.segmenter(self.preprocess(image)))
        if statistics is not None:
            expected = (len(self.score_names), 2, logits.num_classes)
            if tuple(statistics.shape) != expected:
                msg = (
                    f'received statistics of shape {tuple(statistics.shape)}, expected {expected}'
                )
                raise RefinementError(msg)
        maps = _Maps(self, logits, image, statistics)
        size = (image.shape[1], image.shape[2])
        return {name: self._output(name, maps, size) for name in outputs}

    def preprocess(self, image: Tensor) -> Tensor:
        """Map (N, H, W, 3) uint8 to the network's input, (N, 3, h, w) float."""
        x = image.permute(0, 3, 1, 2).to(self.mean.dtype)
        x = F.interpolate(x, self.input_size.shape, mode='bilinear', align_corners=False)
        return (x - self.mean) * self.scale

    def _reductions(self, logits: Tensor) -> Logits:
        """Upsample raw logits to the network's size and reduce them to (N, h, w) maps."""
        size = self.input_size.shape
        if logits.shape[2:] != size:
            logits = F.interpolate(logits, size, mode='bilinear', align_corners=False)
        return DenseLogits(logits)

    def portable(self) -> Detector:
        """Return this detector in the form that portable runtimes run fastest."""
        from anomaly_seg_ros.detector.portable import PortableDetector

        return PortableDetector(self)

    def _check_score(self, name: str) -> None:
        """Raise a KeyError if a score is unknown."""
        SCORES.get(name)

    def _score(self, name: str, logits: Logits, image: Tensor) -> Tensor:
        """Return a score at the network's size, (N, 1, h, w)."""
        del image
        return self._as_map(SCORES.get(name)(logits))

    def _as_map(self, values: Tensor) -> Tensor:
        """Bring a reduction to (N, 1, h, w)."""
        return values[:, None]

    def _output(self, name: str, maps: _Maps, size: tuple[int, int]) -> Tensor:
        if name == LABELS:
            return self._resize_labels(maps.labels, size)[:, 0]
        if name == CONFIDENCE:
            confidence = self._resize(self._as_map(1 / maps.logits.exp_sum), size)
            return (confidence * 255).round().to(torch.uint8)
        return self._resize(maps.score(*split_output(name)), size)

    def _resize_labels(self, labels: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(labels, size, mode='nearest-exact')

    def _resize(self, values: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(values, size, mode='bilinear', align_corners=False)[:, 0]


class _Maps:
    """What outputs of one run share: labels and scores in image order, (N, 1, h, w)."""

    def __init__(
        self, detector: Detector, logits: Logits, image: Tensor, statistics: Tensor | None
    ) -> None:
        self.logits = logits
        # Nothing here may refer to this object itself: a cycle would keep all logits until Python
        # looks for garbage, gigabytes for large images.
        self._refined = RefinedScores(
            lambda: detector._as_map(logits.labels)[:, 0],
            lambda name: detector._score(name, logits, image)[:, 0],
            detector.score_names,
            statistics,
            detector.drivable,
            detector.vde,
        )

    @property
    def labels(self) -> Tensor:
        return self._refined.labels[:, None]

    def score(self, score: str, refinement: str) -> Tensor:
        return self._refined.get(score, refinement)[:, None]
