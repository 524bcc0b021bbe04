# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the player node."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_seg_ros.nodes.parameters import AT_START, option
from anomaly_seg_ros.nodes.qos import RELIABILITIES

REALTIME, LOCKSTEP = 'realtime', 'lockstep'


@dataclass(frozen=True)
class PlayerParameters:
    """What a user can set on the player node."""

    bag: str = option('', 'Bag to play: a rosbag2 folder, .mcap or .db3 file', used=AT_START)
    mode: str = option(
        REALTIME,
        'realtime keeps the recorded pace; lockstep sends an image when the last was answered',
        used=AT_START,
        choices=(REALTIME, LOCKSTEP),
    )
    rate: float = option(
        1.0, 'Factor on the recorded pace in real time', used=AT_START, low=0.01, high=100.0
    )
    loop: bool = option(
        False, 'Begin again at the end, with stamps that go on rising', used=AT_START
    )
    topics: str = option('', 'Topics to play, separated by commas; empty plays all', used=AT_START)
    image_topic: str = option(
        '', 'Image topic that makes the frames; empty takes the only one', used=AT_START
    )
    frames: int = option(
        0, 'Play at most this many images; 0 plays all', used=AT_START, low=0, high=2**31 - 1
    )
    wait_for: str = option(
        'detector/labels',
        'Lockstep: topics, separated by commas, that must answer with the stamp of the image',
        used=AT_START,
    )
    subscribers: int = option(
        1,
        'Subscribers of the images to wait for before starting; 0 starts at once',
        used=AT_START,
        low=0,
        high=100,
    )
    subscriber_timeout: float = option(
        60.0,
        'Seconds to wait for subscribers before giving up; 0 waits for ever',
        used=AT_START,
        low=0.0,
        high=86400.0,
    )
    start_delay: float = option(
        0.5,
        'Seconds between the arrival of the subscribers and the first message',
        used=AT_START,
        low=0.0,
        high=600.0,
    )
    timeout: float = option(
        20.0,
        'Lockstep: seconds to wait for the answer to an image before it counts as lost',
        used=AT_START,
        low=0.01,
        high=3600.0,
    )
    max_timeouts: int = option(
        3,
        'Lockstep: images lost in a row after which the player gives up',
        used=AT_START,
        low=1,
        high=2**31 - 1,
    )
    clock: bool = option(True, 'Publish the time of the bag on /clock', used=AT_START)
    image_reliability: str = option(
        'reliable',
        'Reliability of the published images',
        used=AT_START,
        choices=tuple(RELIABILITIES),
    )
    print_progress: bool = option(
        False, 'Print a line "played N/M" to standard output after each image', used=AT_START
    )
