# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bad images on a live detector: a clear message, a diagnostics entry, and service goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')

from sensor_msgs.msg import CompressedImage, Image
from support.detector_bench import DetectorBench, record
from support.tiny_bundle import stripes

from anomaly_seg_ros.engines import EngineError

pytestmark = pytest.mark.ros


def changed(live: DetectorBench, **fields: Any) -> Image:
    message = live.image(stripes())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


BAD_IMAGES: dict[str, tuple[dict[str, Any], str]] = {
    'step too small': ({'step': 100}, 'step 100'),
    'step zero': ({'step': 0}, 'step 0'),
    'step too large': ({'step': 4000}, 'too short'),
    'short data': ({'data': bytes(6143)}, '6143 bytes'),
    'no data': ({'data': b''}, '0 bytes'),
    'long data': ({'data': bytes(6145)}, 'too long'),
    'zero width': ({'width': 0}, '0x32'),
    'zero height': ({'height': 0}, '64x0'),
    'zero size': ({'width': 0, 'height': 0, 'step': 0, 'data': b''}, '0x0'),
    'unknown encoding': ({'encoding': 'h264'}, "'h264'"),
    'empty encoding': ({'encoding': ''}, "''"),
    'encoding of another depth': ({'encoding': 'rgb16'}, 'step 192'),
    'absurd size': ({'width': 2**32 - 1, 'height': 2**32 - 1}, '4294967295x4294967295'),
    'absurd height': ({'height': 2**31}, '2147483648'),
}


@pytest.mark.parametrize('problem', BAD_IMAGES)
def test_a_bad_image_is_refused_and_the_next_good_one_served(bench: Any, problem: str) -> None:
    fields, words = BAD_IMAGES[problem]
    live = bench()
    live.subscribe('labels')
    live.serves(live.image(stripes()))
    live.send(changed(live, **fields))
    status = live.status('frames', lambda s: 'rejected' in s.message)
    assert status.level in (b'\x01', b'\x02')
    assert words in status.message
    values = {value.key: value.value for value in status.values}
    assert values['rejected'] == '1'
    assert words in values['last rejection']
    live.serves(live.image(stripes()))
    live.status('frames', lambda s: s.level == b'\x00')
    assert live.counts()['processed'] == 2


def jpeg() -> bytes:
    return bytes(cv2.imencode('.jpg', stripes(160, 90)[..., ::-1])[1])


