# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from a bag, with the ground truth that was recorded along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bags.cdr import read_stamp
from anomaly_seg_ros.bags.messages import read_map, read_rgb
from anomaly_seg_ros.bags.reader import Bag, RawMessage, Topic
from anomaly_seg_ros.bags.topics import (
    ANOMALY_TOPIC,
    CAMERA_TOPIC,
    COMPRESSED_IMAGE,
    IMAGE,
    LABELS_TOPIC,
    compressed,
)
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.sources.base import SourceError, SourceFrame

GROUND_TRUTH = (LABELS_TOPIC, ANOMALY_TOPIC)
_HELD = 64
"""Ground truth that may come ahead of its image, in messages of each topic."""


class BagSource:
    """Images of one topic; ground truth belongs to the image of the same stamp.

    Ground truth is expected before its image or right with it, as `record` writes it.

    Args:
        path: A rosbag2 folder, .mcap or .db3 file.
        topic: The image topic; None when the bag has only one, or `/camera/image`.
        frames: Read at most this many; None for all.

    Raises:
        BagError: The bag cannot be read.
        SourceError: There is no image topic, or several and none was chosen.
    """

    recorded = True

    def __init__(self, path: Path, *, topic: str | None = None, frames: int | None = None) -> None:
        self._path = path
        self._frames = frames
        with Bag(path) as bag:
            topics = bag.topics
        self.topic = choose_image_topic(topics, topic, path)
        count = topics[self.topic].messages
        self.expected: int | None = count if frames is None else min(count, frames)
        self.description = f'{self.topic} of the bag {path}'

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield one frame per image message."""
        held: dict[str, dict[int, RawMessage]] = {name: {} for name in GROUND_TRUTH}
        index = 0
        with Bag(self._path) as bag:
            for message in bag.messages({self.topic, *GROUND_TRUTH}):
                if self._frames is not None and index >= self._frames:
                    return
                stamp = read_stamp(message.data)
                if message.topic != self.topic:
                    waiting = held[message.topic]
                    waiting[stamp] = message
                    while len(waiting) > _HELD:
                        del waiting[next(iter(waiting))]
                    continue
                name = f'{index:06d}'
                try:
                    image = read_rgb(message.data, message.type_name)
                    labels, anomaly = (_map(held[t].pop(stamp, None)) for t in GROUND_TRUTH)
                except AnomalySegError as error:
                    msg = f'{self._path}, {self.topic}, message {index}: {error}'
                    raise SourceError(msg) from error
                # Drivers that never set a stamp leave 0; the time of recording is what is left.
                yield SourceFrame(image, stamp or message.stamp, name, labels, anomaly)
                index += 1


def choose_image_topic(topics: dict[str, Topic], wanted: str | None, path: Path) -> str:
    """Return the name of a bag's image topic.

    Args:
        topics: The bag's topics.
        wanted: The name that the user asked for, or None.
        path: The bag, for error messages.

    Raises:
        SourceError: It is not there, holds no images, or several could be meant.
    """
    images = [
        topic.name
        for topic in topics.values()
        if topic.type_name in (IMAGE, COMPRESSED_IMAGE)
        and topic.messages
        and topic.name not in GROUND_TRUTH
    ]
    listed = ', '.join(images) or 'none'
    if wanted:
        if wanted in images:
            return wanted
        msg = f'{path} has no images on {wanted}: expected one of its image topics ({listed})'
        raise SourceError(msg)
    for usual in (CAMERA_TOPIC, compressed(CAMERA_TOPIC)):
        if usual in images:
            return usual
    # A compressed copy of a raw topic is no second camera.
    copies = {compressed(name) for name in images}
    cameras = [name for name in images if name not in copies]
    if len(cameras) == 1:
        return cameras[0]
    msg = f'{path} has the image topics {listed}: expected one, so choose it with --topic'
    if not images:
        msg = f'{path} holds no images; its topics: {", ".join(topics) or "none"}'
    raise SourceError(msg)


def _map(message: RawMessage | None) -> NDArray[np.uint8] | None:
    if message is None:
        return None
    array = read_map(message.data)
    if array.dtype != np.uint8:
        msg = f'the ground truth on {message.topic} has the type {array.dtype}, expected mono8'
        raise SourceError(msg)
    return np.asarray(array, np.uint8)
