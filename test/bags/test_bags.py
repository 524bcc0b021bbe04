# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags: round trips, files without metadata, split and damaged bags."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from anomaly_seg_ros.bags import STORAGES, Bag, BagError, BagWriter, RawMessage
from anomaly_seg_ros.bags.messages import image_message, read_map, read_rgb
from anomaly_seg_ros.bags.topics import IMAGE

FRAMES = 24
TOPIC = '/camera/image'


def pixels(index: int) -> np.ndarray:
    """Return an image that differs from all others."""
    return np.random.default_rng(index).integers(0, 256, (64, 96, 3)).astype(np.uint8)


def write(path: Path, storage: str, start: int = 0, frames: int = FRAMES) -> Path:
    """Write a bag and return its storage file."""
    with BagWriter(path, storage=storage) as writer:
        for index in range(start, start + frames):
            stamp = (index + 1) * 10**8
            data = image_message(pixels(index), 'rgb8', stamp)
            writer.write(TOPIC, IMAGE, stamp, data)
            truth = image_message(pixels(index)[..., 0], 'mono8', stamp)
            writer.write('/truth', IMAGE, stamp, truth)
    return next(file for file in path.iterdir() if file.name != 'metadata.yaml')


def read_until_damage(path: Path) -> tuple[list[RawMessage], str]:
    """Return what could be read and the error, empty when there was none."""
    messages: list[RawMessage] = []
    try:
        with Bag(path) as bag:
            messages.extend(bag.messages())
    except BagError as error:
        return messages, str(error)
    return messages, ''


def check(messages: list[RawMessage]) -> None:
    """Check that messages are the first ones, in order and unharmed."""
    for position, message in enumerate(messages):
        index = position // 2
        assert message.stamp == (index + 1) * 10**8
        if message.topic == TOPIC:
            assert np.array_equal(read_rgb(message.data, IMAGE), pixels(index))
        else:
            assert np.array_equal(read_map(message.data), pixels(index)[..., 0])


@pytest.mark.parametrize('storage', STORAGES)
def test_what_was_written_is_read(tmp_path: Path, storage: str) -> None:
    file = write(tmp_path / 'bag', storage)
    assert [entry.name for entry in tmp_path.iterdir()] == ['bag']
    messages, error = read_until_damage(tmp_path / 'bag')
    assert (len(messages), error) == (2 * FRAMES, '')
    check(messages)
    alone, error = read_until_damage(shutil.copy(file, tmp_path / f'alone{file.suffix}'))
    assert (alone, error) == (messages, '')


@pytest.mark.parametrize('storage', STORAGES)
def test_metadata_is_what_rosbag2_expects(tmp_path: Path, storage: str) -> None:
    file = write(tmp_path / 'bag', storage)
    content = yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text())
    info = content['rosbag2_bagfile_information']
    assert info['storage_identifier'] == storage
    assert info['relative_file_paths'] == [file.name]
    assert info['message_count'] == 2 * FRAMES
    assert info['starting_time'] == {'nanoseconds_since_epoch': 10**8}
    topic = info['topics_with_message_count'][0]['topic_metadata']
    assert (topic['name'], topic['type']) == (TOPIC, IMAGE)
    assert topic['type_description_hash'].startswith('RIHS01_')


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('share', [0.95, 0.5, 0.2])
def test_a_truncated_bag_gives_all_before_the_cut_and_says_so(
    tmp_path: Path, storage: str, share: float
) -> None:
    file = write(tmp_path / 'bag', storage)
    os.truncate(file, int(file.stat().st_size * share))
    for path in (tmp_path / 'bag', file):
        messages, error = read_until_damage(path)
        # Both storages write whole blocks: at most one of 1 MiB is lost at the cut.
        assert 2 * FRAMES * share - 2 * 38 <= len(messages) < 2 * FRAMES
        check(messages)
        assert str(path) in error
        assert f'{len(messages)} messages' in error


