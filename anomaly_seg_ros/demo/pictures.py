# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A video and a contact sheet from the bags that went into and came out of a replay."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.bags.cdr import read_stamp
from anomaly_seg_ros.bags.messages import read_map, read_rgb
from anomaly_seg_ros.bags.reader import Bag, RawMessage
from anomaly_seg_ros.bags.steps import stamped
from anomaly_seg_ros.classes import ClassSet
from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.render import Key, VideoWriter, contact_sheet, heat, key_panel
from anomaly_seg_ros.selection import Selection

ROWS = 4
CELL_WIDTH = 480
_SLOWEST, _FASTEST = 1.0, 60.0


def write_video(
    output_bag: Path, overlay_topic: str, path: Path, progress: Callable[[], object]
) -> int:
    """Write the recorded overlays as an MP4 at the pace of their stamps.

    Args:
        output_bag: The bag with the detector's outputs.
        overlay_topic: Topic of the overlays.
        path: The file to make.
        progress: Called after each frame.

    Returns:
        The number of frames.
    """
    with Bag(output_bag) as bag:
        stamps = [message.stamp for message in bag.messages([overlay_topic])]
        with VideoWriter(path, frame_rate(stamps)) as video:
            size: tuple[int, int] | None = None
            for message in bag.messages([overlay_topic]):
                image = read_rgb(message.data, message.type_name)
                size = size or (image.shape[1], image.shape[0])
                if (image.shape[1], image.shape[0]) != size:
                    # A folder's images may differ in size, the frames of a video may not.
                    image = np.asarray(cv2.resize(image, size), np.uint8)
                video.write(image)
                progress()
            return video.frames


def write_sheet(
    input_bag: Path,
    topic: str,
    output_bag: Path,
    classes: ClassSet,
    selection: Selection,
    path: Path,
) -> None:
    """Write a PNG of a few moments with a key: camera, overlay, score, mask where there is one.

    Args:
        input_bag: The bag that was played.
        topic: Its image topic.
        output_bag: The bag with the detector's outputs.
        classes: The classes in the overlay.
        selection: The score: its name and its display range.
        path: The file to make.
    """
    outputs = ('overlay', 'anomaly_score', 'anomaly_mask')
    with Bag(output_bag) as bag:
        names = {o: n for o in outputs for n in bag.topics if n.endswith(f'/{o}')}
        stamps = [m.stamp for m in bag.messages([names['overlay']])]
        chosen = set(moments(stamps))
        found = {o: _by_stamp(bag, name, chosen) for o, name in names.items()}
    images: dict[int, NDArray[np.uint8]] = {}
    with Bag(input_bag) as bag:
        for message in stamped(bag.messages([topic])):
            stamp = read_stamp(message.data)
            if stamp in chosen:
                images[stamp] = read_rgb(message.data, message.type_name)
                if len(images) == len(chosen):
                    break
    cells: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    for stamp in sorted(images):
        scores = read_map(found['anomaly_score'][stamp].data)
        cells += [
            images[stamp],
            read_rgb(found['overlay'][stamp].data, found['overlay'][stamp].type_name),
            heat(scores, selection.score_range),
        ]
        captions += [
            f'camera, {(stamp - stamps[0]) / 1e9:.1f} s',
            'classes and anomalies',
            selection.output,
        ]
        if 'anomaly_mask' in found:
            cells.append(np.repeat(read_map(found['anomaly_mask'][stamp].data)[..., None], 3, 2))
            captions.append('mask')
    sheet = contact_sheet(cells, columns=len(names) + 1, captions=captions, cell_width=CELL_WIDTH)
    key = Key(selection.output, classes, selection.score_range, selection.threshold)
    write_png(path, _with_key(sheet, key))


def _with_key(sheet: NDArray[np.uint8], key: Key) -> NDArray[np.uint8]:
    """Return a sheet with a key below it; those in the small overlays cannot be read."""
    panel = key_panel(key, sheet.shape[1])
    sides = ((0, 0), (0, sheet.shape[1] - panel.shape[1]), (0, 0))
    return np.concatenate([sheet, np.pad(panel, sides)])


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an RGB image, whole or not at all."""
    with atomic_path(path) as temporary:
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode('.png', bgr)
        temporary.write_bytes(np.asarray(data, np.uint8).tobytes())


def moments(stamps: list[int], rows: int = ROWS) -> list[int]:
    """Return evenly spread stamps, not more than `rows`, neither the first nor the last."""
    count = min(rows, len(stamps))
    return [stamps[int((index + 0.5) * len(stamps) / count)] for index in range(count)]


def frame_rate(stamps: list[int]) -> float:
    """Return the frames per second that stamps in nanoseconds mean, from 1 to 60."""
    steps = np.diff(np.array(stamps, np.int64))
    steps = steps[steps > 0]
    if not steps.size:
        return 10.0
    interval = float(np.median(steps.astype(np.float64)))
    return min(max(1e9 / interval, _SLOWEST), _FASTEST)


def _by_stamp(bag: Bag, topic: str, stamps: Collection[int]) -> dict[int, RawMessage]:
    return {m.stamp: m for m in bag.messages([topic]) if m.stamp in stamps}
