# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle that comes with the package."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip

pytest.importorskip('onnxruntime')


@pytest.fixture(scope='module')
def bundle() -> Bundle:
    return Bundle.open('default')


def test_card_is_complete(bundle: Bundle) -> None:
    card = bundle.card
    assert card.classes == CITYSCAPES
    assert str(card.input_size) == '1024x512'
    assert card.graph is not None
    assert card.threshold is not None
    assert card.score_range is not None
    assert card.score_range[0] < card.threshold.value
    assert card.licence
    assert card.training
    assert card.measured


def test_is_small(bundle: Bundle) -> None:
    assert sum(path.stat().st_size for path in bundle.path.iterdir()) < 10_000_000


def test_both_engines_agree_on_a_street(bundle: Bundle) -> None:
    pytest.importorskip('torch')
    scores = bundle.card.scores
    frame = StreetClip(SceneConfig(frames=1))[0]
    results = [
        load_engine(name, bundle, threads=1).run(frame.image[None], ('labels', *scores))
        for name in ('onnxruntime', 'torch')
    ]
    assert np.mean(results[0]['labels'] == results[1]['labels']) > 0.999
    for name in scores:
        # A second stream's share in the logits is large: differences belong to the score's range.
        apart = 1e-4 * float(np.ptp(results[1][name]))
        np.testing.assert_allclose(results[0][name], results[1][name], rtol=0, atol=apart)
    known = frame.labels != 255
    # No measure of quality: colours in the wrong order or a wrong normalisation end far below.
    assert np.mean(results[0]['labels'][0][known] == frame.labels[known]) > 0.3
