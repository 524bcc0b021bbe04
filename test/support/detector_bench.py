# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A live detector node and a client beside it, on the real middleware, for tests."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from anomaly_seg_ros.nodes.detector_node import DetectorNode
from anomaly_seg_ros.nodes.image_conversion import to_message
from anomaly_seg_ros.nodes.label_info import label_info_class
from anomaly_seg_ros.nodes.qos import image_qos, latched_qos

_NAMESPACES = itertools.count()
TIMEOUT = 20.0


class DetectorBench:
    """A detector node in this process with a client node; a thread spins both.

    Args:
        bundle: Path of the bundle.
        reliability: Of the client's image publisher.
        wait: Whether to wait until the node subscribes.
        remap: Remappings, as ``from:=to``.
        parameters: Parameters of the node.
    """

    def __init__(
        self,
        bundle: Any,
        *,
        reliability: str = 'reliable',
        wait: bool = True,
        remap: Sequence[str] = (),
        **parameters: Any,
    ) -> None:
        self.namespace = f'/bench{next(_NAMESPACES)}'
        values = {'bundle': str(bundle), 'diagnostic_period': 0.1, 'threads': 1, **parameters}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        rules = [word for rule in remap for word in ('-r', rule)]
        self.node = DetectorNode(
            namespace=self.namespace,
            parameter_overrides=overrides,
            cli_args=['--ros-args', *rules] if rules else None,
        )
        self.client = Node('client', namespace=self.namespace)
        self.images = self.client.create_publisher(Image, 'image', image_qos(reliability))
        self.compressed = self.client.create_publisher(
            CompressedImage, 'image/compressed', image_qos(reliability)
        )
        self.infos = self.client.create_publisher(CameraInfo, 'camera_info', image_qos(depth=10))
        self.received: dict[str, list[Any]] = {}
        self.diagnostics: list[DiagnosticArray] = []
        self._sent = 0
        self.client.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._subscriptions: dict[str, Any] = {}
        self._seconds = itertools.count(1)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._executor.add_node(self.client)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()
        if wait:
            publisher = (
                self.compressed
                if parameters.get('image_transport') == 'compressed'
                else self.images
            )
            self.wait(lambda: publisher.get_subscription_count() == 1, 'the node subscribes')

    def close(self) -> None:
        """End both nodes."""
        self._executor.shutdown()
        self._thread.join(TIMEOUT)
        self.node.close()
        self.node.destroy_node()
        self.client.destroy_node()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        if message.status and message.status[0].hardware_id == f'{self.namespace[1:]}/detector':
            self.diagnostics.append(message)

    def wait(self, ready: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
        """Wait until something is true; fail with words after the time."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            result = ready()
            if result:
                return result
            time.sleep(0.002)
        msg = f'{what}: not within {timeout} s'
        raise AssertionError(msg)

    def subscribe(self, *names: str) -> None:
        """Listen to results; returns when the node knows of it."""
        kinds = {'label_info': label_info_class(), 'camera_info': CameraInfo}
        for name in names:
            messages = self.received.setdefault(name, [])
            qos = latched_qos() if name == 'label_info' else image_qos(depth=10)
            self._subscriptions[name] = self.client.create_subscription(
                kinds.get(name, Image), f'detector/{name}', messages.append, qos
            )
        images = {name for name in self._subscriptions if name not in kinds}
        self.wait(lambda: images <= self.node._outputs.wanted(), 'the node sees its subscribers')

    def unsubscribe(self, name: str) -> None:
        """Stop listening."""
        self.client.destroy_subscription(self._subscriptions.pop(name))
        self.wait(lambda: name not in self.node._outputs.wanted(), 'the node sees nobody')

    def header(self) -> Header:
        """Return a header with a stamp of its own."""
        header = Header(frame_id='camera_optical')
        header.stamp.sec = next(self._seconds)
        header.stamp.nanosec = 123456789
        return header

    def image(self, array: Any, encoding: str = 'rgb8') -> Image:
        """Make an image message with a stamp of its own."""
        return to_message(array, encoding, self.header())

    def send(self, message: Any) -> Any:
        """Publish an image or compressed image."""
        publisher = self.images if isinstance(message, Image) else self.compressed
        self._sent = len(self.diagnostics)
        publisher.publish(message)
        return message

    def result(self, name: str, message: Any, timeout: float = TIMEOUT) -> Any:
        """Wait for the result of a message."""
        return self.wait(
            lambda: next((m for m in self.received[name] if m.header == message.header), None),
            f'{name} of {message.header.stamp}',
            timeout,
        )

    def serves(self, message: Any, name: str = 'labels') -> Any:
        """Publish a message and wait for its result."""
        self.send(message)
        return self.result(name, message)

    def counts(self) -> dict[str, int]:
        """Return the node's counters at this moment."""
        return self.node._statistics.snapshot(time.monotonic()).counts

    def status(
        self, task: str, condition: Callable[[DiagnosticStatus], bool] | None = None
    ) -> DiagnosticStatus:
        """Wait for diagnostics of a task.

        With a condition it may have been published at any time after the last image was sent,
        without one it is published from now on.
        """
        seen = self._sent if condition else len(self.diagnostics)

        def find() -> DiagnosticStatus | None:
            for message in self.diagnostics[seen:]:
                for status in message.status:
                    if not status.name.endswith(f': {task}'):
                        continue
                    if condition is None or condition(status):
                        return status
            return None

        return self.wait(find, f'diagnostics of {task}')

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Call a service of the node and return its response."""
        client = self.client.create_client(kind, f'detector/{service}')
        assert client.wait_for_service(TIMEOUT)
        future = client.call_async(request)
        self.wait(future.done, service)
        self.client.destroy_client(client)
        return future.result()

    def set(self, name: str, value: Any) -> Any:
        """Set a parameter through the node's service; return (successful, reason)."""
        from rcl_interfaces.srv import SetParameters

        parameter = Parameter(name, value=value).to_parameter_msg()
        response = self.call(
            SetParameters, 'set_parameters', SetParameters.Request(parameters=[parameter])
        )
        return response.results[0].successful, response.results[0].reason

    def change_state(self, label: str) -> bool:
        """Take a transition through the node's service; return whether it succeeded."""
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request()
        request.transition.label = label
        return bool(self.call(ChangeState, 'change_state', request).success)

    def state(self) -> str:
        """Return the life cycle state that the node's service tells."""
        from lifecycle_msgs.srv import GetState

        return str(self.call(GetState, 'get_state', GetState.Request()).current_state.label)


class RecordingEngine:
    """The real engine of a pipeline, which notes every run and can be slowed down."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.runs: list[tuple[str, ...]] = []
        self.delay = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, image: Any, outputs: Sequence[str]) -> dict[str, Any]:
        self.runs.append(tuple(outputs))
        time.sleep(self.delay)
        return dict(self._engine.run(image, outputs))


def record(bench: DetectorBench) -> RecordingEngine:
    """Put a recorder around the engine of a bench."""
    pipeline = bench.node._pipeline
    recorder = RecordingEngine(pipeline.engine)
    pipeline.engine = recorder
    return recorder
