# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluator node: the detector's outputs against ground truth, as they pass by."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger

from anomaly_seg_ros.bags.cdr import read_stamp
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.nodes.detector_counters import DetectorCounters
from anomaly_seg_ros.nodes.evaluation import (
    IMAGE,
    LABELS,
    SCORE,
    TRUE_ANOMALY,
    TRUE_LABELS,
    Evaluation,
    in_words,
)
from anomaly_seg_ros.nodes.evaluator_parameters import EvaluatorParameters
from anomaly_seg_ros.nodes.frame_book import Entry, FrameBook
from anomaly_seg_ros.nodes.output_recorder import OutputRecorder
from anomaly_seg_ros.nodes.parameters import Parameters
from anomaly_seg_ros.nodes.player_status import PlayerStatus
from anomaly_seg_ros.nodes.qos import image_qos, latched_qos
from anomaly_seg_ros.nodes.running import run_node

_TICK = 0.05
_NEVER = 3.0
"""Seconds after which an output that was never published is not waited for any more."""
_SETTLE = 5.0
"""Seconds for which the player's topics may take to connect, once the detector's have."""
_TRUTH = {
    'none': (),
    'labels': (TRUE_LABELS,),
    'anomaly': (TRUE_ANOMALY,),
    'both': (TRUE_LABELS, TRUE_ANOMALY),
}
_DEPTH = 10
"""Deeper than a camera's 1: evaluating must not add losses of its own."""


