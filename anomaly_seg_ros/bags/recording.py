# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From frames to a bag."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bags import topics
from anomaly_seg_ros.bags.errors import BagError
from anomaly_seg_ros.bags.messages import camera_info_message, compressed_message, image_message
from anomaly_seg_ros.bags.writer import BagWriter
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources.base import FrameSource, SourceFrame

COMPRESSIONS = ('jpeg', 'png')


@dataclass(frozen=True)
class Recorded:
    """What a recording holds.

    Args:
        frames: Frames written.
        labels: Frames with class labels.
        anomaly: Frames with an anomaly mask.
        size: Size of the last frame.
    """

    frames: int
    labels: int
    anomaly: int
    size: Size


def record(
    source: FrameSource,
    path: Path | str,
    *,
    storage: str = 'mcap',
    size: Size | None = None,
    compression: str | None = None,
    start: float | None = None,
    overwrite: bool = False,
    progress: Callable[[], object] = lambda: None,
) -> Recorded:
    """Write all frames of a source into a bag, whole or not at all.

    Images go to ``/camera/image`` as ``rgb8`` (or to ``/camera/image/compressed``), with
    ``/camera/camera_info`` of an uncalibrated camera, ground truth to ``/ground_truth/labels``
    and ``/ground_truth/anomaly`` as ``mono8``. What belongs to one frame carries one stamp, the
    image comes last. Resizing is bilinear with half-pixel centres for images, nearest for ground
    truth.

    Args:
        source: The frames.
        path: The bag folder to make.
        storage: ``'mcap'`` or ``'sqlite3'``.
        size: Resize frames to this; None to keep theirs.
        compression: ``'jpeg'``, ``'png'`` or None for raw images.
        start: Stamp of the first frame in seconds; None for now. Recorded sources keep theirs.
        overwrite: Replace an existing bag.
        progress: Called after each frame.

    Raises:
        BagError: The bag cannot be written.
        SourceError: The source cannot be read; nothing is left behind then.
    """
    if compression is not None and compression not in COMPRESSIONS:
        msg = f'received the compression {compression!r}, expected jpeg or png'
        raise BagError(msg)
    offset = 0 if source.recorded else round((time.time() if start is None else start) * 1e9)
    frames = labels = anomaly = 0
    written = Size(0, 0)
    with BagWriter(path, storage=storage, overwrite=overwrite) as writer:
        for frame in source:
            frame = frame if size is None else resize(frame, size)
            _write(writer, frame, frame.stamp + offset, compression)
            frames += 1
            labels += frame.labels is not None
            anomaly += frame.anomaly is not None
            written = Size(frame.image.shape[1], frame.image.shape[0])
            progress()
    return Recorded(frames, labels, anomaly, written)


def resize(frame: SourceFrame, size: Size) -> SourceFrame:
    """Return a frame of another size: bilinear with half-pixel centres, labels nearest."""

    def nearest(labels: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
        if labels is None or labels.shape == size.shape:
            return labels
        return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)

    image = frame.image
    if image.shape[:2] != size.shape:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return SourceFrame(
        image, frame.stamp, frame.name, nearest(frame.labels), nearest(frame.anomaly)
    )


def _write(writer: BagWriter, frame: SourceFrame, stamp: int, compression: str | None) -> None:
    size = Size(frame.image.shape[1], frame.image.shape[0])
    info = camera_info_message(size, stamp)
    writer.write(topics.CAMERA_INFO_TOPIC, topics.CAMERA_INFO, stamp, info)
    for topic, truth in (
        (topics.LABELS_TOPIC, frame.labels),
        (topics.ANOMALY_TOPIC, frame.anomaly),
    ):
        if truth is not None:
            writer.write(topic, topics.IMAGE, stamp, image_message(truth, 'mono8', stamp))
    if compression is None:
        data = image_message(frame.image, 'rgb8', stamp)
        writer.write(topics.CAMERA_TOPIC, topics.IMAGE, stamp, data)
    else:
        data = compressed_message(frame.image, compression, stamp)
        topic = topics.compressed(topics.CAMERA_TOPIC)
        writer.write(topic, topics.COMPRESSED_IMAGE, stamp, data)
