# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The player node: a bag's messages on their topics, at their pace or in lock-step."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from std_msgs.msg import String

from anomaly_seg_ros.bags.cdr import NANOSECONDS, read_stamp
from anomaly_seg_ros.bags.reader import Bag, RawMessage
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.nodes.answers import Answers
from anomaly_seg_ros.nodes.message_types import message_class
from anomaly_seg_ros.nodes.parameters import Parameters
from anomaly_seg_ros.nodes.playback import Playback, ReplayError, StoppedError
from anomaly_seg_ros.nodes.player_parameters import LOCKSTEP, PlayerParameters
from anomaly_seg_ros.nodes.player_status import (
    FAILED,
    FINISHED,
    PLAYING,
    WAITING,
    PlayerStatus,
)
from anomaly_seg_ros.nodes.qos import image_qos, latched_qos
from anomaly_seg_ros.nodes.running import run_node
from anomaly_seg_ros.sources.bag import choose_image_topic

_LOOK = 0.05
_OTHER_DEPTH = 10
_FLUSH_SECONDS = 2.0


class PlayerNode(Node):
    """Play a bag, tell about it on the latched topic ``~/status``, then end the process.

    Messages are sent as they were recorded, byte by byte; only a stamp that was never set, and
    stamps of a bag that loops, are replaced.

    Args:
        options: Keyword arguments of `rclpy.node.Node`.

    Raises:
        AnomalySegError: The bag cannot be played.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('player', **options)
        self.exit_code = 0
        self._options = Parameters(self, PlayerParameters, lambda _: None).current
        if not self._options.bag:
            msg = 'no bag was given: expected the parameter bag, for example -p bag:=drive.mcap'
            raise ReplayError(msg)
        self._bag = Bag(Path(self._options.bag))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._ready_since: float | None = None
        self._born = time.monotonic()
        self._answer_subscriptions: dict[str, Any] = {}
        self._topics, self._image_topic = self._choose_topics()
        self._outputs = {name: self._make_publisher(name) for name in self._topics}
        self._clock_output = (
            self.create_publisher(ClockMessage, '/clock', 10) if self._options.clock else None
        )
        self._status_output = self.create_publisher(String, '~/status', latched_qos())
        self._wait_for = self._resolve(self._options.wait_for)
        self._answers = Answers(self._wait_for)
        count = self._bag.topics[self._image_topic].messages
        self._total = min(count, self._options.frames or count)
        self._tell(WAITING)
        # In steady time: this node itself makes the simulated one.
        self._timer = self.create_timer(
            _LOOK, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """Stop playing and wait for the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._bag.close()

    def publish(self, message: RawMessage) -> None:
        """Send a recorded message."""
        self._outputs[message.topic].publish(bytes(message.data))

    def publish_clock(self, stamp: int) -> None:
        """Send the time of the bag in nanoseconds."""
        if self._clock_output is not None:
            message = ClockMessage()
            message.clock.sec, message.clock.nanosec = divmod(max(stamp, 0), NANOSECONDS)
            self._clock_output.publish(message)

    def listeners(self) -> int:
        """Return the number of subscribers of the image topic."""
        return int(self._outputs[self._image_topic].get_subscription_count())

    def played(self, sent: int) -> None:
        """Note that an image was sent (and answered, in lock-step)."""
        if self._options.print_progress:
            print(f'played {sent}/{self._total}', flush=True)

    def warn(self, text: str) -> None:
        """Log a warning."""
        self.get_logger().warning(text)

    def _resolve(self, names: str) -> list[str]:
        return [str(self.resolve_topic_name(n.strip())) for n in names.split(',') if n.strip()]

    def _choose_topics(self) -> tuple[list[str], str]:
        parameters = self._options
        found = self._bag.topics
        image_topic = choose_image_topic(found, parameters.image_topic or None, self._bag.path)
        wanted = [name.strip() for name in parameters.topics.split(',') if name.strip()]
        missing = [name for name in wanted if name not in found]
        if missing:
            msg = f'{self._bag.path} has no topic {missing[0]}; it has: {", ".join(found)}'
            raise ReplayError(msg)
        names = []
        for name in wanted or found:
            # A second clock would make time jump between the bag's and ours.
            if name == '/clock' and parameters.clock:
                continue
            if message_class(found[name].type_name) is None:
                self.warn(f'{name} is not played: {found[name].type_name} is not installed')
                continue
            names.append(name)
        return list(dict.fromkeys([*names, image_topic])), image_topic

    def _make_publisher(self, name: str) -> Any:
        topic = self._bag.topics[name]
        if topic.latched:
            qos = latched_qos(_OTHER_DEPTH)
        elif name == self._image_topic:
            qos = image_qos(self._options.image_reliability)
        else:
            qos = image_qos(depth=_OTHER_DEPTH)
        return self.create_publisher(message_class(topic.type_name), name, qos)

    def _look(self) -> None:
        """Start the thread as soon as everybody is there."""
        missing = self._missing()
        now = time.monotonic()
        if missing:
            self._ready_since = None
            limit = self._options.subscriber_timeout
            if limit and now - self._born > limit:
                self.destroy_timer(self._timer)
                self._end(f'gave up after {limit:g} s: {missing}', 1)
            return
        self._ready_since = self._ready_since or now
        if now - self._ready_since >= self._options.start_delay:
            self.destroy_timer(self._timer)
            self._thread = threading.Thread(target=self._play, name='playback')
            self._thread.start()

    def _missing(self) -> str:
        """Return what the replay still waits for, or nothing."""
        if self.listeners() < self._options.subscribers:
            return (
                f'{self._image_topic} has {self.listeners()} of {self._options.subscribers} '
                'subscribers; is the detector active, and is its image topic remapped to this one?'
            )
        if self._options.mode != LOCKSTEP:
            return ''
        silent = [name for name in self._wait_for if not self._hears(name)]
        if silent:
            return f'nobody publishes {", ".join(silent)}, whose answers lock-step needs'
        return ''

    def _hears(self, topic: str) -> bool:
        """Subscribe to an answering topic as soon as its type is known; tell if it has matched."""
        subscription = self._answer_subscriptions.get(topic)
        if subscription is None:
            types = dict(self.get_topic_names_and_types()).get(topic, [])
            found = message_class(types[0]) if len(types) == 1 else None
            if found is None:
                return False
            self._answer_subscriptions[topic] = self.create_subscription(
                found,
                topic,
                lambda data, name=topic: self._answers.answered(name, read_stamp(data)),
                image_qos(depth=_OTHER_DEPTH),
                raw=True,
            )
            return False
        if hasattr(subscription, 'get_publisher_count'):
            return bool(subscription.get_publisher_count())
        return self.count_publishers(topic) > 0  # Humble

    def _play(self) -> None:
        playback = Playback(
            self._bag,
            self._topics,
            self._image_topic,
            self._options,
            self,
            self._answers,
            self._stop,
        )
        error, code = '', 0
        self._tell(PLAYING)
        self.get_logger().info(
            f'playing {self._total} images of {self._image_topic} from {self._bag.path} '
            f'({self._options.mode})'
        )
        try:
            playback.run()
        except StoppedError:
            return
        except ReplayError as problem:
            error, code = str(problem), 1
        except AnomalySegError as problem:
            error, code = str(problem), 2
        except Exception:  # noqa: BLE001 - a thread has nobody else to tell
            if self._stop.is_set() or not self.context.ok():
                return
            error, code = traceback.format_exc(), 1
        if not error and playback.lost:
            error, code = f'{playback.lost} of {playback.sent} images were lost', 1
        self._end(error, code, playback.sent, playback.lost)

    def _tell(self, state: str, sent: int = 0, lost: int = 0, error: str = '') -> None:
        found = self._bag.topics
        images = found[self._image_topic].messages
        status = PlayerStatus(
            state=state,
            mode=self._options.mode,
            frames=self._total,
            sent=sent,
            lost=lost,
            topics=self._topics,
            per_frame=[name for name in self._topics if found[name].messages == images],
            error=error,
        )
        self._status_output.publish(String(data=status.to_json()))

    def _end(self, error: str, code: int, sent: int = 0, lost: int = 0) -> None:
        """Tell the result and end the process."""
        self.exit_code = code
        try:
            if error:
                self.get_logger().error(error)
            else:
                self.get_logger().info(f'finished: {sent} images sent, {lost} lost')
            self._tell(FAILED if error else FINISHED, sent, lost, error)
            # Messages die with their publisher; the last ones must arrive first.
            for publisher in (self._outputs[self._image_topic], self._status_output):
                publisher.wait_for_all_acked(Duration(seconds=_FLUSH_SECONDS))
        except Exception:
            if self.context.ok():
                raise
        finally:
            self.context.try_shutdown()


def run(args: Sequence[str] | None = None) -> int:
    """Play the bag; return 0, 1 when images were lost, 2 when the bag cannot be played."""
    nodes: list[PlayerNode] = []

    def make_node() -> PlayerNode:
        nodes.append(PlayerNode())
        return nodes[0]

    return run_node(make_node, args) or (nodes[0].exit_code if nodes else 0)
