# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What SynBoost makes of images, stage by stage, on one page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.detector import ResynthesisDetector, create_detector
from anomaly_seg_ros.render import colorize, contact_sheet, heat
from anomaly_seg_ros.sources import FrameSource, SourceFrame
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.pictures import to_pixels

STAGES = (
    'image', 'predicted labels', 'drawn from them', 'entropy', 'perceptual difference',
    'softmax distance', 'dissimilarity network', 'result',
)  # fmt: skip
_UNIT = (0.0, 1.0)


def open_detector(bundle: str) -> ResynthesisDetector:
    """Return the detector of a bundle with weights.

    Raises:
        AnomalySegError: There is none, or it has no re-synthesis.
    """
    detector = create_detector(Bundle.open(bundle))
    if not isinstance(detector, ResynthesisDetector):
        msg = f'{bundle} holds no re-synthesis networks, expected a bundle of SynBoost'
        raise LabError(msg)
    return detector


@torch.inference_mode()
def stage_pictures(
    detector: ResynthesisDetector, image: NDArray[np.uint8]
) -> list[NDArray[np.uint8]]:
    """Return a picture of each of `STAGES`, (h, w, 3) uint8 RGB.

    The uncertainty maps, the network's probability and the result share one range of colours, from
    0 to 1.

    Args:
        detector: In evaluation mode, of Cityscapes' classes.
        image: (H, W, 3) uint8 RGB.
    """
    framework = detector.resynthesis
    maps = detector.maps(torch.from_numpy(np.ascontiguousarray(image))[None])
    members = [framework.network(maps), maps.entropy, maps.perceptual, maps.distance]
    result = sum(w * m for w, m in zip(framework.spec.ensemble, members, strict=True))
    assert isinstance(result, torch.Tensor)
    layout = maps.layout[0]
    labels = torch.where(layout.any(0), layout.argmax(0), IGNORE).byte()
    # `to_pixels` takes what generators draw, -1 to 1.
    photo, drawn = (to_pixels(p * 2 - 1)[0] for p in (maps.original, maps.synthesised))
    scores = (*members[1:], members[0], result)
    return [
        photo, colorize(labels.numpy(), CITYSCAPES), drawn,
        *(heat(score[0, 0].float().numpy(), _UNIT) for score in scores),
    ]  # fmt: skip


def spread(source: FrameSource, count: int) -> Iterator[SourceFrame]:
    """Yield so many frames from all over a source, its first ones where its length is unknown."""
    step = max((source.expected or 0) // count, 1)
    for index, frame in enumerate(source):
        if index % step == 0 and index // step < count:
            yield frame


def draw_stages(
    detector: ResynthesisDetector, source: FrameSource, count: int, width: int
) -> NDArray[np.uint8]:
    """Draw two rows of four pictures for each of some frames.

    Args:
        detector: See `stage_pictures`.
        source: Of frames.
        count: At most so many frames.
        width: Of each picture, in pixels.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        AnomalySegError: The source has no frame, or one cannot be read.
    """
    cells, captions = [], []
    for frame in spread(source, count):
        cells += stage_pictures(detector, frame.image)
        captions += [f'{frame.name}: {STAGES[0]}', *STAGES[1:]]
    if not cells:
        msg = f'{source.description} gives no frame, expected one at least'
        raise LabError(msg)
    return contact_sheet(cells, len(STAGES) // 2, captions, cell_width=width)
