# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is generated from: labelled frames at the network's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import READERS
from anomaly_seg_training.finetune.dataset import pseudo_labelled
from anomaly_seg_training.finetune.start import Start, in_classes
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.resizing import resize_image, resize_labels

_STEP = 32


@dataclass(frozen=True)
class Frame:
    """One labelled frame.

    Args:
        name: Unique.
        image: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8 labels of the segmenter, 255 = ignore.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class FrameSource:
    """A data set.

    Args:
        data: Folder of the data sets.
        source: A name of `data.READERS`.
        options: Of its reader.
        class_map: Cityscapes' class -> class of the segmenter, see `finetune.start.label_table`.
        size: At which the network sees the frames; None for each frame's view, in multiples of 32.
        pseudo_labels: Frames without labels get the segmenter's own predictions where its softmax
            exceeds this; with 1 they are left out.
    """

    data: Path
    source: str
    options: Mapping[str, Any]
    class_map: Mapping[str, str]
    size: Size | None
    pseudo_labels: float

    def frames(self, start: Start) -> Iterator[Frame]:
        """Yield the labelled frames, always in the same order.

        Raises:
            AnomalySegError: The data set cannot be read, or an option is unknown.
        """
        try:
            examples = READERS.get(self.source)(self.data, **self.options)
        except TypeError as error:
            msg = f'--reader-option: {error}'
            raise MguError(msg) from error
        for example in examples:
            size = self.size or _rounded(example.view)
            known = in_classes(example, dict(self.class_map), start.classes)
            if known.labels is None:
                known = pseudo_labelled([replace(known, view=size)], start, self.pseudo_labels)[0]
            if known.labels is None:
                continue
            labels = resize_labels(known.labels, size)
            if example.unknown is not None:
                shown = resize_labels(example.unknown.astype(np.uint8), size) > 0
                labels = np.where(shown, np.uint8(IGNORE), labels)
            yield Frame(example.name, resize_image(example.image, size), labels)


def _rounded(view: Size) -> Size:
    return Size(*(max(_STEP, round(side / _STEP) * _STEP) for side in view))
