# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training frames from bags: what is read, what is ignored, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceFrame
from anomaly_seg_ros.sources.synthetic import SyntheticSource
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip
from anomaly_seg_training.data import READERS, DataError

CLIP = SceneConfig(size=Size(160, 90), seed=4, frames=5, unknown_objects=6)


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two bags of the same clip."""
    folder = tmp_path_factory.mktemp('drives')
    for name in ('one', 'two'):
        record(SyntheticSource(CLIP), folder / 'bags' / name, start=1.0)
    return folder


def test_frames_come_with_labels_and_without_anomalies(root: Path) -> None:
    examples = list(READERS.get('bags')(root, step=2))
    assert [e.name for e in examples] == [
        f'bags/{bag}/{i:06d}' for bag in ('one', 'two') for i in (0, 2, 4)
    ]
    clip, anomalies = StreetClip(CLIP), 0
    for example, index in zip(examples, (0, 2, 4, 0, 2, 4), strict=True):
        frame = clip[index]
        np.testing.assert_array_equal(example.image, frame.image)
        assert example.labels is not None
        assert (example.labels[frame.anomaly == 1] == 255).all()
        normal = frame.anomaly != 1
        np.testing.assert_array_equal(example.labels[normal], frame.labels[normal])
        anomalies += int((frame.anomaly == 1).sum())
        # 160x90 at the width of 1024, in multiples of 32.
        assert example.view == Size(1024, 576)
    assert anomalies


def test_labels_can_be_left_out(root: Path) -> None:
    examples = list(READERS.get('bags')(root, paths=['bags/one'], labels=False, step=1))
    assert len(examples) == 5
    assert all(example.labels is None for example in examples)


class _Spoiled:
    """One frame whose labels are no train ids."""

    description, expected, recorded = 'spoiled', 1, False

    def __iter__(self):
        image = np.zeros((8, 8, 3), np.uint8)
        yield SourceFrame(image, 0, '0', np.full((8, 8), 33, np.uint8))


def test_mistakes_are_clear_errors(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match='there is no bag .*bags'):
        list(READERS.get('bags')(tmp_path))
    with pytest.raises(DataError, match='has no images on /front'):
        list(READERS.get('bags')(root, topic='/front'))
    record(_Spoiled(), tmp_path / 'bad', start=1.0)
    with pytest.raises(DataError, match=r'holds the label values \[33\]'):
        list(READERS.get('bags')(tmp_path, paths=['bad']))