class EvaluatorNode(Node):
    """Pair outputs and ground truth by their stamps, pool the figures, report, end the process.

    It ends when the player has finished, when the service ``~/finish`` is called, after
    `idle_timeout`, or on an interrupt; it reports in every case. On ``~/processed`` it answers
    each complete frame with a header of its stamp; the topic appears once the detector's outputs
    and what the player sends are connected, so a player in lock-step that waits for it loses no
    frame, and every frame has the time of its image.

    Args:
        options: Keyword arguments of `rclpy.node.Node`.

    Raises:
        AnomalySegError: The output bag cannot be made.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('evaluator', **options)
        self.exit_code = 0
        self._options = Parameters(self, EvaluatorParameters, lambda _: None).current
        self._evaluation = Evaluation(self._options.classes, self._options.max_pixels)
        self._status: PlayerStatus | None = None
        self._images = 0
        self._first_image: int | None = None
        self._over_since: float | None = None
        self._finish_requested = False
        self._over = False
        self._complete = False
        self._last_message = time.monotonic()
        self._last_progress = time.monotonic()
        self._processed: Any = None
        self._recorder = self._make_recorder()
        recorded = self._recorder.kinds if self._recorder is not None else frozenset()
        outputs = tuple(dict.fromkeys((LABELS, SCORE, *sorted(recorded))))
        self._book = FrameBook(outputs, self._options.buffer)
        self._base = frozenset(outputs)
        self._seen: set[str] = set()
        self._unseen_since: float | None = None
        self._counters = DetectorCounters(
            self, str(self.resolve_topic_name(self._options.detector))
        )
        self._topics = {
            TRUE_LABELS: str(self.resolve_topic_name(TRUE_LABELS)),
            TRUE_ANOMALY: str(self.resolve_topic_name(TRUE_ANOMALY)),
        }
        self._output_subscriptions = [
            self._subscribe(Image, self._output_topic(kind), kind) for kind in outputs
        ]
        self._input_subscriptions = self._subscribe_inputs()
        self._outputs_since: float | None = None
        self.create_service(Trigger, '~/finish', self._on_finish)
        self.create_timer(_TICK, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f'evaluating the outputs of {self._options.detector}')

    def close(self) -> None:
        """Report and write the files; interrupts are ignored by now."""
        self._over = True
        self._book.give_up()
        summary = self._summary()
        try:
            if self._options.output:
                write_json(self._options.output, summary)
            if self._recorder is not None:
                self._recorder.close()
        except (AnomalySegError, OSError) as error:
            print(f'evaluator: error: {error}', file=sys.stderr)
            self.exit_code = 2
        print(in_words(summary), flush=True)

    def _output_topic(self, kind: str) -> str:
        return str(self.resolve_topic_name(f'{self._options.detector}/{kind}'))

    def _make_recorder(self) -> OutputRecorder | None:
        options = self._options
        if not options.output_bag:
            return None
        kinds = [name.strip() for name in options.record.split(',') if name.strip()]
        topics = {kind: self._output_topic(kind) for kind in kinds}
        return OutputRecorder(options.output_bag, options.output_bag_storage, topics)

    def _subscribe_inputs(self) -> list[Any]:
        topic, kind = str(self.resolve_topic_name('image')), Image
        if self._options.image_transport == 'compressed':
            topic, kind = f'{topic}/compressed', CompressedImage
        self.create_subscription(
            String, f'{self._options.player}/status', self._on_status, latched_qos()
        )
        return [
            self._subscribe(kind, topic, IMAGE),
            *(self._subscribe(Image, name, truth) for truth, name in self._topics.items()),
        ]

    def _subscribe(self, message_class: Any, topic: str, kind: str) -> Any:
        """Subscribe to serialised messages: most are only stored, or never opened at all."""

        def receive(data: bytes, info: Any) -> None:
            self._on_message(kind, data, info)

        qos = image_qos(self._options.reliability, _DEPTH)
        return self.create_subscription(message_class, topic, receive, qos, raw=True)

    def _on_message(self, kind: str, data: bytes, info: Any) -> None:
        if self._over:
            return
        self._last_message = time.monotonic()
        stamp = read_stamp(data)
        if kind == IMAGE:
            self._images += 1
            if self._first_image is None:
                self._first_image = stamp
                self._counters.begin()
            data = b''
        self._seen.add(kind)
        moment = _time(kind, info)
        entry = self._book.add(kind, stamp, data, moment)
        if entry is not None:
            self._on_complete(entry)
        elif kind == IMAGE:
            self._evaluation.came_late(stamp, moment)

    def _on_complete(self, entry: Entry) -> None:
        self._evaluation.arrived(entry)
        if self._processed is not None:
            header = Header()
            header.stamp.sec, header.stamp.nanosec = divmod(entry.stamp, 10**9)
            # Answered before evaluating, so that the next image is under way meanwhile.
            self._processed.publish(header)
        problem = self._evaluation.evaluate(entry)
        if problem:
            self.get_logger().error(problem, throttle_duration_sec=5.0)
        if self._recorder is not None:
            try:
                self._recorder.write(entry)
            except AnomalySegError as error:
                self.get_logger().error(f'{error}; no more outputs are recorded')
                self.exit_code = 1
                self._recorder.abort()
                self._recorder = None

    def _on_status(self, message: Any) -> None:
        status = PlayerStatus.from_json(message.data)
        if status is None:
            return
        self._status = status
        self._require_truth()
        if status.over and self._over_since is None:
            self._over_since = time.monotonic()

    def _on_finish(self, _: Any, response: Any) -> Any:
        self._finish_requested = True
        response.success = True
        response.message = f'finishing with {self._evaluation.frames} frames'
        return response

    def _require_truth(self) -> None:
        """Find out which ground truth makes a frame complete."""
        choice = self._options.ground_truth
        if choice != 'auto':
            truth = set(_TRUTH[choice])
        elif self._status is not None:
            truth = {k for k, name in self._topics.items() if name in self._status.per_frame}
        else:
            truth = {k for k, name in self._topics.items() if self.count_publishers(name)}
        required = self._base | truth
        if required != self._book.required:
            for entry in self._book.require(required):
                self._on_complete(entry)

    def _do_without(self, now: float) -> None:
        """Stop waiting for recorded outputs that the detector never publishes.

        Without a threshold, for example, there is no mask.
        """
        unseen = self._base - {LABELS, SCORE} - self._seen
        if self._recorder is None or not unseen or not self._book.waits_only_for(unseen):
            self._unseen_since = None
            return
        self._unseen_since = self._unseen_since or now
        if now - self._unseen_since > _NEVER:
            self.get_logger().warning(
                f'the detector does not publish {", ".join(sorted(unseen))}: not recorded'
            )
            self._recorder.do_without(unseen)
            self._base -= unseen
            self._require_truth()

    def _connect(self, now: float) -> None:
        """Offer answers once all outputs are connected, and what the player sends.

        A player knows of a subscription before that can hear it: images that are sent in between
        come late, after their outputs, or never, and then tell no latency.
        """
        if not all(map(self._is_connected, self._output_subscriptions)):
            self._outputs_since = None
            return
        self._outputs_since = self._outputs_since or now
        if now - self._outputs_since < _SETTLE and not all(
            self._is_connected(subscription)
            for subscription in self._input_subscriptions
            if self._status is None or subscription.topic_name in self._status.topics
        ):
            return
        self._processed = self.create_publisher(Header, '~/processed', image_qos(depth=10))

    def _is_connected(self, subscription: Any) -> bool:
        if hasattr(subscription, 'get_publisher_count'):
            return bool(subscription.get_publisher_count())
        return self.count_publishers(subscription.topic_name) > 0  # Humble

    def _tick(self) -> None:
        now = time.monotonic()
        if self._over:
            return
        if self._processed is None:
            self._connect(now)
        if self._status is None:
            self._require_truth()
        if now - self._last_progress >= self._options.progress_period:
            self._last_progress = now
            if self._images:
                self.get_logger().info(self._progress())
        self._do_without(now)
        if self._is_over(now):
            # The rest is done in `close`, which no interrupt can cut short.
            self._over = self._complete = True
            self.context.try_shutdown()

    def _is_over(self, now: float) -> bool:
        idle = self._options.idle_timeout
        if self._finish_requested or (idle and self._images and now - self._last_message > idle):
            return True
        if self._over_since is None or self._status is None:
            return False
        answered = self._evaluation.frames >= self._status.sent
        return answered or now - self._over_since >= self._options.grace

    def _progress(self) -> str:
        of = f' of {self._status.frames}' if self._status is not None else ''
        rate, latency = self._evaluation.rate, self._evaluation.latency()['p50']
        text = f'{self._evaluation.frames}{of} frames'
        if rate is not None and latency is not None:
            text += f', {rate:.1f} Hz, latency {latency:.0f} ms'
        return text

    def _summary(self) -> dict[str, Any]:
        status = self._status
        frames_in = status.sent if status is not None and status.over else self._images
        frames_in = max(frames_in, self._evaluation.frames)
        counts = self._counters.since_begin()
        skipped = min(counts['skipped'], frames_in - self._evaluation.frames)
        rejected = min(counts['rejected'], frames_in - self._evaluation.frames - skipped)
        return {
            'complete': self._complete and not (status is not None and status.error),
            'error': status.error if status is not None else '',
            'frames_in': frames_in,
            'frames_out': self._evaluation.frames,
            'lost': frames_in - self._evaluation.frames - skipped - rejected,
            'skipped': skipped,
            'rejected': rejected,
            'unmatched': dict(self._book.unmatched),
            'duplicates': self._book.duplicates,
            'detector': dict(counts),
            **self._evaluation.summary(),
        }


def _time(kind: str, info: Any) -> float:
    """Return when an image was sent or an output received, in seconds of one clock.

    The middleware's times, where it tells them, are not delayed by what this node was busy with.
    They need the publisher of the images on this machine, or clocks that agree.
    """
    times = info if isinstance(info, dict) else {}
    sent, received = times.get('source_timestamp', 0), times.get('received_timestamp', 0)
    if not sent or not received:
        return time.monotonic()
    return float(sent if kind == IMAGE else received) / 1e9


def run(args: Sequence[str] | None = None) -> int:
    """Evaluate one replay; return 0, 1 when outputs could not be recorded, 2 for bad paths."""
    nodes: list[EvaluatorNode] = []

    def make_node() -> EvaluatorNode:
        nodes.append(EvaluatorNode())
        return nodes[0]

    return run_node(make_node, args) or (nodes[0].exit_code if nodes else 0)
