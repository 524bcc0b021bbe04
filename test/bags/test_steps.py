# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Steps of a bag: an image with all that carries its stamp."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from anomaly_seg_ros.bags import BagError, RawMessage
from anomaly_seg_ros.bags.messages import has_header, image_message, typestore
from anomaly_seg_ros.bags.steps import Step, stamp_of, stamped, steps
from anomaly_seg_ros.bags.topics import IMAGE

PIXEL = np.zeros((1, 1), np.uint8)


def image(topic: str, stamp: int, recorded: int | None = None) -> RawMessage:
    """Return an image message of one pixel."""
    data = image_message(PIXEL, 'mono8', stamp)
    return RawMessage(topic, IMAGE, stamp if recorded is None else recorded, data)


def text(recorded: int) -> RawMessage:
    """Return a message without a header."""
    string = typestore().types['std_msgs/msg/String'](data='hello')
    data = bytes(typestore().serialize_cdr(string, 'std_msgs/msg/String'))
    return RawMessage('/text', 'std_msgs/msg/String', recorded, data)


def names(step: Step) -> list[tuple[str, int]]:
    """Return topics and times of a step, the image last."""
    messages = [*step.others, *([step.image] if step.image else [])]
    return [(m.topic, m.stamp) for m in messages]


def test_ground_truth_before_and_after_its_image_belongs_to_it() -> None:
    messages = [
        image('/truth', 10), text(11), image('/camera', 10, 12), image('/late', 10, 13),
        image('/truth', 20, 14), text(15), image('/camera', 20, 20), text(21),
    ]  # fmt: skip
    assert [names(step) for step in steps(messages, '/camera')] == [
        [('/truth', 10), ('/text', 11), ('/late', 13), ('/camera', 12)],
        [('/truth', 14), ('/text', 15), ('/camera', 20)],
        [('/text', 21)],
    ]


def test_nothing_is_lost_or_doubled() -> None:
    rng = np.random.default_rng(0)
    topics = ('/camera', '/a', '/b', '/text')
    messages = [
        text(i) if (topic := topics[rng.integers(4)]) == '/text' else image(topic, i // 3, i)
        for i in range(200)
    ]
    played = [m for step in steps(messages, '/camera') for m in (*step.others, step.image) if m]
    assert sorted(m.stamp for m in played) == list(range(200))


def test_damage_surfaces_after_the_last_whole_step() -> None:
    def damaged() -> Iterator[RawMessage]:
        yield image('/camera', 1)
        yield image('/truth', 2)
        yield image('/camera', 2)
        msg = 'cut short'
        raise BagError(msg)

    found = steps(damaged(), '/camera')
    assert names(next(found)) == [('/camera', 1)]
    assert names(next(found)) == [('/truth', 2), ('/camera', 2)]
    with pytest.raises(BagError, match='cut short'):
        next(found)


def test_unset_stamps_are_filled_and_loops_shift_all() -> None:
    unset, text_message, usual = stamped([image('/a', 0, 7), text(8), image('/a', 5, 9)])
    assert (stamp_of(unset), stamp_of(text_message), stamp_of(usual)) == (7, None, 5)
    shifted = list(stamped([image('/a', 0, 7), text(8), image('/a', 5, 9)], shift=100))
    assert [m.stamp for m in shifted] == [107, 108, 109]
    assert [stamp_of(m) for m in shifted] == [107, None, 105]


def test_types_with_a_header_are_known() -> None:
    assert has_header(IMAGE)
    assert has_header('sensor_msgs/Imu')
    assert not has_header('std_msgs/msg/String')
    assert not has_header('std_msgs/msg/Empty')
    assert not has_header('own/msg/Unknown')
