# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of recorded drives, with labels where a bag holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bags import BagError
from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceError
from anomaly_seg_ros.sources.bag import BagSource
from anomaly_seg_training.data.base import READERS, Example
from anomaly_seg_training.data.labelled import DataError, check_labels, check_shapes

FOLDER = 'bags'
VIEW_WIDTH = 1024
_LABELS = (*range(len(CITYSCAPES)), IGNORE)


@READERS.register('bags')
def read(
    root: Path,
    *,
    paths: Sequence[str] = (FOLDER,),
    topic: str = '',
    step: int = 10,
    labels: bool = True,
    view_width: int = VIEW_WIDTH,
) -> Iterator[Example]:
    """Yield every `step`-th image of bags.

    Labels come from the bag's label topic, as ``anomaly-seg record`` writes it: images of the same
    stamp that hold Cityscapes' train ids, 255 = ignore. What the bag's anomaly topic calls an
    anomaly is ignored, so that nobody learns it as something known.

    Args:
        root: Folder that `paths` are relative to.
        paths: Bags: folders of rosbag2, .mcap or .db3 files; or folders that hold several.
        topic: The image topic; empty where each bag has one camera only.
        step: Take every `step`-th image.
        labels: Whether labels are used where there are some; without them a fine-tuning holds
            on to what the segmenter predicts itself.
        view_width: Width at which the images show the world as large as Cityscapes does at
            1024x512.

    Raises:
        DataError: A bag cannot be read or holds no image, or labels are no train ids.
    """
    try:
        for bag in _bags(root, paths):
            yield from _frames(bag, topic, step, view_width, labels=labels)
    except (BagError, SourceError) as error:
        raise DataError(str(error)) from error


def _frames(bag: Path, topic: str, step: int, width: int, *, labels: bool) -> Iterator[Example]:
    source = BagSource(bag, topic=topic or None)
    for index, frame in enumerate(source):
        if index % step == 0:
            truth = frame.labels if labels else None
            name = f'bags/{bag.stem}/{frame.name}'
            if truth is not None:
                check_labels(truth, _LABELS, f'{bag}, frame {frame.name}')
                check_shapes(frame.image, truth, f'{bag}, frame {frame.name}')
                truth = _without_anomalies(truth, frame.anomaly)
            yield Example(name, frame.image, truth, _view(frame.image, width), foreign=True)


def _without_anomalies(
    labels: NDArray[np.uint8], anomaly: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    if anomaly is None or anomaly.shape != labels.shape:
        return labels
    return np.where(anomaly == 1, IGNORE, labels).astype(np.uint8)


def _bags(root: Path, paths: Sequence[str]) -> Iterator[Path]:
    for path in paths:
        place = root / path
        if place.is_file() or (place / 'metadata.yaml').is_file():
            yield place
            continue
        inside = sorted(
            entry
            for entry in (place.iterdir() if place.is_dir() else ())
            if entry.suffix in ('.mcap', '.db3') or (entry / 'metadata.yaml').is_file()
        )
        if not inside:
            msg = f'there is no bag {place}: pass a folder of rosbag2, a .mcap or a .db3 file'
            raise DataError(msg)
        yield from inside


def _view(image: NDArray[np.uint8], width: int) -> Size:
    """Return a size of about the image's form whose sides are multiples of 32."""
    height = width * image.shape[0] / image.shape[1]
    return Size(*(max(32, round(side / 32) * 32) for side in (width, height)))
