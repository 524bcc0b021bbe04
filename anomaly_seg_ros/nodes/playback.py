# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The player's work, in a thread of its own: messages out, paced or in lock-step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from anomaly_seg_ros.bags.reader import Bag, RawMessage
from anomaly_seg_ros.bags.steps import stamp_of, stamped, steps
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.nodes.answers import Answers
from anomaly_seg_ros.nodes.player_parameters import LOCKSTEP, PlayerParameters

CLOCK_PERIOD = 0.025
"""Seconds of real time between two messages on /clock: 40 Hz, as rosbag2 does."""
_LOOK = 0.25
"""Seconds between two looks whether the subscribers are still there."""
_GONE = 2.0
"""Seconds without subscribers after which they are taken for gone."""


class ReplayError(AnomalySegError):
    """A replay cannot go on."""


class StoppedError(Exception):
    """The process is told to stop."""


class Outlet(Protocol):
    """What the playback needs of the node."""

    def publish(self, message: RawMessage) -> None:
        """Send a recorded message."""

    def publish_clock(self, stamp: int) -> None:
        """Send the time of the bag in nanoseconds."""

    def listeners(self) -> int:
        """Return the number of subscribers of the image topic."""

    def played(self, sent: int) -> None:
        """Note that an image was sent (and answered, in lock-step)."""

    def warn(self, text: str) -> None:
        """Log a warning."""


class Playback:
    """Play a bag once, or for ever when it loops.

    Args:
        bag: The bag.
        topics: Topics to play.
        image_topic: The topic whose images are the frames.
        parameters: Mode, rate, limits.
        outlet: Where messages go.
        answers: Who must answer in lock-step.
        stop: Set when the process is told to stop.
    """

    def __init__(
        self,
        bag: Bag,
        topics: list[str],
        image_topic: str,
        parameters: PlayerParameters,
        outlet: Outlet,
        answers: Answers,
        stop: threading.Event,
    ) -> None:
        self._bag = bag
        self._topics = topics
        self._image_topic = image_topic
        self._parameters = parameters
        self._outlet = outlet
        self._answers = answers
        self._stop = stop
        self.sent = 0
        self.lost = 0
        self._lost_in_a_row = 0
        self._first: int | None = None
        self._last = 0

    def run(self) -> None:
        """Play.

        Raises:
            BagError: The bag is damaged; everything before the damage was played.
            ReplayError: Nobody answers any more.
            StoppedError: The process is told to stop.
        """
        play = self._lockstep if self._parameters.mode == LOCKSTEP else self._realtime
        shift = 0
        while True:
            before = self.sent
            play(self._messages(shift))
            if not self._parameters.loop:
                return
            # The next round begins one mean interval after the end, so stamps go on rising.
            played = max(self.sent - before, 1)
            span = self._last - (self._first or 0)
            shift += span + max(span // max(played - 1, 1), 1)

    def _messages(self, shift: int) -> Iterator[RawMessage]:
        self._first = None
        for message in stamped(self._bag.messages(self._topics), shift):
            if self._stop.is_set():
                raise StoppedError
            if self._first is None:
                self._first = message.stamp
            self._last = message.stamp
            yield message

    def _realtime(self, messages: Iterator[RawMessage]) -> None:
        rate, limit = self._parameters.rate, self._parameters.frames
        start: float | None = None
        first = 0
        images = 0
        for message in messages:
            if start is None:
                start, first = time.monotonic(), message.stamp
            self._sleep_until(start, first, message.stamp, rate)
            self._outlet.publish(message)
            if message.topic == self._image_topic:
                images += 1
                self.sent += 1
                self._outlet.played(self.sent)
                if images == limit:
                    return

    def _sleep_until(self, start: float, first: int, stamp: int, rate: float) -> None:
        """Wait for the moment of a message and publish the clock meanwhile."""
        due = start + (stamp - first) / 1e9 / rate
        while (left := due - time.monotonic()) > 0:
            self._outlet.publish_clock(stamp - int(left * rate * 1e9))
            if self._stop.wait(min(left, CLOCK_PERIOD)):
                raise StoppedError
        self._outlet.publish_clock(stamp)

    def _lockstep(self, messages: Iterator[RawMessage]) -> None:
        for step in islice(steps(messages, self._image_topic), self._parameters.frames or None):
            if self._stop.is_set():
                raise StoppedError
            last = step.image or step.others[-1]
            self._outlet.publish_clock(last.stamp)
            for message in step.others:
                self._outlet.publish(message)
            if step.image is None:
                continue
            stamp = stamp_of(step.image)
            self._answers.expect(stamp or 0)
            self._outlet.publish(step.image)
            self.sent += 1
            self._await_answers(stamp or 0)
            self._outlet.played(self.sent)

    def _await_answers(self, stamp: int) -> None:
        parameters = self._parameters
        deadline = time.monotonic() + parameters.timeout
        gone_since: float | None = None
        while missing := self._answers.wait(min(_LOOK, parameters.timeout)):
            now = time.monotonic()
            if self._stop.is_set():
                raise StoppedError
            if self._outlet.listeners():
                gone_since = None
            elif gone_since is None:
                gone_since = now
            elif now - gone_since > _GONE:
                self.lost += 1
                msg = (
                    f'nobody subscribes to {self._image_topic} any more after {self.sent} images: '
                    'the detector has ended or is not active'
                )
                raise ReplayError(msg)
            if now > deadline:
                break
        if not missing:
            self._lost_in_a_row = 0
            return
        self.lost += 1
        self._lost_in_a_row += 1
        text = (
            f'image {self.sent} (stamp {stamp / 1e9:.9f}) was not answered on '
            f'{", ".join(missing)} within {parameters.timeout:g} s'
        )
        if self._lost_in_a_row >= parameters.max_timeouts:
            msg = f'{text}, nor were the {self._lost_in_a_row - 1} before: giving up'
            raise ReplayError(msg)
        self._outlet.warn(f'{text}: it counts as lost')
