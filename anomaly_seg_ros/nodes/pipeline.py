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
from anomaly_seg_ros.render import overlay

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
        labels: (H, W) uint8, None unless it was needed.
        score: (H, W) float32, None unless it was needed.
        mask: (H, W) uint8, 0 or 255, None unless it was needed and there is a threshold.
        confidence: (H, W) uint8, None unless it was needed.
        engine_seconds: Time spent in the engine.
    """

    labels: NDArray[np.uint8] | None = None
    score: NDArray[np.float32] | None = None
    mask: NDArray[np.uint8] | None = None
    confidence: NDArray[np.uint8] | None = None
    engine_seconds: float = 0.0

    def arrays(self, wanted: frozenset[str]) -> dict[str, NDArray[Any]]:
        """Return those of the wanted results that there are, by name; never the overlay."""
        found = {
            LABELS: self.labels,
            SCORE: self.score,
            MASK: self.mask,
            CONFIDENCE: self.confidence,
        }
        return {name: a for name, a in found.items() if name in wanted and a is not None}


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
        self, image: NDArray[np.uint8], wanted: frozenset[str], parameters: DetectorParameters
    ) -> Results:
        """Compute what the wanted results need, and nothing else.

        Args:
            image: (H, W, 3) uint8 RGB.
            wanted: Names of `RESULT_ENCODINGS`.
            parameters: Threshold and content of the overlay.

        Raises:
            EngineError: The engine cannot run this image.
        """
        threshold = self.threshold(parameters)
        outputs = self._outputs(wanted, threshold, parameters.overlay_content)
        if not outputs:
            return Results()
        begin = time.perf_counter()
        raw = self.engine.run(image[np.newaxis], outputs)
        seconds = time.perf_counter() - begin
        first = {name: array[0] for name, array in raw.items()}
        score = first.get(self.score)
        mask = None
        if score is not None and threshold is not None and wanted & {MASK, OVERLAY}:
            mask = anomaly_mask(score, threshold)
        return Results(
            labels=first.get('labels'),
            score=score,
            mask=mask,
            confidence=first.get('confidence'),
            engine_seconds=seconds,
        )

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

    def overlay(
        self, image: NDArray[np.uint8], results: Results, parameters: DetectorParameters
    ) -> NDArray[np.uint8]:
        """Draw results over their image, as the parameters say.

        Args:
            image: (H, W, 3) uint8 RGB.
            results: Of `run` with the overlay among the wanted.
            parameters: Content and opacity.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        content = parameters.overlay_content
        own = self.score == self.card.score
        return overlay(
            image,
            results.labels,
            results.score,
            results.mask if content != 'labels' else None,
            classes=self.card.classes,
            content=content,
            alpha=parameters.overlay_alpha,
            score_range=self.card.score_range if own else None,
        )

    def close(self) -> None:
        """Free the engine's memory."""
        self.engine.close()
