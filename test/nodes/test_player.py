# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The player as a real process, a client of the test listening."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.painted import Painted

from anomaly_seg_ros.bags import BagWriter
from anomaly_seg_ros.bags.cdr import read_stamp
from anomaly_seg_ros.bags.messages import image_message
from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.bags.topics import IMAGE

pytest.importorskip('rclpy')
import itertools

from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String
from support.node_process import Client, NodeProcess, until

from anomaly_seg_ros.nodes.image_conversion import to_rgb
from anomaly_seg_ros.nodes.player_status import FINISHED, PlayerStatus
from anomaly_seg_ros.nodes.qos import image_qos, latched_qos

pytestmark = pytest.mark.ros
FRAMES = 8
START = 500


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of painted frames, 10 per second, the first at 500 s."""
    path = tmp_path_factory.mktemp('bags') / 'painted'
    record(Painted(FRAMES), path, start=float(START))
    return path


@pytest.fixture
def client(ros: None) -> Iterator[Client]:
    """A node of this process."""
    made = Client()
    yield made
    made.close()


class Listener:
    """Collects the images of /camera/image and answers them when asked to."""

    def __init__(self, client: Client, answer: bool = False, depth: int = 50) -> None:
        self.images: list[Any] = []
        self.times: list[float] = []
        self.order: list[str] = []
        self.answering = answer
        node = client.node
        self._answers = node.create_publisher(Header, '/answer', image_qos(depth=10))
        node.create_subscription(Image, '/camera/image', self._receive, image_qos(depth=depth))
        node.create_subscription(
            CameraInfo, '/camera/camera_info', self._note('info'), image_qos(depth=depth)
        )
        self.statuses: list[PlayerStatus | None] = []
        node.create_subscription(
            String,
            '/player/status',
            lambda m: self.statuses.append(PlayerStatus.from_json(m.data)),
            latched_qos(),
        )

    @property
    def stamps(self) -> list[int]:
        """The images' stamps in nanoseconds."""
        return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in self.images]

    def _note(self, name: str) -> Any:
        return lambda _: self.order.append(name)

    def _receive(self, message: Any) -> None:
        self.order.append('image')
        self.images.append(message)
        self.times.append(time.monotonic())
        if self.answering:
            self._answers.publish(message.header)


def expected_stamps(frames: int = FRAMES) -> list[int]:
    """Return the stamps in the bag."""
    return [START * 10**9 + index * 10**8 for index in range(frames)]


def test_real_time_keeps_pace_bytes_and_clock(bag: Path, client: Client) -> None:
    listener = Listener(client)
    clocks: list[int] = []
    client.node.create_subscription(
        Clock, '/clock', lambda m: clocks.append(m.clock.sec * 10**9 + m.clock.nanosec), 100
    )
    with NodeProcess('player', bag=bag, rate=2.0, start_delay=0.3) as player:
        assert player.wait() == 0, player.text
    assert listener.stamps == expected_stamps()
    for message, frame in zip(listener.images, Painted(FRAMES), strict=True):
        assert np.array_equal(to_rgb(message), frame.image)
        assert message.header.frame_id == 'camera_optical_frame'
    span = listener.times[-1] - listener.times[0]
    assert 0.25 < span < 1.5
    assert clocks == sorted(clocks)
    assert clocks[0] >= START * 10**9
    assert clocks[-1] == expected_stamps()[-1]
    # 7 intervals of 50 ms with a clock every 25 ms, and one with each of 32 messages.
    assert len(clocks) > 20
    until(lambda: listener.statuses and listener.statuses[-1])
    assert listener.statuses[-1] is not None
    assert listener.statuses[-1].state == FINISHED
    assert listener.statuses[-1].sent == FRAMES


def test_lockstep_sends_the_next_image_only_after_the_answer(bag: Path, client: Client) -> None:
    listener = Listener(client, answer=False)
    with NodeProcess(
        'player', bag=bag, mode='lockstep', wait_for='/answer', timeout=30.0, print_progress=True
    ) as player:
        until(lambda: listener.images)
        time.sleep(0.7)
        assert len(listener.images) == 1
        assert 'played' not in player.text
        listener.answering = True
        wrong = Header()
        wrong.stamp.sec = 7
        listener._answers.publish(wrong)
        time.sleep(0.3)
        assert len(listener.images) == 1
        listener._answers.publish(listener.images[0].header)
        assert player.wait() == 0, player.text
    assert listener.stamps == expected_stamps()
    assert [line for line in player.lines if line.startswith('played')][-1] == 'played 8/8\n'
    # The calibration of a frame is sent before its image.
    assert listener.order.count('info') == FRAMES


