# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluator as a real process, fed by a client that plays detector and player."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_seg_ros.bags import Bag
from anomaly_seg_ros.metrics import AnomalyMetrics, ConfusionMatrix

pytest.importorskip('rclpy')
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger
from support.node_process import Client, NodeProcess, until

from anomaly_seg_ros.nodes.image_conversion import to_message
from anomaly_seg_ros.nodes.player_status import FINISHED, PLAYING, PlayerStatus
from anomaly_seg_ros.nodes.qos import image_qos, latched_qos

pytestmark = pytest.mark.ros
TOPICS = {
    'image': '/image',
    'true_labels': '/ground_truth/labels',
    'true_anomaly': '/ground_truth/anomaly',
    'labels': '/detector/labels',
    'score': '/detector/anomaly_score',
}
SHAPE = (12, 16)


class Chain:
    """Publishes what a player and a detector would."""

    def __init__(self, client: Client) -> None:
        node = client.node
        self._client = client
        self._publishers = {
            name: node.create_publisher(Image, topic, image_qos(depth=20))
            for name, topic in TOPICS.items()
        }
        self._status = node.create_publisher(String, '/player/status', latched_qos())
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.answers: list[int] = []
        self._processed = node.create_subscription(
            Header,
            '/evaluator/processed',
            lambda m: self.answers.append(m.stamp.sec * 10**9 + m.stamp.nanosec),
            image_qos(depth=50),
        )

    def withhold(self, name: str) -> None:
        """Publish this topic no longer."""
        self._client.node.destroy_publisher(self._publishers.pop(name))

    def offer(self, name: str) -> None:
        """Publish it again."""
        self._publishers[name] = self._client.node.create_publisher(
            Image, TOPICS[name], image_qos(depth=20)
        )

    def is_heard(self) -> bool:
        """Tell whether an evaluator hears everything, answering or not."""
        return all(count == 1 for name, count in self._matches().items() if name != 'processed')

    def answers_are_offered(self) -> bool:
        """Tell whether an evaluator answers."""
        return self._matches()['processed'] == 1

    def is_alone(self) -> bool:
        """Tell whether there is no evaluator; one that was killed stays for 20 s."""
        return set(self._matches().values()) == {0}

    def connect(self) -> None:
        """Wait until the evaluator hears everything and can answer."""
        until(lambda: set(self._matches().values()) == {1}, 30.0, self._state)
        time.sleep(0.3)

    def expect(self, stamps: list[int]) -> None:
        """Wait until just these frames are answered."""
        until(lambda: self.answers == stamps, words=self._state)

    def _matches(self) -> dict[str, int]:
        """Return how many hear each topic, and how many answer."""
        publishers = {**self._publishers, 'status': self._status, 'diagnostics': self._diagnostics}
        # The graph knows a publisher before the subscription is matched; Humble tells no more.
        if hasattr(self._processed, 'get_publisher_count'):
            answering = self._processed.get_publisher_count()
        else:
            answering = self._client.node.count_publishers('/evaluator/processed')
        counts = {name: p.get_subscription_count() for name, p in publishers.items()}
        return {**counts, 'processed': answering}

    def _state(self) -> str:
        """Say what there is instead of what is waited for."""
        return f'answered {self.answers}; who listens and answers: {self._matches()}'

    def send(self, stamp: int, leave_out: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
        """Send one frame, all but some of its messages; return its maps."""
        maps = frame(stamp) | changes
        for name, (array, encoding) in maps.items():
            if name not in leave_out:
                header = Header()
                header.stamp.sec, header.stamp.nanosec = divmod(stamp, 10**9)
                self._publishers[name].publish(to_message(array, encoding, header))
        return maps

    def tell(
        self, state: str, sent: int = 0, truth: tuple[str, ...] = (), error: str = ''
    ) -> None:
        """Send the player's status."""
        names = [TOPICS[name] for name in truth]
        status = PlayerStatus(state, 'lockstep', 5, sent, 0, names, names, error)
        self._status.publish(String(data=status.to_json()))

    def diagnose(self, **counters: int) -> None:
        """Send what the detector counts."""
        values = [KeyValue(key=key, value=str(value)) for key, value in counters.items()]
        status = DiagnosticStatus(name='detector: frames', values=values, level=b'\x00')
        self._diagnostics.publish(DiagnosticArray(status=[status]))


def frame(stamp: int) -> dict[str, Any]:
    """Return the maps of one frame with their encodings."""
    rng = np.random.default_rng(stamp % 2**32)
    return {
        'image': (rng.integers(0, 256, (*SHAPE, 3)).astype(np.uint8), 'rgb8'),
        'true_labels': (rng.choice(np.array([0, 5, 18, 255], np.uint8), SHAPE), 'mono8'),
        'true_anomaly': (rng.choice(np.array([0, 1, 255], np.uint8), SHAPE), 'mono8'),
        'labels': (rng.integers(0, 19, SHAPE).astype(np.uint8), 'mono8'),
        'score': (rng.normal(size=SHAPE).astype(np.float32), '32FC1'),
    }


def figures(stamps: list[int]) -> dict[str, Any]:
    """Return the figures of some frames, computed here."""
    anomaly, confusion = AnomalyMetrics(), ConfusionMatrix(19)
    for stamp in stamps:
        maps = {name: array for name, (array, _) in frame(stamp).items()}
        anomaly.update(maps['score'], maps['true_anomaly'])
        confusion.update(maps['labels'], maps['true_labels'])
    found = anomaly.compute().as_dict()
    return {**{k: found[k] for k in ('auroc', 'ap', 'fpr95')}, 'miou': confusion.compute().miou}


@pytest.fixture
def chain(ros: None) -> Iterator[Chain]:
    """A client that publishes, where no evaluator is left."""
    client = Client()
    made = Chain(client)
    until(made.is_alone, 30.0)
    yield made
    client.close()


def read(path: Path) -> dict[str, Any]:
    """Return the figures that the evaluator wrote."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_figures_losses_and_answers_of_a_replay(chain: Chain, tmp_path: Path) -> None:
    out = tmp_path / 'figures.json'
    truth = ('true_labels', 'true_anomaly')
    with NodeProcess('evaluator', output=out, grace=0.5) as evaluator:
        chain.connect()
        chain.tell(PLAYING, truth=truth)
        chain.diagnose(received=7, skipped=4, processed=3)
        time.sleep(0.3)
        stamps = [10**9 * index + 3 for index in range(1, 6)]
        chain.send(stamps[0])
        chain.send(stamps[1])
        chain.expect(stamps[:2])
        # Not answered before its ground truth has come.
        chain.send(stamps[2], leave_out=('true_anomaly',))
        time.sleep(0.3)
        assert chain.answers == stamps[:2]
        chain.send(stamps[2])
        chain.expect(stamps[:3])
        chain.send(stamps[3], leave_out=('labels', 'score'))
        chain.send(stamps[4], leave_out=('labels', 'score'))
        chain.diagnose(received=12, skipped=5, processed=6)
        time.sleep(0.2)
        chain.tell(FINISHED, sent=5, truth=truth)
        assert evaluator.wait() == 0, evaluator.text
    found = read(out)
    assert {k: found[k] for k in ('auroc', 'ap', 'fpr95', 'miou')} == figures(stamps[:3])
    assert (found['frames_in'], found['frames_out']) == (5, 3)
    assert (found['skipped'], found['lost'], found['rejected']) == (1, 1, 0)
    assert found['unmatched'] == {'anomaly_score': 2}
    assert found['duplicates'] > 0
    assert found['complete'] is True
    assert found['latency_ms']['p50'] > 0
    assert 'frames    3 of 5 (1 skipped, 1 lost)' in evaluator.text


def test_answers_are_offered_once_images_are_heard(chain: Chain, tmp_path: Path) -> None:
    chain.withhold('image')
    chain.tell(PLAYING, truth=('image', 'true_labels', 'true_anomaly'))
    with NodeProcess('evaluator', output=tmp_path / 'figures.json'):
        until(chain.is_heard, 30.0)
        time.sleep(0.5)
        assert not chain.answers_are_offered()
        chain.offer('image')
        chain.connect()


def test_without_ground_truth_only_times_are_told(chain: Chain, tmp_path: Path) -> None:
    out = tmp_path / 'figures.json'
    with NodeProcess(
        'evaluator',
        output=out,
        output_bag=tmp_path / 'outputs',
        record='labels',
        ground_truth='none',
    ) as evaluator:
        chain.connect()
        for stamp in (1, 2, 3):
            chain.send(stamp, leave_out=('true_labels', 'true_anomaly'))
            chain.expect(list(range(1, stamp + 1)))
        chain.tell(FINISHED, sent=3)
        assert evaluator.wait() == 0, evaluator.text
    found = read(out)
    assert [found[k] for k in ('auroc', 'ap', 'fpr95', 'miou')] == [None] * 4
    assert (found['frames_in'], found['frames_out'], found['lost']) == (3, 3, 0)
    assert found['rate_hz'] > 0
    with Bag(tmp_path / 'outputs') as bag:
        assert [t.name for t in bag.topics.values()] == ['/detector/labels']
        assert [m.stamp for m in bag.messages()] == [1, 2, 3]


def test_messages_that_cannot_be_evaluated_are_named_and_the_next_frame_counts(
    chain: Chain, tmp_path: Path
) -> None:
    out = tmp_path / 'figures.json'
    truth = ('true_labels', 'true_anomaly')
    wrong = (np.full(SHAPE, 99, np.uint8), 'mono8')
    small = (np.zeros((2, 2), np.float32), '32FC1')
    with NodeProcess('evaluator', output=out) as evaluator:
        chain.connect()
        chain.tell(PLAYING, truth=truth)
        time.sleep(0.3)
        chain.send(1, true_labels=wrong)
        chain.expect([1])
        chain.send(2, score=small)
        chain.expect([1, 2])
        chain.send(3)
        chain.expect([1, 2, 3])
        chain.tell(FINISHED, sent=3, truth=truth)
        assert evaluator.wait() == 0, evaluator.text
    found = read(out)
    assert found['frames_not_evaluated'] == 2
    assert '[99]' in found['problems'][0]
    assert 'shape (2, 2)' in found['problems'][1]
    assert found['frames_with_anomaly'] == 1
    assert found['ap'] == figures([3])['ap']
    assert 'Traceback' not in evaluator.text


def test_the_buffer_is_bounded(chain: Chain, tmp_path: Path) -> None:
    out = tmp_path / 'figures.json'
    with NodeProcess('evaluator', output=out, buffer=4, ground_truth='none', grace=0.2) as node:
        chain.connect()
        for stamp in range(1, 11):
            chain.send(stamp, leave_out=('score', 'true_labels', 'true_anomaly'))
            time.sleep(0.02)
        time.sleep(0.3)
        chain.send(10)
        chain.expect([10])
        chain.tell(FINISHED, sent=10)
        assert node.wait() == 0, node.text
    assert read(out)['unmatched'] == {'anomaly_score': 9}


def test_the_service_and_silence_finish_too(chain: Chain, tmp_path: Path) -> None:
    out = tmp_path / 'figures.json'
    with NodeProcess('evaluator', output=out, ground_truth='none') as evaluator:
        chain.connect()
        chain.send(1)
        chain.expect([1])
        finish = chain._client.node.create_client(Trigger, '/evaluator/finish')
        assert finish.wait_for_service(20.0)
        future = finish.call_async(Trigger.Request())
        assert evaluator.wait() == 0, evaluator.text
        assert future.done()
        assert future.result().success
    assert read(out)['frames_out'] == 1
    chain.answers.clear()
    with NodeProcess('evaluator', output=out, ground_truth='none', idle_timeout=1.0) as evaluator:
        chain.connect()
        chain.send(5)
        assert evaluator.wait() == 0, evaluator.text
    assert read(out)['frames_out'] == 1


def test_a_replay_that_failed_is_told_as_incomplete(chain: Chain, tmp_path: Path) -> None:
    out = tmp_path / 'figures.json'
    with NodeProcess('evaluator', output=out, grace=0.1) as evaluator:
        chain.connect()
        chain.send(1)
        chain.tell('failed', sent=2, error='the bag is damaged')
        assert evaluator.wait() == 0, evaluator.text
    found = read(out)
    assert (found['complete'], found['error']) == (False, 'the bag is damaged')


@pytest.mark.parametrize('times', [1, 3])
def test_interrupts_end_the_evaluator_with_a_report(
    chain: Chain, tmp_path: Path, times: int
) -> None:
    out = tmp_path / 'figures.json'
    with NodeProcess(
        'evaluator', output=out, output_bag=tmp_path / 'outputs', record='labels'
    ) as evaluator:
        chain.connect()
        chain.send(1)
        chain.expect([1])
        # It answers before it evaluates and records; the interrupt comes in between.
        evaluator.interrupt(times)
        assert evaluator.wait(15) == 0, evaluator.text
    assert 'Traceback' not in evaluator.text
    assert (read(out)['frames_out'], read(out)['complete']) == (1, False)
    with Bag(tmp_path / 'outputs') as bag:
        assert len(list(bag.messages())) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['figures.json', 'outputs']


def test_paths_that_cannot_be_written_are_named(ros: None, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('no folder')
    with NodeProcess('evaluator', output_bag=tmp_path / 'file') as evaluator:
        assert evaluator.wait() == 2
    assert 'is no bag' in evaluator.text
    assert 'Traceback' not in evaluator.text


def test_an_output_that_never_comes_is_not_waited_for(chain: Chain, tmp_path: Path) -> None:
    with NodeProcess(
        'evaluator',
        output_bag=tmp_path / 'outputs',
        record='labels,anomaly_mask',
        ground_truth='none',
    ) as evaluator:
        chain._client.node.create_publisher(Image, '/detector/anomaly_mask', image_qos())
        chain.connect()
        chain.send(1, leave_out=('true_labels', 'true_anomaly'))
        chain.expect([1])
        chain.tell(FINISHED, sent=1)
        assert evaluator.wait() == 0, evaluator.text
    assert 'does not publish anomaly_mask' in evaluator.text
    with Bag(tmp_path / 'outputs') as bag:
        assert [t.name for t in bag.topics.values()] == ['/detector/labels']
