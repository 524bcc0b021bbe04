# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A fused score beside the others of an engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.tiny_bundle import stripes

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import EngineError, load_engine
from anomaly_seg_ros.engines.augmented import AugmentedEngine
from anomaly_seg_ros.engines.fused import FUSED, FusedEngine
from anomaly_seg_ros.fusion import Fusion, ScoreSketch, TailTable, fuse_equally
from anomaly_seg_ros.selection import select

pytest.importorskip('onnxruntime')
MEMBERS = ('entropy', 'max_logit', 'max_min')


@pytest.fixture(scope='module')
def engine(tiny_bundle: Path) -> Iterator[FusedEngine]:
    inner = load_engine('onnxruntime', Bundle.open(tiny_bundle), device='cpu', threads=1)
    normal = inner.run(stripes(512, 256, unknown=False)[None], MEMBERS)
    tables = {}
    for name in MEMBERS:
        sketch = ScoreSketch()
        sketch.update(normal[name])
        tables[name] = TailTable.of(sketch)
    fused = FusedEngine(inner, fuse_equally('three', 'mean_log', tables))
    yield fused
    fused.close()


def test_is_the_fusion_of_the_outputs(engine: FusedEngine) -> None:
    image = np.stack((stripes(128, 64), stripes(128, 64, unknown=False)))
    found = engine.run(image, (FUSED, 'labels'))
    assert tuple(found) == (FUSED, 'labels')
    plain = engine.engine.run(image, ('labels', *MEMBERS))
    np.testing.assert_array_equal(found['labels'], plain['labels'])
    np.testing.assert_array_equal(found[FUSED], engine.fusion.combine(plain))
    unknown = (image[0] == (0, 255, 255)).all(2)
    inner = unknown & np.roll(unknown, 8, 1) & np.roll(unknown, 8, 0)
    assert found[FUSED][0][inner].min() > np.quantile(found[FUSED][1], 0.99)


def test_what_needs_no_fusion_is_passed_on(engine: FusedEngine) -> None:
    found = engine.run(stripes()[None], ('max_min', 'confidence'))
    assert set(found) == {'max_min', 'confidence'}
    with pytest.raises(EngineError, match='no output'):
        engine.run(stripes()[None], ('rank', FUSED))


def test_the_card_offers_it(engine: FusedEngine) -> None:
    assert engine.card.scores == (*engine.engine.card.scores, FUSED)
    chosen = select(engine.card, FUSED)
    assert (chosen.output, chosen.threshold) == (FUSED, None)


def test_views_of_fused_scores(engine: FusedEngine) -> None:
    image = stripes(128, 64)[None]
    both = AugmentedEngine(engine).run(image, (FUSED,))[FUSED]
    one, other = (engine.run(i, (FUSED,))[FUSED] for i in (image, image[:, :, ::-1]))
    np.testing.assert_allclose(both, (one + other[:, :, ::-1]) / 2, rtol=1e-5, atol=1e-5)


def test_refuses_fusions_of_other_outputs(engine: FusedEngine) -> None:
    member = engine.fusion.members[0]
    other = Fusion('f', 'log', (type(member)('rank', 1.0, member.table),))
    with pytest.raises(EngineError, match='needs rank'):
        FusedEngine(engine.engine, other)
    with pytest.raises(EngineError, match='already'):
        FusedEngine(engine, engine.fusion)
