# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from folders, videos, bags and the generator; bad input is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_seg_ros.bags import BagError, BagWriter
from anomaly_seg_ros.bags.messages import image_message
from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.bags.topics import IMAGE
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceError, SourceFrame, SourceOptions, open_source
from anomaly_seg_ros.sources.video import VideoSource

SMALL = Size(32, 16)


def make_images(folder: Path, names: list[str], size: Size = SMALL) -> None:
    """Write one image per name, its red channel the name's position."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        image = np.zeros((*size.shape, 3), np.uint8)
        image[..., 2] = index
        cv2.imwrite(str(folder / f'{name}.png'), image)


def make_maps(folder: Path, names: list[str], values: list[int]) -> None:
    """Write one 32x16 label image per name that holds all values."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / f'{name}.png'), np.resize(np.array(values, np.uint8), (16, 32)))


def make_video(path: Path, frames: int = 12) -> Path:
    """Write a video that brightens from frame to frame, its index at the front of the file."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 20.0, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 6 * index, np.uint8))
    writer.release()
    return path


def test_images_come_in_numerical_order_with_even_stamps(tmp_path: Path) -> None:
    make_images(tmp_path, ['2', '10', '1'])
    (tmp_path / 'notes.txt').write_text('no image')
    source = open_source(tmp_path, SourceOptions(fps=4))
    frames = list(source)
    assert source.expected == 3
    assert [frame.name for frame in frames] == ['1', '2', '10']
    assert [frame.stamp for frame in frames] == [0, 250_000_000, 500_000_000]
    assert frames[0].image[0, 0].tolist() == [2, 0, 0]
    assert frames[0].labels is None
    assert [f.name for f in open_source(tmp_path, SourceOptions(frames=2))] == ['1', '2']
    assert [f.name for f in open_source(tmp_path / '10.png')] == ['10']


def test_the_usual_layouts_of_ground_truth_are_found(tmp_path: Path) -> None:
    make_images(tmp_path / 'images', ['a', 'b'])
    make_maps(tmp_path / 'labels_masks', ['a', 'b'], [0, 1, 255])
    make_maps(tmp_path / 'trainIds', ['a', 'b'], [0, 18, 255])
    for path in (tmp_path, tmp_path / 'images'):
        frame = next(iter(open_source(path)))
        assert frame.labels is not None
        assert frame.anomaly is not None
        assert np.unique(frame.labels).tolist() == [0, 18, 255]
        assert np.unique(frame.anomaly).tolist() == [0, 1, 255]


def test_another_anomaly_value_is_mapped_and_never_guessed(tmp_path: Path) -> None:
    make_images(tmp_path / 'images', ['a'])
    make_maps(tmp_path / 'masks', ['a'], [0, 0, 2])
    options = SourceOptions(anomaly=tmp_path / 'masks', anomaly_value=2)
    frame = next(iter(open_source(tmp_path / 'images', options)))
    assert frame.anomaly is not None
    assert np.unique(frame.anomaly).tolist() == [0, 1]
    with pytest.raises(SourceError, match=r'\{0: 342, 2: 170\}.*--anomaly-value'):
        list(open_source(tmp_path / 'images', SourceOptions(anomaly=tmp_path / 'masks')))


def test_wrong_labels_are_named(tmp_path: Path) -> None:
    make_images(tmp_path / 'images', ['a', 'b', 'c'])
    make_maps(tmp_path / 'unknown', ['a', 'b', 'c'], [0, 19])
    make_maps(tmp_path / 'few', ['b'], [0])
    make_images(tmp_path / 'coloured', ['a', 'b', 'c'])
    make_images(tmp_path / 'small', ['a'], Size(8, 8))
    cv2.imwrite(str(tmp_path / 'small' / 'a.png'), np.zeros((8, 8), np.uint8))
    for labels, words in (
        ('unknown', r'labels \{0: 256, 19: 256\}.*0 to 18 and 255'),
        ('few', 'no label image for a and 1 others'),
        ('coloured', 'one channel'),
        ('none', 'is no folder'),
    ):
        with pytest.raises(SourceError, match=words):
            list(open_source(tmp_path / 'images', SourceOptions(labels=tmp_path / labels)))
    one = SourceOptions(labels=tmp_path / 'small', frames=1)
    with pytest.raises(SourceError, match='8x8 pixels and its camera image 32x16'):
        list(open_source(tmp_path / 'images', one))


def test_a_damaged_image_is_named_after_those_before_it(tmp_path: Path) -> None:
    make_images(tmp_path, ['a', 'b'])
    (tmp_path / 'b.png').write_bytes(b'no image')
    frames = iter(open_source(tmp_path))
    assert next(frames).name == 'a'
    with pytest.raises(SourceError, match=r'b\.png \(8 bytes\)'):
        next(frames)


def test_a_video_gives_its_frames_and_rate(tmp_path: Path) -> None:
    source = open_source(make_video(tmp_path / 'clip.avi'))
    frames = list(source)
    assert (source.expected, len(frames)) == (12, 12)
    assert frames[3].stamp == 150_000_000
    assert abs(int(frames[3].image.mean()) - 18) <= 3
    assert len(list(open_source(tmp_path / 'clip.avi', SourceOptions(frames=5)))) == 5
    again = list(open_source(tmp_path / 'clip.avi', SourceOptions(fps=10)))
    assert again[1].stamp == 100_000_000


def test_a_video_cut_short_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = make_video(tmp_path / 'clip.avi', frames=40)
    os.truncate(path, int(path.stat().st_size * 0.5))
    frames: list[SourceFrame] = []
    with pytest.raises(SourceError, match='clip.avi'):
        frames.extend(open_source(path))
    assert 5 <= len(frames) <= 30


@pytest.mark.parametrize('content', [b'', b'rubbish' * 100, b'\x00\x00\x00\x18ftypmp42'])
def test_an_unreadable_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'clip.mp4'
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf'clip\.mp4 \({len(content)} bytes\) cannot be opened'):
        open_source(path)


def test_a_bag_with_several_cameras_needs_a_choice(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        for topic in ('/left', '/right', '/ground_truth/labels'):
            data = image_message(np.zeros((4, 4), np.uint8), 'mono8', 7)
            writer.write(topic, IMAGE, 9, data)
    with pytest.raises(SourceError, match='/left, /right: expected one'):
        open_source(tmp_path / 'bag')
    with pytest.raises(SourceError, match=r'no images on /up.*\(/left, /right\)'):
        open_source(tmp_path / 'bag', SourceOptions(topic='/up'))
    frame = next(iter(open_source(tmp_path / 'bag', SourceOptions(topic='/right'))))
    assert frame.image.shape == (4, 4, 3)
    assert frame.stamp == 7


def test_a_stamp_that_was_never_set_gives_way_to_the_time_of_recording(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write('/image', IMAGE, 9, image_message(np.zeros((4, 4), np.uint8), 'mono8', 0))
    assert next(iter(open_source(tmp_path / 'bag'))).stamp == 9


def test_a_truncated_bag_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    make_images(tmp_path / 'images', [str(i) for i in range(8)], Size(800, 600))
    record(open_source(tmp_path / 'images'), tmp_path / 'bag')
    file = tmp_path / 'bag' / 'bag.mcap'
    os.truncate(file, file.stat().st_size // 2)
    frames: list[SourceFrame] = []
    with pytest.raises(BagError, match='damaged'):
        frames.extend(open_source(tmp_path / 'bag'))
    assert len(frames) in (3, 4)
    assert len(list(open_source(tmp_path / 'bag', SourceOptions(frames=3)))) == 3


def test_the_synthetic_clip_has_all_ground_truth() -> None:
    source = open_source('synthetic', SourceOptions(frames=2, size=Size(256, 128), seed=3, fps=5))
    frames = list(source)
    assert source.expected == len(frames) == 2
    assert frames[1].stamp == 200_000_000
    for frame in frames:
        assert frame.image.shape == (128, 256, 3)
        assert frame.labels is not None
        assert frame.anomaly is not None
        assert set(np.unique(frame.anomaly)) <= {0, 1, 255}


def test_what_cannot_be_a_source_is_refused(tmp_path: Path) -> None:
    make_video(tmp_path / 'clip.avi')
    (tmp_path / 'old.bag').touch()
    for name, words in (
        ('nowhere', 'does not exist: expected a video, a folder of images, a bag'),
        ('', 'holds no images'),
        ('old.bag', 'rosbags-convert'),
    ):
        with pytest.raises(Exception, match=words):
            open_source(tmp_path / name)
    with pytest.raises(SourceError, match='label folders belong'):
        open_source(tmp_path / 'clip.avi', SourceOptions(labels=tmp_path))
    with pytest.raises(SourceError, match='does not exist'):
        VideoSource(tmp_path / 'http:' / 'example')
    for options in ({'frames': 0}, {'fps': float('nan')}, {'anomaly_value': 255}):
        with pytest.raises(SourceError, match='expected'):
            SourceOptions(**options)


@pytest.mark.shared_data
def test_real_sets_are_read_strictly(shared_data: Path, tmp_path: Path) -> None:
    road = shared_data / 'road_anomaly_val/RoadAnomaly'
    frame = next(iter(open_source(road, SourceOptions(frames=1, anomaly_value=2))))
    assert frame.anomaly is not None
    assert np.unique(frame.anomaly).tolist() == [0, 1]
    frame = next(iter(open_source(shared_data / 'cityscapes_mini/val', SourceOptions(frames=1))))
    assert frame.labels is not None
    assert frame.labels.shape == frame.image.shape[:2] == (1024, 2048)
    video = shared_data / 'video/udacity_solidWhiteRight.mp4'
    assert len(list(open_source(video))) == 221
    cut = tmp_path / 'cut.mp4'
    shutil.copy(video, cut)
    os.truncate(cut, cut.stat().st_size * 2 // 3)
    with pytest.raises(SourceError, match=r'cut\.mp4'):
        list(open_source(cut))