def test_truncated_large_messages_are_kept_up_to_the_cut(tmp_path: Path) -> None:
    image = np.zeros((512, 1024, 3), np.uint8)
    for storage in STORAGES:
        path = tmp_path / storage
        with BagWriter(path, storage=storage) as writer:
            for stamp in range(10):
                writer.write(TOPIC, IMAGE, stamp, image_message(image, 'rgb8', stamp))
        file = next(f for f in path.iterdir() if f.name != 'metadata.yaml')
        os.truncate(file, int(file.stat().st_size * 0.75))
        messages, error = read_until_damage(path)
        # SQLite may keep the entry of a message on a page behind it.
        assert [m.stamp for m in messages] in (list(range(6)), list(range(7))), storage
        assert 'damaged' in error


@pytest.mark.parametrize('suffix', ['.mcap', '.db3'])
@pytest.mark.parametrize('content', [b'', b'\x89MCAP0\r\n', b'SQLite format 3\x00', b'x' * 5000])
def test_rubbish_is_refused_in_one_sentence(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f'rubbish{suffix}'
    path.write_bytes(content)
    messages, error = read_until_damage(path)
    assert messages == []
    assert str(path) in error


@pytest.mark.parametrize('storage', STORAGES)
def test_flipped_bytes_never_surface_as_other_errors(tmp_path: Path, storage: str) -> None:
    file = write(tmp_path / 'bag', storage, frames=3)
    original = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(original)
        for position in rng.integers(0, len(damaged), 5):
            damaged[position] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        read_until_damage(tmp_path / 'bag')


def test_a_split_bag_without_metadata_is_read_in_order(tmp_path: Path) -> None:
    folder = tmp_path / 'split'
    folder.mkdir()
    for part in (0, 1, 10):
        file = write(tmp_path / f'part_{part}', 'mcap', start=min(part, 2) * 2, frames=2)
        shutil.copy(file, folder)
    messages, error = read_until_damage(folder)
    assert (len(messages), error) == (12, '')
    check(messages)


def test_missing_and_foreign_paths_are_named(tmp_path: Path) -> None:
    (tmp_path / 'ros1.bag').touch()
    (tmp_path / 'empty').mkdir()
    for name, words in (
        ('none', 'does not exist'),
        ('ros1.bag', 'rosbags-convert'),
        ('empty', 'without .mcap or .db3'),
    ):
        with pytest.raises(BagError, match=words):
            Bag(tmp_path / name)


def test_an_interrupted_recording_leaves_nothing(tmp_path: Path) -> None:
    def interrupt() -> None:
        with BagWriter(tmp_path / 'bag') as writer:
            writer.write(TOPIC, IMAGE, 0, image_message(pixels(0), 'rgb8', 0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert list(tmp_path.iterdir()) == []


def test_existing_paths_are_kept_unless_asked(tmp_path: Path) -> None:
    write(tmp_path / 'bag', 'mcap', frames=2)
    with pytest.raises(BagError, match='exists'):
        BagWriter(tmp_path / 'bag')
    with BagWriter(tmp_path / 'bag', overwrite=True) as writer:
        writer.write(TOPIC, IMAGE, 0, image_message(pixels(0), 'rgb8', 0))
        with Bag(tmp_path / 'bag') as old:
            assert old.topics[TOPIC].messages == 2
    with Bag(tmp_path / 'bag') as new:
        assert new.topics[TOPIC].messages == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ['bag']
    (tmp_path / 'folder').mkdir()
    with pytest.raises(BagError, match='no bag'):
        BagWriter(tmp_path / 'folder', overwrite=True)


def test_an_empty_recording_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='no message was written'):
        BagWriter(tmp_path / 'bag').__enter__().close()
    with pytest.raises(BagError, match='expected one of: mcap, sqlite3'):
        BagWriter(tmp_path / 'bag', storage='rosbag')
    with pytest.raises(BagError, match='own/msg/Type is not'):
        with BagWriter(tmp_path / 'bag') as writer:
            writer.write('/own', 'own/msg/Type', 0, b'')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.shared_data
def test_a_bag_of_the_first_ros2_releases_is_read(shared_data: Path) -> None:
    with Bag(shared_data / 'bags/klintan_sample.db3') as bag:
        assert bag.of_type(IMAGE) == ['/image']
        assert bag.topics['/imu'].type_name == 'sensor_msgs/msg/Imu'
        images = list(bag.messages(['/image', '/image/compressed']))
    for message in images:
        assert read_rgb(message.data, message.type_name).shape == (480, 640, 3)
