# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures with unknown objects that choices may be made by; none of them is reported on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_training.data import READERS, pasted
from anomaly_seg_training.data.anomaly import AnomalyExample

_OBJECTS = 'val2017'
"""The set of COCO whose objects no recipe pastes."""
_STEP = 10
_PHOTOGRAPHS = 64

Reader = Callable[[Path], Iterable[AnomalyExample]]
"""Takes the folder of the data sets."""


def _pasted(
    *bases: str, step: int = 1, copies: int = 1, road: bool = False
) -> Callable[[Path], Iterator[AnomalyExample]]:
    def read(data: Path) -> Iterator[AnomalyExample]:
        for base in bases:
            yield from pasted.read(
                data, base=base, split=_OBJECTS, step=step, copies=copies, road=road
            )

    return read


def _photographs(data: Path) -> Iterator[AnomalyExample]:
    """Yield photographs whose unknown objects stand where they were seen."""
    examples = READERS.get('coco')(data, sets=[_OBJECTS], unknown=True)
    for number, example in enumerate(islice(examples, _PHOTOGRAPHS)):
        assert example.labels is not None
        assert example.unknown is not None
        target = np.where(example.labels == IGNORE, IGNORE, 0).astype(np.uint8)
        target[example.unknown] = 1
        yield AnomalyExample(str(number), example.image, target)


TUNING_SETS: dict[str, Reader] = {
    'objects pasted on cityscapes_mini/val': _pasted('cityscapes/val', copies=2),
    'objects pasted on CamVid val and test': _pasted('camvid/val', 'camvid/test', step=_STEP),
    'photographs of COCO val': _photographs,
}
"""Name -> reader of a folder of data. Some recipes train on all of CamVid's frames."""

ROAD_SETS: dict[str, Reader] = {
    'road of cityscapes_mini/val': _pasted('cityscapes/val', copies=2, road=True),
    'road of CamVid val and test': _pasted('camvid/val', 'camvid/test', step=_STEP, road=True),
}
"""The first two again, labelled where Lost and Found is: on the road."""
