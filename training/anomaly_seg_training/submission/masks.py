# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Public ground truth among images whose labels are mostly secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anomaly_seg_training.data.labelled import collect
from anomaly_seg_training.submission.layouts import SubmissionError

BESIDE = 'labels_masks'
ENDINGS = ('_labels_semantic', '_labels', '')
"""Of the names of masks: SegmentMeIfYouCan's, Fishyscapes', those called like their image."""


def find_masks(images: Path, folder: Path | None, frames: Mapping[str, Path]) -> dict[str, Path]:
    """Find the masks of those frames that have one.

    Args:
        images: The images' folder.
        folder: The masks'; None takes `BESIDE` beside the images, or none at all.
        frames: Images by the name of the frame.

    Returns:
        Masks by the name of the frame.

    Raises:
        DataError: The folder that was given is missing.
        SubmissionError: It holds no mask of any of the frames.
    """
    asked = folder is not None
    folder = folder or images.resolve().parent / BESIDE
    if not asked and not folder.is_dir():
        return {}
    files = collect(folder, '', ('.png',))
    found: dict[str, Path] = {}
    for name in frames:
        for ending in ENDINGS:
            # Images of Fishyscapes may say that they are images.
            for stem in (name, name.removesuffix('_rgb')):
                if stem + ending in files:
                    found.setdefault(name, files[stem + ending])
    if asked and not found:
        names = ' or '.join(f'FRAME{ending}.png' for ending in ENDINGS)
        msg = f'{folder} holds no {names} of an image'
        raise SubmissionError(msg)
    return found
