# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scene configurations that cannot be drawn are refused in one sentence."""

from __future__ import annotations

import dataclasses

import pytest

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig, SceneError


@pytest.mark.parametrize(
    ('field', 'value', 'message'),
    [
        ('size', Size(63, 512), 'size 63x512, expected 64x32 to 8192x8192'),
        ('size', (1, 1), 'size 1x1'),
        ('size', (8193, 512), 'size 8193x512'),
        ('size', '1024x512', 'expected \\(width, height\\)'),
        ('size', (1024.0, 512), 'whole pixels'),
        ('seed', -1, 'seed -1, expected a whole number'),
        ('seed', 1.5, 'seed 1.5'),
        ('seed', True, 'seed True'),
        ('frames', 0, 'frames 0, expected a whole number from 1 to 20000'),
        ('fps', 0, 'fps 0'),
        ('fps', float('nan'), 'fps nan'),
        ('unknown_objects', 201, 'unknown_objects 201'),
        ('unknown_kinds', (), 'unknown_kinds'),
        ('unknown_kinds', 'crate', 'in a tuple'),
        ('unknown_kinds', ('crate', 'unicorn'), "'unicorn', expected one of crate, barrel"),
        ('traffic', -0.1, 'traffic -0.1, expected a number from 0 to 3'),
        ('people', 'many', "people 'many'"),
        ('speed', 61, 'speed 61'),
        ('weather', 'snow', "weather 'snow', expected one of clear, cloudy, haze, rain, any"),
        ('light', 'midnight', "light 'midnight', expected one of noon"),
        ('noise', 61, 'noise 61'),
        ('blur', float('inf'), 'blur inf'),
        ('motion_blur', 2, 'motion_blur 2'),
        ('vignette', 1.1, 'vignette 1.1'),
        ('jpeg_quality', 0, 'jpeg_quality 0'),
    ],
)
def test_bad_values_are_named(field, value, message):
    with pytest.raises(SceneError, match=message) as caught:
        SceneConfig(**{field: value})
    assert isinstance(caught.value, AnomalySegError)
    assert '\n' not in str(caught.value)


def test_configurations_are_frozen_values():
    config = SceneConfig(size=(128, 64), unknown_kinds=['ball'])
    assert config.size == Size(128, 64)
    assert isinstance(config.size, Size)
    assert config == SceneConfig(size=Size(128, 64), unknown_kinds=('ball',))
    assert hash(config) == hash(dataclasses.replace(config))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1
