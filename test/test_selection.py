# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which output, threshold and range a card and a user's wishes give together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from anomaly_seg_ros.bundle import Card, Preprocessing, SegmenterSpec, Threshold
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.selection import Selection, SelectionError, select
from anomaly_seg_ros.size import Size

TABLE = {'count': [1] * 19, 'mean': [0.0] * 19, 'std': [1.0] * 19}
ENTRY = {'threshold': 3.5, 'method': 'chosen for tests', 'score_range': [-1, 6]}


def card(**changes: Any) -> Card:
    plain = Card(
        name='some', description='A card.', segmenter=SegmenterSpec('erfnet'), classes=CITYSCAPES,
        preprocessing=Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), input_size=Size(64, 32),
        scores=('entropy', 'max_logit'), score='max_logit',
        refinements=('none', 'suppress', 'sml', 'sml+suppress'), refinement='none',
        statistics={'max_logit': TABLE}, threshold=Threshold(8.0, 'by hand'),
        score_range=(0.0, 30.0),
    )  # fmt: skip
    return replace(plain, **changes)


def test_nothing_asked_for_is_the_cards_own() -> None:
    assert select(card()) == Selection('max_logit', 'none', 'max_logit', 8.0, (0.0, 30.0))
    refined = card(refinement='sml', calibration={'max_logit+sml': ENTRY})
    assert select(refined) == Selection('max_logit', 'sml', 'max_logit+sml', 3.5, (-1.0, 6.0))
    # The refinement is the card's for the other scores too.
    assert select(card(refinement='suppress'), 'entropy').output == 'entropy+suppress'


def test_threshold_and_range_belong_to_one_output() -> None:
    calibrated = card(calibration={'max_logit+sml': ENTRY, 'entropy': {**ENTRY, 'threshold': 0}})
    assert select(calibrated, refinement='sml').threshold == 3.5
    assert select(calibrated, refinement='sml').score_range == (-1.0, 6.0)
    assert select(calibrated, 'entropy').threshold == 0.0
    other = select(calibrated, 'entropy', 'suppress')
    assert (other.threshold, other.score_range) == (None, None)
    bare = card(threshold=None, score_range=None)
    assert (select(bare).threshold, select(bare).score_range) == (None, None)


@pytest.mark.parametrize('given', [0.0, -7.25, 1e9])
def test_the_users_threshold_comes_first(given: float) -> None:
    calibrated = card(calibration={'max_logit+sml': ENTRY})
    for refinement in ('', 'sml', 'suppress'):
        assert select(calibrated, '', refinement, given).threshold == given
    assert select(calibrated, '', 'sml', given).score_range == (-1.0, 6.0)
    assert select(calibrated, '', 'sml', math.nan).threshold == 3.5


@pytest.mark.parametrize(
    ('score', 'refinement', 'message'),
    [
        ('magic', '', "no score 'magic', expected one of: entropy, max_logit"),
        ('', 'magic', "the refinement 'magic', expected 'none' or some of sml, suppress"),
        ('', 'suppress+sml', 'in this order'),
        ('', 'smooth', "no refinement 'smooth', expected one of: none, suppress, sml, sml\\+su"),
        ('entropy', 'sml', 'no class statistics of entropy.*: run anomaly-seg calibrate'),
    ],
)
def test_what_the_bundle_lacks_is_named(score: str, refinement: str, message: str) -> None:
    with pytest.raises(AnomalySegError, match=message):
        select(card(), score, refinement)
    with pytest.raises(SelectionError, match='run anomaly-seg calibrate'):
        select(card(statistics=None), refinement='sml')


def test_an_infinite_threshold_is_refused() -> None:
    with pytest.raises(SelectionError, match='received the threshold inf, expected a finite'):
        select(card(), threshold=math.inf)
