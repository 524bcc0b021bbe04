# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Asking for a kind of detector when a bundle is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomaly_seg_ros.bundle import Bundle, BundleError, kinds, open_detector
from anomaly_seg_ros.bundle.bundle import default_bundle_path


def test_a_bundle_of_the_kind_asked_for_is_opened() -> None:
    for kind in ('auto', 'segmenter'):
        assert open_detector('default', kind) == Bundle.open('default')


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
