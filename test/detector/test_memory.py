# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run leaves nothing behind: logits of large images are gigabytes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from anomaly_seg_ros.bundle import Preprocessing  # noqa: E402
from anomaly_seg_ros.classes import CITYSCAPES  # noqa: E402
from anomaly_seg_ros.detector import Detector  # noqa: E402
from anomaly_seg_ros.refinement import REFINEMENTS_DEFAULT  # noqa: E402
from anomaly_seg_ros.refinement.statistics import statistics_table  # noqa: E402
from anomaly_seg_ros.size import Size  # noqa: E402


@pytest.mark.parametrize('outputs', ['labels', 'all'])
def test_logits_are_gone_without_garbage_collection(outputs: str) -> None:
    segmenter = torch.nn.Conv2d(3, len(CITYSCAPES), 1)
    detector = Detector(
        segmenter, Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), Size(16, 8),
        ('max_logit', 'entropy'), REFINEMENTS_DEFAULT, CITYSCAPES.drivable,
    ).eval()  # fmt: skip
    seen: list[Any] = []
    segmenter.register_forward_hook(lambda _m, _i, logits: seen.append(weakref.ref(logits)))
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 8, 16, 3), np.uint8))
    statistics = torch.from_numpy(statistics_table(None, detector.score_names, len(CITYSCAPES)))
    names = ('labels',) if outputs == 'labels' else detector.output_names
    gc.collect()
    gc.disable()
    try:
        with torch.inference_mode():
            results = detector.run(image, names, statistics)
        assert set(results) == set(names)
        assert [reference() for reference in seen] == [None]
    finally:
        gc.enable()
