# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the detector node."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomaly_seg_ros.bundle import DETECTORS, Card
from anomaly_seg_ros.cleanup import CleanupConfig
from anomaly_seg_ros.cleanup.config import MAX_AREA, MAX_FRAMES
from anomaly_seg_ros.nodes.parameters import (
    AT_START,
    ON_ACTIVATE,
    ON_CONFIGURE,
    option,
)
from anomaly_seg_ros.nodes.qos import RELIABILITIES
from anomaly_seg_ros.refinement.names import parse_refinement
from anomaly_seg_ros.render import CONTENTS
from anomaly_seg_ros.selection import Selection, select

_RELIABILITIES = tuple(RELIABILITIES)


def _parse_refinement(text: str) -> None:
    if text:
        parse_refinement(text)


@dataclass(frozen=True)
class DetectorParameters:
    """What a user can set on the detector node."""

    bundle: str = option(
        'default',
        'Folder of the model bundle, or default or synboost for those that come with the package',
        used=ON_CONFIGURE,
    )
    detector: str = option(
        'auto',
        'Kind of detector that the bundle must hold; with the bundle default, synboost takes the '
        're-synthesis bundle of the package',
        used=ON_CONFIGURE,
        choices=DETECTORS,
    )
    engine: str = option(
        'auto',
        'What runs the network; auto takes ONNX Runtime where it can',
        used=ON_CONFIGURE,
        constraints='auto, onnxruntime, torch or another engine that is installed',
    )
    device: str = option(
        'auto',
        'Where the network runs; auto takes a GPU where the engine can use one',
        used=ON_CONFIGURE,
        constraints='auto, cpu, cuda or another device that the engine knows',
    )
    threads: int = option(
        0,
        'CPU threads of the engine; 0 leaves it to the engine',
        used=ON_CONFIGURE,
        low=0,
        high=256,
    )
    score: str = option(
        '',
        'Anomaly score to publish; empty takes the default of the bundle',
        constraints='one of the scores that the bundle names',
    )
    refinement: str = option(
        '',
        'What is done to the score; none does nothing, empty takes the default of the bundle',
        constraints='one of the refinements that the bundle names: none, or some of sml, '
        'suppress, smooth, vde in this order, joined by +',
        parse=_parse_refinement,
    )
    threshold: float = option(
        math.nan,
        'Pixels with a higher score are anomalous; not-a-number takes the one that the bundle has '
        'for this score and refinement',
        constraints='a finite number, or .nan for the threshold of the bundle',
    )
    hysteresis: float = option(
        0.0,
        'How far the mask grows from pixels above the threshold, as a share of the way down to '
        'the low end of the range of the score; 0 does not',
        low=0.0,
        high=0.99,
    )
    min_area: int = option(
        0, 'Connected regions of fewer pixels are taken out of the mask', low=0, high=MAX_AREA
    )
    persistence: str = option(
        '1/1',
        'K/N keeps regions of the mask that were there in K of the last N frames; 1/1 keeps all',
        constraints=f'K/N with 1 <= K <= N <= {MAX_FRAMES}',
        parse=CleanupConfig.parse_persistence,
    )
    overlay_alpha: float = option(0.5, 'Opacity of the colours in the overlay', low=0.0, high=1.0)
    overlay_content: str = option(
        'both', 'What the overlay shows besides the mask', choices=CONTENTS
    )
    overlay_legend: bool = option(
        True, 'Whether the overlay explains its colours and the threshold at its upper edge'
    )
    image_transport: str = option(
        'raw',
        'raw subscribes to image, compressed to image/compressed',
        used=ON_ACTIVATE,
        choices=('raw', 'compressed'),
    )
    image_reliability: str = option(
        'reliable',
        'Reliability asked of the camera; use best_effort for a camera that publishes so',
        used=ON_ACTIVATE,
        choices=_RELIABILITIES,
    )
    output_reliability: str = option(
        'reliable',
        'Reliability of the published images',
        used=ON_CONFIGURE,
        choices=_RELIABILITIES,
    )
    image_depth: int = option(
        1,
        'Images that the middleware keeps; 1 is best for latency',
        used=ON_ACTIVATE,
        low=1,
        high=100,
    )
    autostart: bool = option(
        True, 'Whether the node configures and activates itself', used=AT_START
    )
    max_rate: float = option(
        0.0, 'Most images processed per second; 0 sets no limit', low=0.0, high=1000.0
    )
    diagnostic_period: float = option(
        1.0, 'Seconds between two messages on /diagnostics', low=0.1, high=60.0
    )

    def select(self, card: Card) -> Selection:
        """Return the output of a bundle that these parameters ask for.

        Raises:
            AnomalySegError: The bundle does not offer it, or it cannot be cleaned as asked.
        """
        selection = select(card, self.score, self.refinement, self.threshold)
        if selection.threshold is not None:
            # Hysteresis needs more of the bundle than a threshold does.
            self.cleanup.low_threshold(selection.threshold, selection.score_range)
        return selection

    @property
    def cleanup(self) -> CleanupConfig:
        """The rules for cleaning masks.

        Raises:
            CleanupError: They are out of range; never for parameters that a node holds.
        """
        return CleanupConfig(
            hysteresis=self.hysteresis,
            min_area=self.min_area,
            persistence=CleanupConfig.parse_persistence(self.persistence),
        )
