# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Asking for a kind of detector when a bundle is opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_seg_ros.bundle import Bundle, BundleError, kinds, open_detector
from anomaly_seg_ros.bundle.bundle import default_bundle_path
from anomaly_seg_ros.engines import load_engine


def test_a_bundle_of_the_kind_asked_for_is_opened() -> None:
    for kind in ('auto', 'segmenter'):
        assert open_detector('default', kind) == Bundle.open('default')


def test_a_re_synthesis_detector_comes_with_the_package() -> None:
    bundle = open_detector('default', 'synboost')
    assert bundle == Bundle.open('synboost') == open_detector('synboost', 'auto')
    assert bundle.card.classes == Bundle.open('default').card.classes
    engine = load_engine('onnxruntime', bundle, threads=1)
    image = np.full((1, 90, 160, 3), 120, np.uint8)
    found = engine.run(image, ('labels', 'synboost', 'max_logit'))
    engine.close()
    assert found['labels'].shape == found['synboost'].shape == (1, 90, 160)
    assert 0 <= found['synboost'].min() < found['synboost'].max() <= 1


def test_a_bundle_of_another_kind_is_refused() -> None:
    with pytest.raises(BundleError, match='of the kind segmenter, expected synboost'):
        open_detector(default_bundle_path(), 'synboost')
    with pytest.raises(BundleError, match='auto, segmenter, synboost'):
        open_detector('default', 'nope')


def test_a_package_without_a_synboost_bundle_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, 'default_bundle_path', lambda: tmp_path / 'bundles' / 'default')
    with pytest.raises(BundleError, match='train dissimilarity'):
        open_detector('default', 'synboost')
