# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What label values mean: class names, colours and groups, and Cityscapes' own tables."""

from __future__ import annotations

from dataclasses import dataclass

IGNORE = 255
"""The label of pixels that count for nothing, in every data set after its reader."""


@dataclass(frozen=True)
class ClassSet:
    """The classes that a segmenter knows; a class's label is its index.

    Args:
        names: One name per class.
        palette: One (red, green, blue) colour per class, 0 to 255.
        drivable: Labels of the classes that a vehicle may drive on.

    Raises:
        ValueError: Lengths differ, names repeat, or a label or colour is out of range.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    drivable: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse tables that contradict themselves."""
        if not 0 < len(self.names) < IGNORE or len(set(self.names)) != len(self.names):
            msg = f'expected 1 to {IGNORE - 1} different class names, received {self.names!r}'
            raise ValueError(msg)
        if len(self.palette) != len(self.names):
            msg = f'{len(self.names)} classes need as many colours, received {len(self.palette)}'
            raise ValueError(msg)
        if any(len(c) != 3 or not all(0 <= v <= 255 for v in c) for c in self.palette):
            msg = f'colours are three values from 0 to 255, received {self.palette!r}'
            raise ValueError(msg)
        if any(not 0 <= label < len(self.names) for label in self.drivable):
            msg = f'drivable labels must lie in 0..{len(self.names) - 1}, got {self.drivable!r}'
            raise ValueError(msg)

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)


CITYSCAPES = ClassSet(
    names=(
        'road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light',
        'traffic sign', 'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck',
        'bus', 'train', 'motorcycle', 'bicycle',
    ),
    palette=(
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
        (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
        (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
        (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
    drivable=(0,),
)  # fmt: skip
"""Cityscapes' 19 evaluation classes (train ids) in their official colours."""

CITYSCAPES_ID_TO_TRAIN_ID: dict[int, int] = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
"""Cityscapes' label ids (0 to 33) that are evaluated; every other id is ignored."""