BAD_FILES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    'truncated jpeg': (lambda: jpeg()[:-200], 'jpeg', 'end marker'),
    'half a jpeg': (lambda: jpeg()[: len(jpeg()) // 2], 'jpeg', 'end marker'),
    'garbage': (lambda: bytes(range(256)), 'jpeg', 'not an image'),
    'empty': (lambda: b'', 'jpeg', '0 bytes'),
    'markers only': (lambda: b'\xff\xd8\xff\xd9', 'jpeg', 'end marker'),
    'no picture': (lambda: b'\xff\xd8\xff\xda\x00\x02\xff\xd9', 'jpeg', 'not an image'),
    'truncated png': (
        lambda: bytes(cv2.imencode('.png', stripes())[1])[:-10], 'png', 'ends too early',
    ),
    'depth': (lambda: b'', '16UC1; compressedDepth png', 'depth'),
}  # fmt: skip


@pytest.mark.parametrize('problem', BAD_FILES)
def test_a_bad_compressed_image_is_refused_and_the_next_good_one_served(
    bench: Any, problem: str
) -> None:
    data, form, words = BAD_FILES[problem]
    live = bench(image_transport='compressed')
    live.subscribe('labels')
    live.send(CompressedImage(header=live.header(), format=form, data=data()))
    status = live.status('frames', lambda s: 'rejected' in s.message)
    assert status.level == b'\x02'
    assert words in status.message
    live.serves(CompressedImage(header=live.header(), format='jpeg', data=jpeg()))
    live.status('frames', lambda s: s.level == b'\x00')


def test_stamps_that_go_back_are_reported_and_served(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    late, early = live.image(stripes()), live.image(stripes())
    late.header.stamp.sec, early.header.stamp.sec = 500, 20
    live.serves(late)
    live.serves(early)
    status = live.status('frames', lambda s: any('back (s)' in v.key for v in s.values))
    values = {value.key: value.value for value in status.values}
    assert values['stamps that went back'] == '1'
    assert values['last step back (s)'] == '480.000'
    after = live.image(stripes())
    after.header.stamp.sec = 21
    live.serves(after)
    assert live.counts()['stamps that went back'] == 1
    assert live.counts()['rejected'] == 0


def test_the_warning_about_stamps_appears_in_diagnostics(bench: Any) -> None:
    live = bench(diagnostic_period=0.5)
    live.subscribe('labels')
    late, early = live.image(stripes()), live.image(stripes())
    late.header.stamp.sec = 500
    live.serves(late)
    live.send(early)
    status = live.status('frames', lambda s: 'went back' in s.message)
    assert status.level == b'\x01'
    assert 'bag' in status.message


def test_an_engine_that_fails_on_one_image_serves_the_next(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    recorder = record(live)
    real = recorder._engine

    class FailsOnSmallImages:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def run(self, image: np.ndarray, outputs: Any) -> Any:
            if image.shape[1] < 10:
                msg = 'the device is out of memory'
                raise (EngineError if image.shape[1] < 5 else RuntimeError)(msg)
            return real.run(image, outputs)

    recorder._engine = FailsOnSmallImages()
    for height in (3, 7):
        live.send(live.image(stripes(20, height)))
        status = live.status('frames', lambda s: 'rejected' in s.message)
        assert 'out of memory' in status.message
        live.serves(live.image(stripes()))


def test_a_best_effort_camera_is_explained(bench: Any) -> None:
    live = bench(reliability='best_effort', wait=False)
    status = live.status('life cycle', lambda s: 'image_reliability' in s.message)
    assert status.level == b'\x01'
    assert 'best_effort' in status.message


def test_a_silent_camera_is_stale(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    live.serves(live.image(stripes()))
    status = live.status('frames', lambda s: s.level == b'\x03')
    assert 'no frame for' in status.message
    live.serves(live.image(stripes()))
    live.status('frames', lambda s: s.level == b'\x00')


def test_one_log_line_for_many_bad_images(bench: Any, capfd: pytest.CaptureFixture[str]) -> None:
    live = bench()
    live.subscribe('labels')
    for number in range(1, 6):
        live.send(changed(live, step=number))
        live.wait(lambda n=number: live.counts()['rejected'] == n, 'rejected')
    live.close()
    text = ''.join(capfd.readouterr())
    assert text.count('image rejected') == 1
    assert 'Traceback' not in text


CAMERA = """
import sys, time
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
from anomaly_seg_ros.nodes.qos import image_qos

rclpy.init()
node = Node('camera', namespace=sys.argv[1])
publisher = node.create_publisher(Image, 'image', image_qos('best_effort'))
while not publisher.get_subscription_count():
    time.sleep(0.05)
message = Image(height=1024, width=2048, step=6144, encoding='bgr8')
message.data.frombytes(bytes(1024 * 6144))
for number in range(60):
    message.header.stamp.sec = number
    publisher.publish(message)
    time.sleep(0.05)
"""


@pytest.mark.skipif(
    not os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp').startswith('rmw_fastrtps'),
    reason='other middlewares lose images in other ways',
)
def test_what_the_transport_loses_is_reported(bench: Any, repository: Path) -> None:
    live = bench(image_reliability='best_effort', reliability='best_effort')
    camera = subprocess.Popen([sys.executable, '-c', CAMERA, live.namespace], cwd=repository)
    try:
        # 6 MB best effort does not fit through the default shared memory of Fast DDS.
        status = live.status('frames', lambda s: 'lost by the transport' in s.message)
        assert status.level in (b'\x01', b'\x02')
        assert int({v.key: v.value for v in status.values}['lost by transport']) > 0
    finally:
        camera.wait(30)
    live.subscribe('labels')
    live.serves(live.image(stripes()))
