# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an image to the wanted results with one run of the engine; no ROS."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Bundle, BundleError, Card
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.mask import anomaly_mask
from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters

LABELS, SCORE, MASK, CONFIDENCE, OVERLAY = (
    'labels', 'anomaly_score', 'anomaly_mask', 'confidence', 'overlay',
)  # fmt: skip
RESULT_ENCODINGS = {
    LABELS: 'mono8',
    SCORE: '32FC1',
    MASK: 'mono8',
    CONFIDENCE: 'mono8',
    OVERLAY: 'rgb8',
}
"""The results, which are also the names of their topics, and their image encodings."""


@dataclass(frozen=True)
class Results:
    """What one image gave.

    Args:
        arrays: The wanted results by name, each of the image's height and width.
        engine_seconds: Time spent in the engine.
    """

    arrays: dict[str, NDArray[Any]]
    engine_seconds: float


class Pipeline:
    """A bundle on an engine, ready to run.

    Args:
        bundle: The model.
        engine: What runs it.
        score: Name of the anomaly score.
    """

    def __init__(self, bundle: Bundle, engine: Engine, score: str) -> None:
        self.bundle = bundle
        self.engine = engine
        self.score = score

    @classmethod
    def load(cls, parameters: DetectorParameters) -> Pipeline:
        """Open the bundle, load the engine and run it once, so that the first frame is quick.

        Raises:
            AnomalySegError: The bundle, the engine or the score is missing or does not fit.
        """
        bundle = Bundle.open(parameters.bundle)
        score = parameters.score or bundle.card.score
        if score not in bundle.card.scores:
            msg = (
                f'the bundle {bundle.path} has no score {score!r}, '
                f'expected one of: {", ".join(bundle.card.scores)}'
            )
            raise BundleError(msg)
        engine = load_engine(
            parameters.engine, bundle, device=parameters.device, threads=parameters.threads
        )
        engine.warm_up(bundle.card.input_size)
        return cls(bundle, engine, score)

    @property
    def card(self) -> Card:
        """The model's card."""
        return self.bundle.card

    def threshold(self, parameters: DetectorParameters) -> float | None:
        """Return the threshold of the parameters, else the card's for its own score, else None."""
        if not np.isnan(parameters.threshold):
            return parameters.threshold
        if self.card.threshold is None or self.score != self.card.score:
            return None
        return self.card.threshold.value

    def run(
        self,
        image: NDArray[np.uint8],
        wanted: frozenset[str],
        parameters: DetectorParameters,
    ) -> Results:
        """Compute the wanted results and nothing else.

        Args:
            image: (H, W, 3) uint8 RGB.
            wanted: Names of `RESULT_ENCODINGS`.
            parameters: Threshold and look of the overlay.

        Returns:
            Labels, confidence and mask (0 or 255) as (H, W) uint8, the score as (H, W) float32,
            the overlay as (H, W, 3) uint8 RGB. The mask is absent without a threshold.
        """
        threshold = self.threshold(parameters)
        outputs = self._outputs(wanted, threshold, parameters.overlay_content)
        if not outputs:
            return Results({}, 0.0)
        begin = time.perf_counter()
        raw = self.engine.run(image[np.newaxis], outputs)
        seconds = time.perf_counter() - begin
        labels, score = (raw[n][0] if n in raw else None for n in ('labels', self.score))
        arrays: dict[str, NDArray[Any]] = {}
        if LABELS in wanted and labels is not None:
            arrays[LABELS] = labels
        if CONFIDENCE in wanted:
            arrays[CONFIDENCE] = raw['confidence'][0]
        if SCORE in wanted and score is not None:
            arrays[SCORE] = score
        mask = None
        if score is not None and threshold is not None and wanted & {MASK, OVERLAY}:
            mask = anomaly_mask(score, threshold)
        if MASK in wanted and mask is not None:
            arrays[MASK] = mask
        if OVERLAY in wanted:
            content = parameters.overlay_content
            arrays[OVERLAY] = self._overlay(
                image,
                labels if content != 'score' else None,
                score if content != 'labels' else None,
                mask if content != 'labels' else None,
                parameters.overlay_alpha,
            )
        return Results(arrays, seconds)

    def _outputs(
        self, wanted: frozenset[str], threshold: float | None, content: str
    ) -> tuple[str, ...]:
        overlay = content if OVERLAY in wanted else ''
        names = []
        if LABELS in wanted or overlay in ('labels', 'both'):
            names.append('labels')
        if CONFIDENCE in wanted:
            names.append('confidence')
        masked = MASK in wanted and threshold is not None
        if SCORE in wanted or masked or overlay in ('score', 'both'):
            names.append(self.score)
        return tuple(names)

    def _overlay(
        self,
        image: NDArray[np.uint8],
        labels: NDArray[np.uint8] | None,
        score: NDArray[np.float32] | None,
        mask: NDArray[np.uint8] | None,
        alpha: float,
    ) -> NDArray[np.uint8]:
        from anomaly_seg_ros.render import overlay

        own = self.score == self.card.score
        return overlay(
            image,
            labels,
            score,
            mask,
            self.card.classes,
            alpha,
            score_range=self.card.score_range if own else None,
        )

    def close(self) -> None:
        """Free the engine's memory."""
        self.engine.close()
