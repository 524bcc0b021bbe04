# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class tables agree with themselves and with Cityscapes."""

from __future__ import annotations

from typing import Any

import pytest

from anomaly_seg_ros.classes import CITYSCAPES, CITYSCAPES_ID_TO_TRAIN_ID, ClassSet


def test_cityscapes_has_its_nineteen_classes_in_train_id_order() -> None:
    assert len(CITYSCAPES) == len(set(CITYSCAPES.palette)) == 19
    assert CITYSCAPES.names[0] == 'road'
    assert CITYSCAPES.names[10] == 'sky'
    assert CITYSCAPES.names[18] == 'bicycle'
    assert [CITYSCAPES.names[label] for label in CITYSCAPES.drivable] == ['road']


def test_the_id_table_is_a_bijection_onto_the_train_ids() -> None:
    assert sorted(CITYSCAPES_ID_TO_TRAIN_ID.values()) == list(range(19))
    assert list(CITYSCAPES_ID_TO_TRAIN_ID) == sorted(CITYSCAPES_ID_TO_TRAIN_ID)


@pytest.mark.parametrize(
    'change',
    [
        {'names': ()},
        {'names': ('road', 'road')},
        {'palette': ((0, 0, 0),)},
        {'palette': ((0, 0, 0), (0, 0, 256))},
        {'palette': ((0, 0, 0), (0, 0))},
        {'drivable': (2,)},
        {'drivable': (-1,)},
    ],
)
def test_a_table_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    table: dict[str, Any] = {
        'names': ('road', 'car'),
        'palette': ((1, 2, 3), (4, 5, 6)),
        'drivable': (0,),
    }
    assert len(ClassSet(**table)) == 2
    with pytest.raises(ValueError, match='received|got'):
        ClassSet(**{**table, **change})
