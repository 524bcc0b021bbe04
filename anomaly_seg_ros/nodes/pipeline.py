# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an image to the wanted results with one run of the engine; no ROS."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Bundle, Card, open_detector
from anomaly_seg_ros.cleanup import MaskCleaner
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters
from anomaly_seg_ros.render import overlay
from anomaly_seg_ros.selection import Selection

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
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle = bundle
        self.engine = engine
        self._cleaner = MaskCleaner()
        self._cleaned = ''

    @classmethod
    def load(cls, parameters: DetectorParameters) -> Pipeline:
        """Open the bundle, load the engine and run it once, so that the first frame is quick.

        Raises:
            AnomalySegError: The bundle, the engine, the score or its refinement is missing or
                does not fit.
        """
        bundle = open_detector(parameters.bundle, parameters.detector)
        selection = parameters.select(bundle.card)
        engine = load_engine(
            parameters.engine, bundle, device=parameters.device, threads=parameters.threads
        )
        engine.warm_up(bundle.card.input_size)
        if selection.output != bundle.card.output:
            black = np.zeros((1, *bundle.card.input_size.shape, 3), np.uint8)
            engine.run(black, ('labels', selection.output))
        return cls(bundle, engine)

    @property
    def card(self) -> Card:
        """The model's card."""
        return self.bundle.card

    def select(self, parameters: DetectorParameters) -> Selection:
        """Return the output that the parameters ask for, with its threshold and range.

        Raises:
            AnomalySegError: The bundle does not offer it.
        """
        return parameters.select(self.card)

    def run(
        self,
        image: NDArray[np.uint8],
        wanted: frozenset[str],
        parameters: DetectorParameters,
        stamp: int | None = None,
    ) -> Results:
        """Compute what the wanted results need, and nothing else.

        Args:
            image: (H, W, 3) uint8 RGB.
            wanted: Names of `RESULT_ENCODINGS`.
            parameters: Score, refinement, threshold, cleaning, content of the overlay.
            stamp: The image's, in nanoseconds; masks that rest on several frames need it.

        Raises:
            AnomalySegError: The engine cannot run this image, or the bundle offers no such score.
        """
        selection = self.select(parameters)
        outputs = _outputs(wanted, selection, parameters.overlay_content)
        if not outputs:
            return Results()
        begin = time.perf_counter()
        raw = self.engine.run(image[np.newaxis], outputs)
        seconds = time.perf_counter() - begin
        first = {name: array[0] for name, array in raw.items()}
        score = first.get(selection.output)
        mask = None
        if score is not None and wanted & {MASK, OVERLAY}:
            mask = self._mask(score, selection, parameters, stamp)
        return Results(
            labels=first.get('labels'),
            score=score,
            mask=mask,
            confidence=first.get('confidence'),
            engine_seconds=seconds,
        )

    def _mask(
        self,
        score: NDArray[np.float32],
        selection: Selection,
        parameters: DetectorParameters,
        stamp: int | None,
    ) -> NDArray[np.uint8] | None:
        """Return the cleaned mask, None when there is no threshold."""
        if selection.output != self._cleaned:
            # What another score has shown before says nothing about this one's regions.
            self._cleaner.reset()
            self._cleaned = selection.output
        if selection.threshold is None:
            return None
        self._cleaner.config = parameters.cleanup
        return self._cleaner.clean(
            score, selection.threshold, score_range=selection.score_range, stamp=stamp
        )

    def overlay(
        self, image: NDArray[np.uint8], results: Results, parameters: DetectorParameters
    ) -> NDArray[np.uint8]:
        """Draw results over their image, as the parameters say.

        Args:
            image: (H, W, 3) uint8 RGB.
            results: Of `run` with the overlay among the wanted.
            parameters: Those of `run`.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        content, selection = parameters.overlay_content, self.select(parameters)
        return overlay(
            image,
            results.labels,
            results.score,
            results.mask if content != 'labels' else None,
            classes=self.card.classes,
            content=content,
            alpha=parameters.overlay_alpha,
            score_range=selection.score_range,
            title=selection.output if parameters.overlay_legend else '',
            threshold=selection.threshold,
        )

    def close(self) -> None:
        """Free the engine's memory."""
        self.engine.close()


def _outputs(wanted: frozenset[str], selection: Selection, content: str) -> tuple[str, ...]:
    """Return the outputs of the engine that the wanted results are made of."""
    overlay = content if OVERLAY in wanted else ''
    names = []
    if LABELS in wanted or overlay in ('labels', 'both'):
        names.append('labels')
    if CONFIDENCE in wanted:
        names.append('confidence')
    masked = selection.threshold is not None and (MASK in wanted or overlay == 'mask')
    if SCORE in wanted or masked or overlay in ('score', 'both'):
        names.append(selection.output)
    return tuple(names)
