# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Five hundred garbage messages: the node survives, keeps serving and keeps its memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from support.detector_process import DetectorProcess
from support.tiny_bundle import stripes

from anomaly_seg_ros.nodes.image_conversion import to_message
from anomaly_seg_ros.nodes.image_encodings import ENCODINGS
from anomaly_seg_ros.nodes.qos import image_qos

pytestmark = pytest.mark.ros

NAMESPACE = '/garbage'
MESSAGES = 500
MAX_GROWTH_MB = 5.0
MAX_BYTES = 1 << 20
MAX_SIDE = 1024
"""Of a square image with a byte per pixel, the largest that the limit of bytes allows."""

any_uint32 = st.integers(0, 2**32 - 1)
small = st.integers(0, 48)
sides = st.one_of(small, small, any_uint32)
encodings = st.one_of(
    st.sampled_from(sorted(ENCODINGS)),
    st.text(st.characters(codec='ascii', exclude_characters='\0'), max_size=300),
)


@st.composite
def images(draw: st.DrawFn) -> Image:
    """Draw any message that the type allows, often one that is nearly right."""
    message = Image(height=draw(sides), width=draw(sides), encoding=draw(encodings))
    message.is_bigendian = draw(st.integers(0, 255))
    entry = ENCODINGS.get(message.encoding)
    row = message.width * entry.pixel_bytes if entry else message.width
    message.step = draw(st.one_of(st.just(min(row, 2**32 - 1)), st.integers(0, 4096), any_uint32))
    whole = message.step * message.height
    if whole > MAX_BYTES or draw(st.integers(0, 3)) == 0:
        whole = draw(st.integers(0, 4096))
    piece = draw(st.binary(min_size=1, max_size=64))
    message.data.frombytes((piece * (whole // len(piece) + 1))[:whole])
    message.header.frame_id = draw(st.text(st.characters(codec='ascii', min_codepoint=1)))
    message.header.stamp.sec = draw(st.integers(-(2**31), 2**31 - 1))
    message.header.stamp.nanosec = draw(any_uint32)
    return message


class Camera:
    """A client of the detector in the other process."""

    def __init__(self) -> None:
        self.node = Node('camera', namespace=NAMESPACE)
        self.publisher = self.node.create_publisher(Image, 'image', image_qos(depth=5))
        self.labels: list[Any] = []
        self.counts: dict[str, str] = {}
        self.node.create_subscription(
            Image, 'detector/labels', lambda m: self.labels.append(m.header), image_qos(depth=10)
        )
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._count, 10)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self._seconds = 0

    def _count(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f'{NAMESPACE[1:]}/detector: frames':
                self.counts = {value.key: value.value for value in status.values}

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(left)

    def count(self, name: str) -> int:
        return int(self.counts.get(name, '0'))

    def serve(self, side: int = 64) -> None:
        """Send a good image and wait for its answer."""
        self._seconds += 1
        header = Header(frame_id='good')
        header.stamp.sec = self._seconds
        self.publisher.publish(to_message(stripes(side, side), 'rgb8', header))
        end = time.monotonic() + 20
        while header not in self.labels:
            assert time.monotonic() < end, 'no answer to a good image'
            self.spin(0.01)
        self.labels.clear()


@pytest.fixture
def camera(ros: None) -> Iterator[Camera]:
    client = Camera()
    yield client
    client.node.destroy_node()


@pytest.mark.slow
def test_garbage_neither_ends_the_node_nor_fills_its_memory(
    camera: Camera, tiny_bundle: Path, tmp_path: Path
) -> None:
    process = DetectorProcess(
        tmp_path / 'log', NAMESPACE, bundle=tiny_bundle, threads=1, diagnostic_period=0.2
    )
    try:
        process.wait_for('active: images are taken from')
        while not camera.publisher.get_subscription_count():
            camera.spin(0.05)

        def shower(count: int, number: int) -> None:
            @seed(number)
            @settings(
                max_examples=count, database=None, deadline=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(images())
            def send(message: Image) -> None:
                nonlocal sent
                sent += 1
                camera.publisher.publish(message)
                # At the pace of a quick camera, so that nearly all are looked at.
                camera.spin(0.008)

            sent = 0
            send()
            while sent < count:  # hypothesis may end early when it repeats itself
                send()

        # The warm-up: allocators and pools grow to the largest image that chance can make, which
        # is no leak.
        for side in (64, MAX_SIDE) * 10:
            camera.serve(side)
        shower(200, number=1)
        camera.serve()
        camera.spin(0.5)
        before, rejected = process.resident_megabytes(), camera.count('rejected')
        received = camera.count('received')
        shower(MESSAGES, number=2)
        camera.serve()
        camera.spin(0.5)
        growth = process.resident_megabytes() - before
        assert process.process.poll() is None
        assert camera.count('received') - received > 0.9 * MESSAGES
        assert camera.count('rejected') - rejected > 0.5 * MESSAGES
        assert growth < MAX_GROWTH_MB, f'{growth:.1f} MB'
        for _ in range(5):
            camera.serve()
        assert 'Traceback' not in process.log()
    finally:
        process.close()
