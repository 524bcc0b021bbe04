# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A page of generated images to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.render import colorize, contact_sheet
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.mgu.frames import Frame, FrameSource
from anomaly_seg_training.mgu.segment import segment_function
from anomaly_seg_training.mgu.shards import FLIPPED, NEVER, STILL, Item, read_items, shards
from anomaly_seg_training.pages import save_page
from anomaly_seg_training.tensors import channels_first

Image = NDArray[np.uint8]

GAIN = 16
"""Factor by which differences are shown, around grey."""
_COLOURS = {FLIPPED: (240, 60, 60), NEVER: (120, 120, 120), STILL: (250, 220, 0)}
_WIDTH = 320
COLUMNS = 5


def write_sheet(
    start: Start, source: FrameSource, folder: Path, out: Path, rows: int = 12
) -> Path:
    """Write a page with one image of each class, classes in order.

    Each row: the frame; the generated image; their difference times 16 around grey; the region,
    red where it flipped, grey where it was never right, yellow where it is still right; what the
    segmenter makes of the generated image.

    Raises:
        AnomalySegError: The shards or the frames cannot be read.
    """
    chosen: dict[int, Item] = {}
    for path in shards(folder):
        for item in read_items(path):
            chosen.setdefault(item.record.label, item)
    items = [item for _, item in sorted(chosen.items())][:rows]
    left = {item.record.name for item in items}
    frames: dict[str, Frame] = {}
    for frame in source.frames(start):
        if frame.name in left:
            frames[frame.name] = frame
        if len(frames) == len(left):
            break
    cells: list[Image] = []
    captions: list[str] = []
    for item in items:
        record = item.record
        if record.name not in frames:
            msg = f'{record.name} is not in the data set any more: the page needs its frames'
            raise MguError(msg)
        cells += _row(start, frames[record.name], item)
        share = record.kept / record.right
        captions += [
            start.classes.names[record.label], f'L2 {record.l2:.1f}, L-inf {record.l_inf:.0f}',
            f'difference x {GAIN}', f'{100 * share:.1f} % flipped', 'prediction',
        ]  # fmt: skip
    page = contact_sheet(cells, COLUMNS, captions, cell_width=_WIDTH)
    return save_page(page, out)


def _row(start: Start, frame: Frame, item: Item) -> list[Image]:
    difference = item.image.astype(np.int16) - frame.image
    shown = np.clip(128 + GAIN * difference, 0, 255).astype(np.uint8)
    region = (frame.image // 3).astype(np.uint8)
    for code, colour in _COLOURS.items():
        region[item.region == code] = colour
    batch = channels_first(item.image)[None]
    device = str(next(start.network.parameters()).device)
    with torch.inference_mode():
        labels = segment_function(start, device)(batch.to(device)).argmax(1)[0]
    predicted = colorize(labels.byte().cpu().numpy(), start.classes)
    return [frame.image, item.image, shown, region, predicted]
