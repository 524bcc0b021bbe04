# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small detectors with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SCORES = ('max_softmax', 'entropy', 'max_logit', 'energy', 'max_min')


@pytest.fixture(scope='session')
def make_detector() -> Callable[..., Any]:
    """A function from a segmenter's name and size to a detector on the CPU."""
    torch = pytest.importorskip('torch')
    from anomaly_seg_ros.bundle import Preprocessing
    from anomaly_seg_ros.detector import Detector
    from anomaly_seg_ros.models import create_segmenter
    from anomaly_seg_ros.size import Size

    def make(
        name: str = 'streetnet', size: str = '96x64', classes: int = 7, **options: Any
    ) -> Any:
        torch.manual_seed(3)
        network = options.pop('network', {})
        segmenter = create_segmenter(name, num_classes=classes, **network)
        preprocessing = Preprocessing((0.4, 0.5, 0.3), (0.25, 0.2, 0.3))
        scores = options.pop('scores', SCORES)
        return Detector(segmenter, preprocessing, Size.parse(size), scores, **options).eval()

    return make
