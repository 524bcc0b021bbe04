# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the detector node."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomaly_seg_ros.nodes.parameters import (
    AT_START,
    ON_ACTIVATE,
    ON_CONFIGURE,
    option,
)
from anomaly_seg_ros.nodes.qos import RELIABILITIES
from anomaly_seg_ros.render import CONTENTS

_RELIABILITIES = tuple(RELIABILITIES)


@dataclass(frozen=True)
class DetectorParameters:
    """What a user can set on the detector node."""

    bundle: str = option(
        'default',
        'Folder of the model bundle, or default for the one that comes with the package',
        used=ON_CONFIGURE,
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
        used=ON_CONFIGURE,
        constraints='one of the scores that the bundle names',
    )
    threshold: float = option(
        math.nan,
        'Pixels with a higher score are anomalous; not-a-number takes the one of the bundle',
        constraints='a finite number, or .nan for the threshold of the bundle',
    )
    overlay_alpha: float = option(0.5, 'Opacity of the colours in the overlay', low=0.0, high=1.0)
    overlay_content: str = option('both', 'What the overlay shows', choices=CONTENTS)
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