def test_unanswered_images_count_as_lost_and_end_the_replay(bag: Path, client: Client) -> None:
    listener = Listener(client, answer=False)
    with NodeProcess(
        'player', bag=bag, mode='lockstep', wait_for='/answer', timeout=0.3, max_timeouts=3
    ) as player:
        assert player.wait() == 1
    assert len(listener.images) == 3
    assert 'was not answered on /answer within 0.3 s: it counts as lost' in player.text
    assert 'giving up' in player.text
    until(lambda: listener.statuses and listener.statuses[-1] and listener.statuses[-1].over)
    assert listener.statuses[-1] is not None
    assert (listener.statuses[-1].sent, listener.statuses[-1].lost) == (3, 3)


def test_without_subscribers_or_answers_the_player_says_whom_it_misses(
    bag: Path, client: Client
) -> None:
    with NodeProcess('player', bag=bag, subscriber_timeout=0.5) as player:
        assert player.wait() == 1
    assert '/camera/image has 0 of 1 subscribers' in player.text
    Listener(client)
    with NodeProcess(
        'player', bag=bag, mode='lockstep', wait_for='/nobody', subscriber_timeout=8.0
    ) as player:
        assert player.wait() == 1
    assert 'nobody publishes /nobody' in player.text


def test_a_loop_goes_on_with_rising_stamps_until_it_is_interrupted(
    bag: Path, client: Client
) -> None:
    listener = Listener(client)
    with NodeProcess('player', bag=bag, loop=True, rate=20.0) as player:
        until(lambda: len(listener.images) > 2 * FRAMES + 2)
        player.interrupt()
        assert player.wait(10) == 0, player.text
    stamps = listener.stamps
    steps = {after - before for before, after in itertools.pairwise(stamps)}
    assert min(steps) > 0
    assert stamps[:FRAMES] == expected_stamps()
    assert steps == {10**8}


def test_a_choice_of_topics_and_frames(bag: Path, client: Client) -> None:
    listener = Listener(client)
    with NodeProcess('player', bag=bag, topics='/camera/image', frames=3, rate=10.0) as player:
        assert player.wait() == 0, player.text
    assert listener.stamps == expected_stamps(3)
    assert 'info' not in listener.order


def test_stamps_that_were_never_set_become_the_time_of_recording(
    tmp_path: Path, client: Client
) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        data = image_message(np.zeros((4, 4), np.uint8), 'mono8', 0)
        assert read_stamp(data) == 0
        writer.write('/camera/image', IMAGE, 7 * 10**9, data)
    listener = Listener(client)
    with NodeProcess('player', bag=tmp_path / 'bag') as player:
        assert player.wait() == 0, player.text
    assert listener.stamps == [7 * 10**9]


@pytest.mark.parametrize('times', [1, 3])
@pytest.mark.parametrize('mode', ['waiting', 'realtime', 'lockstep'])
def test_interrupts_end_the_player_cleanly(
    bag: Path, client: Client, mode: str, times: int
) -> None:
    parameters: dict[str, Any] = {'bag': bag, 'rate': 0.05}
    if mode == 'waiting':
        parameters['subscribers'] = 5
    if mode == 'lockstep':
        parameters |= {'mode': 'lockstep', 'wait_for': '/answer'}
    listener = Listener(client)
    with NodeProcess('player', **parameters) as player:
        until(lambda: client.node.count_publishers('/camera/image'))
        if mode != 'waiting':
            until(lambda: listener.images)
        player.interrupt(times)
        assert player.wait(10) == 0, player.text
    assert 'Traceback' not in player.text


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('', 'no bag was given'),
        ('nowhere', 'does not exist'),
        ('rubbish.mcap', 'damaged'),
        ('empty', 'no .mcap|without .mcap'),
    ],
)
def test_what_cannot_be_played_is_named(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / 'rubbish.mcap').write_bytes(b'rubbish')
    (tmp_path / 'empty').mkdir()
    with NodeProcess('player', bag=str(tmp_path / name) if name else '') as player:
        assert player.wait() == 2, player.text
    assert any(word in player.text for word in words.split('|'))
    assert 'Traceback' not in player.text


def test_parameters_are_checked_and_described(client: Client, bag: Path) -> None:
    for parameters, words in (
        ({'mode': 'fast'}, 'expected one of: realtime, lockstep'),
        ({'rate': 0.0}, 'rate'),
        ({'topics': '/none'}, 'has no topic /none'),
        ({'image_topic': '/none'}, 'no images on /none'),
    ):
        with NodeProcess('player', bag=bag, **parameters) as player:
            assert player.wait() == 2, player.text
        assert words in player.text
        assert 'Traceback' not in player.text
