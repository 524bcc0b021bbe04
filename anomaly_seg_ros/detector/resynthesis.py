# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The re-synthesis detector: a segmenter as it is, and SynBoost's score beside the others."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from anomaly_seg_ros.bundle.preprocessing import Preprocessing
from anomaly_seg_ros.bundle.resynthesis import SCORE
from anomaly_seg_ros.detector.graph import Detector
from anomaly_seg_ros.detector.portable import PortableDetector
from anomaly_seg_ros.models.base import ModelError
from anomaly_seg_ros.models.resynthesis.framework import Resynthesis, ResynthesisMaps, resized
from anomaly_seg_ros.models.resynthesis.uncertainty import softmax_distance
from anomaly_seg_ros.refinement.names import NONE
from anomaly_seg_ros.scores import Logits, entropy
from anomaly_seg_ros.size import Size


class _ResynthesisScores(Detector):
    """What both forms of the detector add to theirs: the score `synboost`."""

    resynthesis: Resynthesis

    def _check_score(self, name: str) -> None:
        if name != SCORE:
            super()._check_score(name)

    def _score(self, name: str, logits: Logits, image: Tensor) -> Tensor:
        if name != SCORE:
            return super()._score(name, logits, image)
        score = self.resynthesis(*self._inputs(logits, image))
        return resized(score, self.input_size.shape)

    def _inputs(self, logits: Logits, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return image in [0, 1], labels, entropy and distance, (N, C, h, w) each."""
        # By way of the segmenter's size, as in training: no pixel between is left out.
        rgb = resized(image.permute(0, 3, 1, 2).to(self.mean.dtype), self.input_size.shape)
        return (
            resized(rgb, self.resynthesis.spec.image_size.shape) / 255,
            self._as_map(logits.labels),
            self._as_map(entropy(logits)),
            self._as_map(softmax_distance(logits)),
        )


class ResynthesisDetector(_ResynthesisScores):
    """A detector with the score `synboost`; labels and other scores are the segmenter's own.

    Args:
        segmenter: See `Detector`.
        resynthesis: What comes after it.
        preprocessing: See `Detector`.
        input_size: See `Detector`.
        score_names: See `Detector`; `synboost` may be among them.
        refinements: See `Detector`.
        drivable: See `Detector`.

    Raises:
        ModelError: The segmenter has other classes than the re-synthesis networks.
        KeyError: See `Detector`.
        RefinementError: See `Detector`.
    """

    def __init__(
        self,
        segmenter: nn.Module,
        resynthesis: Resynthesis,
        preprocessing: Preprocessing,
        input_size: Size,
        score_names: Sequence[str] = (SCORE,),
        refinements: Sequence[str] = (NONE,),
        drivable: Sequence[int] = (),
    ) -> None:
        super().__init__(segmenter, preprocessing, input_size, score_names, refinements, drivable)
        classes = getattr(segmenter, 'num_classes', resynthesis.spec.classes)
        if classes != resynthesis.spec.classes:
            msg = (
                f'the segmenter has {classes} classes and the re-synthesis networks were trained '
                f'for {resynthesis.spec.classes}: train them for this segmenter'
            )
            raise ModelError(msg)
        self.resynthesis = resynthesis

    def portable(self) -> Detector:
        """Return this detector in the form that portable runtimes run fastest."""
        return _PortableResynthesisDetector(self)

    def maps(self, image: Tensor) -> ResynthesisMaps:
        """Return what the score of images is made from.

        Args:
            image: (N, H, W, 3) uint8, RGB.
        """
        logits = self._reductions(self.segmenter(self.preprocess(image)))
        return self.resynthesis.maps(*self._inputs(logits, image))


class _PortableResynthesisDetector(_ResynthesisScores, PortableDetector):
    """The portable form, whose logits come in phases."""

    def __init__(self, detector: ResynthesisDetector) -> None:
        PortableDetector.__init__(self, detector)
        self.resynthesis = detector.resynthesis
