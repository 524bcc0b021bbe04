# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation goes through: sets of frames with ground truth, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_training.benchmark import Protocol


@dataclass(frozen=True)
class Frame:
    """One image with its ground truth.

    Args:
        name: Unique in its set; may hold slashes.
        image: (H, W, 3) uint8 RGB.
        target: (H, W) uint8, 0 normal, 1 anomaly, 255 ignored; None without.
        labels: (H, W) uint8 class indices, 255 ignored; None without.
    """

    name: str
    image: NDArray[np.uint8]
    target: NDArray[np.uint8] | None
    labels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class EvaluationSet:
    """Frames that are measured together.

    Args:
        name: As results name it.
        version: SHA-256 of the sorted list of its files with their sizes.
        protocol: Name of the protocol by which figures on it are published.
        images: How many frames there are.
        published: Images of the published set; None where no number is known.
        classes: Names of the classes of the frames' labels; None where any bundle's are meant.
        notes: What a reader of figures should know.
        frames: Takes names, yields all frames but those.
        check: Raises before anything is computed if a file cannot be used.
        doubts: Takes a protocol, returns why its figures compare with no published ones.
    """

    name: str
    version: str
    protocol: str
    images: int
    published: int | None
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]
    frames: Callable[[Collection[str]], Iterator[Frame]]
    check: Callable[[], None]
    doubts: Callable[[Protocol], list[str]]
