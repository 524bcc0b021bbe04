# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refinements of a live detector: chosen while it works, with all that belongs to them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from std_msgs.msg import String
from support.refining_engine import CALIBRATION, RefiningEngine, refining_bundle
from support.tiny_bundle import SCORE, THRESHOLD, stripes

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.engines.load import ENGINES
from anomaly_seg_ros.nodes.image_conversion import to_array
from anomaly_seg_ros.refinement import output_name
from anomaly_seg_ros.render import overlay
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip

pytestmark = pytest.mark.ros

REFINED = f'{SCORE}+sml+suppress'
CALIBRATED = CALIBRATION[REFINED]


@pytest.fixture
def refined(
    bench: Any, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Give a function that starts a detector whose bundle offers refinements."""
    monkeypatch.setitem(ENGINES._components, 'refining', RefiningEngine)

    def start(changes: dict[str, Any] | None = None, **options: Any) -> Any:
        bundle = refining_bundle(tiny_bundle, tmp_path / 'refining', **(changes or {}))
        return bench(bundle, engine='refining', **options)

    return start


def serve(live: Any, output: str, threshold: float | None) -> None:
    """Send an image; its score must be the output, its mask what lies above the threshold."""
    image = stripes()
    message = live.send(live.image(image))
    score = to_array(live.result('anomaly_score', message))
    expected = live.node._pipeline.engine.run(image[None], (output,))[output][0]
    np.testing.assert_array_equal(score, expected)
    if threshold is None:
        assert all(mask.header != message.header for mask in live.received['anomaly_mask'])
    else:
        mask = to_array(live.result('anomaly_mask', message))
        np.testing.assert_array_equal(mask == 255, score > threshold)
        assert (mask == 255).any()
        assert (mask == 0).any()


def test_the_refinement_changes_live_with_its_threshold(refined: Callable[..., Any]) -> None:
    live = refined()
    live.subscribe('anomaly_score', 'anomaly_mask')
    serve(live, SCORE, THRESHOLD)
    assert live.set('refinement', 'sml+suppress') == (True, '')
    serve(live, REFINED, CALIBRATED['threshold'])
    values = {v.key: v.value for v in live.status('engine').values}
    assert (values['score'], values['refinement']) == (SCORE, 'sml+suppress')
    assert values['threshold'] == '6.5'
    # Offered, but never calibrated.
    assert live.set('refinement', 'suppress') == (True, '')
    serve(live, f'{SCORE}+suppress', None)
    live.status('life cycle', lambda s: f'threshold for {SCORE}+suppress' in s.message)
    # What the user sets holds for every output.
    assert live.set('threshold', 5.0) == (True, '')
    for refinement in ('suppress', 'sml+suppress', 'none'):
        assert live.set('refinement', refinement) == (True, '')
        serve(live, SCORE if refinement == 'none' else f'{SCORE}+{refinement}', 5.0)
    assert live.set('threshold', math.nan) == (True, '')
    assert live.set('refinement', '') == (True, '')
    serve(live, SCORE, THRESHOLD)
    live.status('life cycle', lambda s: s.level == b'\x00')


def test_the_bundles_own_refinement_is_the_default(refined: Callable[..., Any]) -> None:
    live = refined({'refinement': 'sml+suppress'})
    live.subscribe('anomaly_score', 'anomaly_mask', 'label_info')
    serve(live, REFINED, CALIBRATED['threshold'])
    info = live.wait(lambda: live.received['label_info'], 'label info')[0]
    assert live.set('refinement', 'none') == (True, '')
    serve(live, SCORE, THRESHOLD)
    second = live.wait(lambda: live.received['label_info'][1:], 'label info after a change')[0]
    if isinstance(info, String):
        before, after = json.loads(info.data), json.loads(second.data)
        assert (before['refinement'], before['threshold']) == ('sml+suppress', 6.5)
        assert (after['refinement'], after['threshold']) == ('none', THRESHOLD)
    else:
        assert (info.threshold, second.threshold) == (6.5, THRESHOLD)


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('refinement', 'smooth', "no refinement 'smooth', expected one of: none, suppress, sml"),
        ('refinement', 'sml', 'no class statistics of entropy.*run anomaly-seg calibrate'),
        ('refinement', 'suppress+sml', 'in this order'),
        ('score', 'magic', "no score 'magic', expected one of: max_softmax, entropy"),
    ],
)
def test_what_the_bundle_lacks_is_refused_and_changes_nothing(
    refined: Callable[..., Any], name: str, value: str, words: str
) -> None:
    live = refined(score='entropy', threshold=0.3)
    live.subscribe('anomaly_score', 'anomaly_mask')
    successful, reason = live.set(name, value)
    assert not successful
    assert re.search(words, reason), reason
    serve(live, 'entropy', 0.3)


def test_a_bundle_without_statistics_says_how_to_get_them(refined: Callable[..., Any]) -> None:
    live = refined({'statistics': None, 'calibration': {}}, wait=False, refinement='sml')
    status = live.status('life cycle', lambda s: 'run anomaly-seg calibrate' in s.message)
    assert status.level == b'\x02'
    assert live.set('refinement', 'suppress') == (True, '')
    assert live.change_state('configure')
    successful, reason = live.set('refinement', 'sml')
    assert not successful
    assert 'run anomaly-seg calibrate' in reason


def test_score_and_refinement_change_together(refined: Callable[..., Any]) -> None:
    live = refined(refinement='sml')
    live.subscribe('anomaly_score', 'anomaly_mask')
    # Alone, the score would need statistics that the bundle has not.
    assert not live.set('score', 'entropy')[0]
    pair = [Parameter('score', value='entropy'), Parameter('refinement', value='none')]
    request = SetParametersAtomically.Request(parameters=[p.to_parameter_msg() for p in pair])
    response = live.call(SetParametersAtomically, 'set_parameters_atomically', request)
    assert response.result.successful, response.result.reason
    serve(live, 'entropy', None)


def test_the_overlay_spans_the_range_of_the_refined_score(refined: Callable[..., Any]) -> None:
    live = refined(refinement='sml+suppress', overlay_content='score')
    live.subscribe('overlay')
    image = stripes(640, 320)
    received = to_array(live.serves(live.image(image), 'overlay'))
    score = live.node._pipeline.engine.run(image[None], (REFINED,))[REFINED][0]
    mask = np.where(score > 6.5, 255, 0).astype(np.uint8)
    expected = overlay(
        image, score=score, mask=mask, score_range=(-1.0, 17.0), title=REFINED, threshold=6.5
    )
    np.testing.assert_array_equal(received, expected)


def test_the_shipped_network_refines_live(bench: Any) -> None:
    pytest.importorskip('onnxruntime')
    bundle = Bundle.open('default')
    clip = StreetClip(SceneConfig(size=Size(512, 256), seed=3, frames=2, unknown_objects=4))
    image = clip[1].image
    live = bench(bundle.path, engine='onnxruntime', threads=1)
    live.subscribe('labels', 'anomaly_score', 'anomaly_mask')
    separate = load_engine('onnxruntime', bundle, device='cpu', threads=1)
    for refinement in bundle.card.refinements:
        assert live.set('refinement', refinement) == (True, '')
        output = output_name(bundle.card.score, refinement)
        message = live.send(live.image(image))
        score = to_array(live.result('anomaly_score', message))
        found = separate.run(image[None], ('labels', output))
        np.testing.assert_array_equal(to_array(live.result('labels', message)), found['labels'][0])
        np.testing.assert_allclose(score, found[output][0], rtol=1e-5, atol=1e-5)
        mask = to_array(live.result('anomaly_mask', message))
        threshold = bundle.card.calibration[output]['threshold']
        np.testing.assert_array_equal(mask == 255, score > threshold)
    separate.close()
