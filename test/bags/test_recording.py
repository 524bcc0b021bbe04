# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames into bags and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_seg_ros.bags import Bag, BagError
from anomaly_seg_ros.bags.cdr import read_stamp
from anomaly_seg_ros.bags.messages import deserialize, read_rgb
from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.bags.topics import CAMERA_INFO
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceError, SourceFrame, open_source


class Frames:
    """A source of random frames with ground truth, the second without labels."""

    description = 'random frames'
    expected: int | None = 3
    recorded = False

    def __iter__(self) -> Iterator[SourceFrame]:
        rng = np.random.default_rng(0)
        for index in range(3):
            coarse = rng.integers(0, 256, (4, 6, 3)).astype(np.uint8)
            image = np.asarray(cv2.resize(coarse, (60, 40)), np.uint8)
            labels = rng.choice(np.array([0, 7, 18, 255], np.uint8), (40, 60))
            anomaly = rng.choice(np.array([0, 1, 255], np.uint8), (40, 60))
            yield SourceFrame(
                image, index * 10**8, str(index), None if index == 1 else labels, anomaly
            )


class Broken(Frames):
    """The same, but its last frame cannot be read."""

    def __iter__(self) -> Iterator[SourceFrame]:
        yield next(super().__iter__())
        msg = 'the second frame is damaged'
        raise SourceError(msg)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_recording_is_read_back_exactly(tmp_path: Path, storage: str) -> None:
    recorded = record(Frames(), tmp_path / 'bag', storage=storage, start=100.0)
    assert (recorded.frames, recorded.labels, recorded.anomaly) == (3, 2, 3)
    assert recorded.size == Size(60, 40)
    again = list(open_source(tmp_path / 'bag'))
    for frame, other in zip(Frames(), again, strict=True):
        assert other.stamp == 100 * 10**9 + frame.stamp
        assert np.array_equal(frame.image, other.image)
        assert frame.anomaly is not None
        assert other.anomaly is not None
        assert np.array_equal(frame.anomaly, other.anomaly)
        assert (frame.labels is None) == (other.labels is None)
        if frame.labels is not None and other.labels is not None:
            assert np.array_equal(frame.labels, other.labels)


def test_everything_of_a_frame_carries_its_stamp_and_the_image_comes_last(tmp_path: Path) -> None:
    record(Frames(), tmp_path / 'bag', start=100.0)
    with Bag(tmp_path / 'bag') as bag:
        messages = list(bag.messages())
    assert [m.topic for m in messages[:4]] == [
        '/camera/camera_info', '/ground_truth/labels', '/ground_truth/anomaly', '/camera/image',
    ]  # fmt: skip
    assert len(messages) == 4 + 3 + 4
    for message in messages:
        assert read_stamp(message.data) == message.stamp
    info = deserialize(messages[0].data, CAMERA_INFO)
    assert (info.width, info.height, info.k[0]) == (60, 40, 0)


def test_resizing_is_bilinear_for_images_and_nearest_for_labels(tmp_path: Path) -> None:
    record(Frames(), tmp_path / 'bag', size=Size(30, 20))
    frame, other = next(iter(Frames())), next(iter(open_source(tmp_path / 'bag')))
    assert np.array_equal(other.image, cv2.resize(frame.image, (30, 20)))
    assert frame.labels is not None
    assert other.labels is not None
    assert np.array_equal(other.labels, frame.labels[::2, ::2])


@pytest.mark.parametrize(('form', 'tolerance'), [('png', 0), ('jpeg', 3)])
def test_compressed_images(tmp_path: Path, form: str, tolerance: int) -> None:
    record(Frames(), tmp_path / 'bag', compression=form)
    with Bag(tmp_path / 'bag') as bag:
        message = next(bag.messages(['/camera/image/compressed']))
    image = read_rgb(message.data, message.type_name).astype(int)
    assert np.abs(image - next(iter(Frames())).image).mean() <= tolerance


def test_nothing_is_left_when_the_source_breaks(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='second frame'):
        record(Broken(), tmp_path / 'bag')
    assert list(tmp_path.iterdir()) == []


def test_unknown_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='expected jpeg or png'):
        record(Frames(), tmp_path / 'bag', compression='gif')
