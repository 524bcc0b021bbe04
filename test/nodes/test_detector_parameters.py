# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of a live detector, read by ROS tools and changed while it works."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rcl_interfaces.srv import DescribeParameters, GetParameters
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter
from support.detector_bench import DetectorBench
from support.tiny_bundle import SCORE, THRESHOLD, UNKNOWN_COLOUR, stripes

from anomaly_seg_ros.nodes.detector_node import DetectorNode
from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters
from anomaly_seg_ros.nodes.image_conversion import to_array

pytestmark = pytest.mark.ros

NAMES = [field.name for field in fields(DetectorParameters)]


def test_the_threshold_changes_the_next_mask(bench: Any) -> None:
    live = bench()
    live.subscribe('anomaly_mask', 'anomaly_score')
    image = live.image(stripes())
    score = to_array(live.serves(image, 'anomaly_score'))
    for threshold in (8.0, -5.0, 3.0, 1e9):
        assert live.set('threshold', threshold) == (True, '')
        message = live.send(live.image(stripes()))
        mask = to_array(live.result('anomaly_mask', message))
        np.testing.assert_array_equal(mask == 255, score > threshold)
    assert live.set('threshold', math.nan) == (True, '')
    mask = to_array(live.serves(live.image(stripes()), 'anomaly_mask'))
    np.testing.assert_array_equal(mask == 255, score > 8.0)
    engine = {v.key: v.value for v in live.status('engine').values}
    assert engine['threshold'] == '8'


def test_without_a_threshold_there_is_no_mask_but_a_warning(bench: Any) -> None:
    live = bench(score='entropy')
    live.subscribe('anomaly_mask', 'anomaly_score')
    live.serves(live.image(stripes()), 'anomaly_score')
    status = live.status('life cycle', lambda s: 'no mask' in s.message)
    assert status.level == b'\x01'
    assert live.received['anomaly_mask'] == []
    assert live.set('threshold', 0.2) == (True, '')
    live.serves(live.image(stripes()), 'anomaly_mask')
    live.status('life cycle', lambda s: s.level == b'\x00')


def test_the_score_changes_live_with_the_threshold_that_belongs_to_it(bench: Any) -> None:
    live = bench()
    live.subscribe('anomaly_score', 'anomaly_mask', 'label_info')
    image = stripes()
    engine = live.node._pipeline.engine

    def scores(name: str, threshold: float | None = None) -> None:
        message = live.send(live.image(image))
        received = to_array(live.result('anomaly_score', message))
        np.testing.assert_array_equal(received, engine.run(image[None], (name,))[name][0])
        if threshold is not None:
            mask = to_array(live.result('anomaly_mask', message))
            np.testing.assert_array_equal(mask == 255, received > threshold)

    scores(SCORE, THRESHOLD)
    assert live.set('score', 'energy') == (True, '')
    masks = len(live.received['anomaly_mask'])
    scores('energy')
    # The bundle's threshold is that of another score, which must not be used for this one.
    live.status('life cycle', lambda s: 'no mask' in s.message and 'energy' in s.message)
    assert len(live.received['anomaly_mask']) == masks
    values = {v.key: v.value for v in live.status('engine').values}
    assert (values['score'], values['threshold']) == ('energy', 'none')
    assert live.set('threshold', 5.0) == (True, '')
    for name in ('entropy', SCORE, 'energy'):
        assert live.set('score', name) == (True, '')
        scores(name, 5.0)
    assert live.set('threshold', math.nan) == (True, '')
    assert live.set('score', '') == (True, '')
    scores(SCORE, THRESHOLD)
    live.status('life cycle', lambda s: s.level == b'\x00')


def test_another_score_is_published_when_asked_for(bench: Any) -> None:
    live = bench(score='energy')
    live.subscribe('anomaly_score')
    image = stripes()
    received = to_array(live.serves(live.image(image), 'anomaly_score'))
    engine = live.node._pipeline.engine
    expected = engine.run(image[None], ('energy', SCORE))
    np.testing.assert_array_equal(received, expected['energy'][0])
    assert (received != expected[SCORE][0]).any()


def test_the_overlay_changes_live(bench: Any) -> None:
    live = bench(overlay_alpha=0.0, overlay_content='labels')
    live.subscribe('overlay')
    image = np.random.default_rng(2).integers(0, 100, (32, 64, 3), dtype=np.uint8)
    image[20:, 30:] = UNKNOWN_COLOUR

    def overlay() -> np.ndarray:
        return to_array(live.serves(live.image(image), 'overlay'))

    np.testing.assert_array_equal(overlay(), image)
    pictures = []
    for content in ('labels', 'score', 'both', 'mask'):
        assert live.set('overlay_content', content) == (True, '')
        for alpha in (0.4, 0.8):
            assert live.set('overlay_alpha', alpha) == (True, '')
            pictures.append(overlay().tobytes())
    # The mask alone has no opacity to change.
    assert len({image.tobytes(), *pictures}) == 8


