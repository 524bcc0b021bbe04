# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag cut into steps: one image and everything that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from anomaly_seg_ros.bags.cdr import read_stamp, with_stamp
from anomaly_seg_ros.bags.errors import BagError
from anomaly_seg_ros.bags.messages import has_header
from anomaly_seg_ros.bags.reader import RawMessage


class Step(NamedTuple):
    """What is sent before the next answer is awaited."""

    others: list[RawMessage]
    """Messages of other topics, in their order; they are sent before the image."""
    image: RawMessage | None
    """None only in the last step, for messages behind the last image."""


def stamp_of(message: RawMessage) -> int | None:
    """Return a message's header stamp in nanoseconds, None when its type has no header."""
    return read_stamp(message.data) if has_header(message.type_name) else None


def stamped(messages: Iterable[RawMessage], shift: int = 0) -> Iterator[RawMessage]:
    """Give every message with a header a usable stamp.

    A stamp that was never set (0) gives way to the time of recording.

    Args:
        messages: Messages of a bag.
        shift: Nanoseconds to add to all stamps and times of recording.
    """
    for message in messages:
        stamp = stamp_of(message)
        if stamp is None or (stamp and not shift):
            yield message._replace(stamp=message.stamp + shift)
        else:
            data = with_stamp(message.data, (stamp or message.stamp) + shift)
            yield message._replace(stamp=message.stamp + shift, data=data)


def steps(messages: Iterable[RawMessage], image_topic: str) -> Iterator[Step]:
    """Group messages so that each image comes last, behind all that carries its stamp.

    What was recorded after an image and before the next one belongs to the image when it carries
    its stamp, otherwise to the next.

    Args:
        messages: Messages in the order of recording.
        image_topic: The topic whose messages make the steps.

    Raises:
        BagError: The bag is damaged; raised after the last whole step.
    """
    before: list[RawMessage] = []
    after: list[RawMessage] = []
    image: RawMessage | None = None
    damage: BagError | None = None
    source = iter(messages)
    while True:
        try:
            message = next(source, None)
        except BagError as error:
            message, damage = None, error
        if message is not None and message.topic != image_topic:
            (before if image is None else after).append(message)
            continue
        if image is not None:
            stamp = stamp_of(image)
            same = [other for other in after if stamp_of(other) == stamp]
            yield Step([*before, *same], image)
            before = [other for other in after if stamp_of(other) != stamp]
            after = []
        image = message
        if message is None:
            break
    if before:
        yield Step(before, None)
    if damage is not None:
        raise damage
