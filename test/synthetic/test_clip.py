# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a clip promises about its frames and their ground truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import LIGHTS, UNKNOWN_KINDS, WEATHERS, SceneConfig, StreetClip

SMALL = Size(256, 128)
COUNTED = {CITYSCAPES.names.index(n) for n in (
    'person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle',
)}  # fmt: skip


def assert_truth(clip: StreetClip, frame) -> None:
    height, width = clip.config.size.shape
    assert frame.image.shape == (height, width, 3)
    assert frame.image.dtype == np.uint8
    for array, kind in (
        (frame.labels, np.uint8), (frame.instances, np.uint16), (frame.anomaly, np.uint8)
    ):  # fmt: skip
        assert array.shape == (height, width)
        assert array.dtype == kind
    assert set(np.unique(frame.labels)) <= {*range(19), 255}
    unknown = np.isin(frame.instances, list(clip.unknown_instances))
    assert np.array_equal(frame.anomaly == 1, unknown)
    assert np.array_equal(frame.labels == 255, unknown)
    assert set(np.unique(frame.anomaly)) <= {0, 1}
    for instance in np.unique(frame.instances):
        labels = set(np.unique(frame.labels[frame.instances == instance]).tolist())
        if instance:
            assert len(labels) == 1
            assert labels <= COUNTED | {255}
        else:
            assert not labels & COUNTED


def test_equal_configurations_give_equal_bytes_in_any_order():
    config = SceneConfig(size=SMALL, seed=3, frames=5)
    first, second = StreetClip(config), StreetClip(config)
    forwards = list(first)
    for index in (4, 0, 3):
        one, other = forwards[index], second[index]
        assert one.image.tobytes() == other.image.tobytes()
        assert one.labels.tobytes() == other.labels.tobytes()
        assert one.instances.tobytes() == other.instances.tobytes()
        assert one.index == other.index == index
    assert first[4].image.tobytes() == forwards[4].image.tobytes()


def test_another_seed_gives_another_street():
    one, other = (StreetClip(SceneConfig(size=SMALL, seed=s, frames=1))[0] for s in (1, 2))
    assert (one.labels != other.labels).mean() > 0.1


def test_frames_change_little_and_noise_changes_every_frame():
    clip = StreetClip(SceneConfig(size=SMALL, seed=5, frames=3, fps=20))
    one, two, three = clip
    assert 0.5 < (one.labels == two.labels).mean() < 1
    assert (one.labels == two.labels).mean() >= (one.labels == three.labels).mean() - 0.02
    still = StreetClip(SceneConfig(size=SMALL, seed=5, frames=2, speed=0, traffic=0, people=0))
    assert (still[0].labels == still[1].labels).mean() > 0.95
    assert (still[0].image != still[1].image).mean() > 0.3


@pytest.mark.parametrize('seed', range(6))
def test_truth_is_consistent_and_each_unknown_object_is_seen(seed):
    clip = StreetClip(SceneConfig(size=SMALL, seed=seed, frames=24, fps=6))
    assert len(clip.unknown_instances) == 6
    seen = set()
    for frame in clip:
        assert_truth(clip, frame)
        seen |= set(np.unique(frame.instances[frame.anomaly == 1]).tolist())
    assert seen == clip.unknown_instances


def test_all_classes_occur_over_a_few_seeds():
    seen: set[int] = set()
    for seed in range(60):
        clip = StreetClip(SceneConfig(size=SMALL, seed=seed, frames=16, fps=2, people=2))
        for index in (0, 8, 15):
            seen |= set(np.unique(clip[index].labels).tolist())
        if seen >= {*range(19), 255}:
            return
    missing = [CITYSCAPES.names[i] for i in set(range(19)) - seen]
    pytest.fail(f'never drawn: {missing}')


def test_unknown_objects_grow_as_the_camera_approaches():
    clip = StreetClip(
        SceneConfig(size=Size(512, 256), seed=2, frames=20, traffic=0, people=0, speed=6)
    )
    heights: dict[int, list[int]] = {}
    for frame in clip:
        for instance in clip.unknown_instances:
            rows, columns = np.nonzero(frame.instances == instance)
            inside = rows.size and rows.max() < 255 and 0 < columns.min() <= columns.max() < 511
            if inside and rows.size > 20:
                heights.setdefault(instance, []).append(int(np.ptp(rows)) + 1)
    tracks = [h for h in heights.values() if len(h) >= 10]
    assert tracks
    for track in tracks:
        # A pole may cut a row off for a frame; nothing may shrink for long.
        assert track[-1] > track[0]
        assert sum(b < a - 1 for a, b in pairwise(track)) <= 1


def test_no_unknown_objects_means_no_anomaly():
    clip = StreetClip(SceneConfig(size=SMALL, seed=1, frames=2, unknown_objects=0))
    assert not any(frame.anomaly.any() or (frame.labels == 255).any() for frame in clip)
    assert clip.unknown_instances == frozenset()


def test_an_empty_street_has_no_vehicles_and_no_people():
    clip = StreetClip(SceneConfig(size=SMALL, seed=1, frames=2, traffic=0, people=0))
    for frame in clip:
        assert not set(np.unique(frame.labels).tolist()) & COUNTED


def test_indices_count_from_both_ends_and_end():
    clip = StreetClip(SceneConfig(size=SMALL, seed=1, frames=3, fps=4))
    assert len(clip) == 3
    assert clip[-1].index == 2
    assert clip[-1].time == pytest.approx(0.5)
    with pytest.raises(IndexError, match='frame 3 of a clip of 3 frames'):
        clip[3]


def test_the_camera_matrix_belongs_to_the_image():
    clip = StreetClip(SceneConfig(size=Size(400, 200), frames=1))
    expected = [[440, 0, 199.5], [0, 440, 99.5], [0, 0, 1]]
    np.testing.assert_allclose(clip.camera_matrix, expected)


@pytest.mark.parametrize('weather', WEATHERS)
@pytest.mark.parametrize('light', LIGHTS)
def test_light_and_weather_leave_the_picture_readable(weather, light):
    config = SceneConfig(size=SMALL, seed=9, frames=1, weather=weather, light=light)
    image = StreetClip(config)[0].image
    assert 40 < image.mean() < 215
    assert image.std() > 15
    assert (image == 255).mean() < 0.2


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    width=st.integers(64, 140),
    height=st.integers(32, 150),
    seed=st.integers(0, 2**63 - 1),
    unknown=st.integers(0, 12),
    kinds=st.lists(st.sampled_from(UNKNOWN_KINDS), min_size=1, max_size=4),
    traffic=st.floats(0, 3),
    people=st.floats(0, 3),
    speed=st.none() | st.floats(0, 60),
    noise=st.floats(0, 60),
    blur=st.floats(0, 20),
    motion=st.floats(0, 1),
    vignette=st.floats(0, 1),
    quality=st.none() | st.integers(1, 100),
)
def test_any_valid_configuration_draws_consistent_frames(
    width, height, seed, unknown, kinds, traffic, people, speed, noise, blur, motion, vignette,
    quality,
):  # fmt: skip
    clip = StreetClip(
        SceneConfig(
            size=Size(width, height), seed=seed, frames=4, fps=3, unknown_objects=unknown,
            unknown_kinds=tuple(kinds), traffic=traffic, people=people, speed=speed, noise=noise,
            blur=blur, motion_blur=motion, vignette=vignette, jpeg_quality=quality,
        )
    )  # fmt: skip
    assert len(clip.unknown_instances) == unknown
    for index in (0, 3):
        assert_truth(clip, clip[index])