def test_the_overlay_explains_itself_unless_told_not_to(bench: Any) -> None:
    live = bench(overlay_content='score')
    live.subscribe('overlay')
    image = stripes(640, 320)
    explained = to_array(live.serves(live.image(image), 'overlay'))
    assert live.set('overlay_legend', False) == (True, '')
    bare = to_array(live.serves(live.image(image), 'overlay'))
    assert bare.shape == explained.shape == image.shape
    changed = np.flatnonzero((bare != explained).any((1, 2)))
    assert 0 < changed.size <= changed.max() + 1 < 60


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('overlay_alpha', 1.5, 'Max: 1.0'),
        ('overlay_alpha', -0.1, 'Min: 0.0'),
        ('overlay_alpha', 2, 'from 0.0 to 1.0'),
        ('overlay_alpha', math.nan, ''),
        ('overlay_alpha', 'much', 'expected a number'),
        ('overlay_content', 'everything', 'labels, score, both, mask'),
        ('threshold', math.inf, 'finite'),
        ('threshold', True, 'expected a number'),
        ('threshold', 'high', 'expected a number'),
        ('max_rate', -1.0, 'Min: 0.0'),
        ('diagnostic_period', 0.0, 'Min: 0.1'),
        ('bundle', '/elsewhere', 'clean up'),
        ('threads', 2, 'clean up'),
        ('score', 'magic', 'no score'),
        ('refinement', 'magic', "expected 'none' or some of sml, suppress, smooth, vde"),
        ('refinement', 'suppress+sml', 'in this order'),
        ('refinement', 'suppress', "no refinement 'suppress', expected one of: none"),
        ('hysteresis', 1.0, 'Max: 0.99'),
        ('min_area', -1, 'Min: 0'),
        ('persistence', '3/2', 'K of N frames'),
        ('persistence', 'often', 'K of N frames'),
        ('image_depth', 3, 'deactivate the node first'),
        ('image_reliability', 'best_effort', 'deactivate the node first'),
        ('autostart', False, 'read-only'),
    ],
)
def test_impossible_values_are_refused_and_change_nothing(
    bench: Any, name: str, value: Any, words: str
) -> None:
    live = bench()
    before = live.node._options.current
    successful, reason = live.set(name, value)
    assert not successful
    assert words in reason
    assert repr(live.node._options.current) == repr(before)
    live.subscribe('labels')
    live.serves(live.image(stripes()))


def test_a_whole_number_is_taken_for_a_fraction(bench: Any) -> None:
    live = bench(threshold=3, max_rate=1000)
    assert live.node._options.current.threshold == 3.0
    assert live.set('threshold', 4) == (True, '')
    live.wait(lambda: live.node._options.current.threshold == 4.0, 'the threshold')


def test_locked_parameters_open_in_their_states(bench: Any) -> None:
    live = bench()
    assert live.change_state('deactivate')
    assert live.set('image_depth', 3) == (True, '')
    assert not live.set('engine', 'onnxruntime')[0]
    assert live.change_state('cleanup')
    assert live.set('engine', 'onnxruntime') == (True, '')
    assert live.change_state('configure')


def test_ros_tools_see_descriptions_ranges_and_values(bench: Any, tiny_bundle: Path) -> None:
    live = bench()
    response = live.call(
        DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=NAMES)
    )
    descriptors = {entry.name: entry for entry in response.descriptors}
    assert all(len(descriptors[name].description) > 20 for name in NAMES)
    alpha = descriptors['overlay_alpha'].floating_point_range[0]
    assert (alpha.from_value, alpha.to_value) == (0.0, 1.0)
    depth = descriptors['image_depth'].integer_range[0]
    assert (depth.from_value, depth.to_value) == (1, 100)
    assert (
        descriptors['overlay_content'].additional_constraints
        == 'one of: labels, score, both, mask'
    )
    assert [name for name in NAMES if descriptors[name].read_only] == ['autostart']
    values = live.call(GetParameters, 'get_parameters', GetParameters.Request(names=NAMES)).values
    assert dict(zip(NAMES, values, strict=True))['bundle'].string_value == str(tiny_bundle)


def test_the_diagnostic_period_changes_live(bench: Any) -> None:
    live = bench(diagnostic_period=0.1)
    live.status('frames')
    assert live.set('diagnostic_period', 60.0) == (True, '')
    seen = len(live.diagnostics)
    live.client.get_clock().sleep_for(Duration(seconds=0.5))
    assert len(live.diagnostics) <= seen + 1
    assert live.set('diagnostic_period', 0.1) == (True, '')
    live.status('frames')


@pytest.mark.parametrize(
    ('name', 'value'),
    [('overlay_content', 'everything'), ('overlay_alpha', 7.0), ('image_depth', 'deep')],
)
def test_impossible_values_at_the_start_are_an_error(ros: None, name: str, value: Any) -> None:
    with pytest.raises(ParameterException, match=name):
        DetectorNode(namespace='/start', parameter_overrides=[Parameter(name, value=value)])


def test_changes_also_arrive_where_rclpy_has_no_callback_after_setting(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Humble's rclpy lacks this method; hasattr() must not find it either.
    def absent(_: object) -> None:
        raise AttributeError

    monkeypatch.setattr(DetectorNode, 'add_post_set_parameters_callback', property(absent))
    live: DetectorBench = bench()
    assert not hasattr(live.node, 'add_post_set_parameters_callback')
    live.subscribe('anomaly_mask')
    mask = to_array(live.serves(live.image(stripes()), 'anomaly_mask'))
    assert (mask == 255).any()
    assert live.set('threshold', 1e6) == (True, '')
    live.wait(lambda: live.node._options.current.threshold == 1e6, 'the threshold')
    assert not to_array(live.serves(live.image(stripes()), 'anomaly_mask')).any()
    assert not live.set('overlay_alpha', 3.0)[0]
    assert live.node._options.current.overlay_alpha == 0.5
