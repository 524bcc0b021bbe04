# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a live detector publishes for good images."""

from __future__ import annotations

import json
import time
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')

from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from support.detector_bench import record
from support.tiny_bundle import SCORE, THRESHOLD, stripes

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.mask import anomaly_mask
from anomaly_seg_ros.nodes.image_conversion import to_array, to_message, to_rgb
from anomaly_seg_ros.nodes.image_encodings import ENCODINGS
from anomaly_seg_ros.nodes.pipeline import RESULT_ENCODINGS
from anomaly_seg_ros.nodes.qos import image_qos

pytestmark = pytest.mark.ros

ALL = tuple(RESULT_ENCODINGS)
SKY, VEGETATION, ROAD = (CITYSCAPES.names.index(n) for n in ('sky', 'vegetation', 'road'))


def test_every_result_is_right_and_carries_the_header_of_its_image(bench: Any) -> None:
    live = bench()
    live.subscribe(*ALL)
    message = live.send(live.image(stripes(128, 60)))
    results = {name: live.result(name, message) for name in ALL}
    for name, result in results.items():
        assert result.header == message.header
        assert (result.width, result.height) == (128, 60)
        assert result.encoding == RESULT_ENCODINGS[name]
    labels = to_array(results['labels'])
    assert (labels[:16] == SKY).all()
    assert (labels[24:36] == VEGETATION).all()
    assert (labels[46:, :50] == ROAD).all()
    score = to_array(results['anomaly_score'])
    assert score.dtype == np.float32
    assert (score[46:, 80:] > THRESHOLD).all()
    assert (score[46:, :50] < THRESHOLD).all()
    mask = to_array(results['anomaly_mask'])
    np.testing.assert_array_equal(mask, np.where(score > np.float32(THRESHOLD), 255, 0))
    assert to_array(results['confidence'])[5, 5] > 50
    overlay = to_array(results['overlay'])
    assert overlay.shape == (60, 128, 3)
    assert (overlay != to_rgb(message)).any()


def test_the_results_are_those_of_the_engine_alone(bench: Any) -> None:
    live = bench()
    live.subscribe('labels', 'anomaly_score')
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    message = live.send(live.image(image))
    expected = live.node._pipeline.engine.run(image[None], ('labels', SCORE))
    np.testing.assert_array_equal(to_array(live.result('labels', message)), expected['labels'][0])
    np.testing.assert_array_equal(
        to_array(live.result('anomaly_score', message)), expected[SCORE][0]
    )


def test_only_what_is_subscribed_is_computed(bench: Any) -> None:
    live = bench()
    recorder = record(live)
    live.send(live.image(stripes()))
    live.wait(lambda: live.counts()['without subscribers'] == 1, 'the image is not wanted')
    assert recorder.runs == []
    for name, outputs in (
        ('labels', ('labels',)),
        ('anomaly_score', (SCORE,)),
        ('anomaly_mask', (SCORE,)),
        ('confidence', ('confidence',)),
        ('overlay', ('labels', SCORE)),
    ):
        recorder.runs.clear()
        live.subscribe(name)
        live.serves(live.image(stripes()), name)
        assert recorder.runs == [outputs], name
        live.unsubscribe(name)
    recorder.runs.clear()
    live.subscribe('labels', 'anomaly_score', 'anomaly_mask')
    live.serves(live.image(stripes()))
    assert recorder.runs == [('labels', SCORE)]


def encode(image: np.ndarray, name: str) -> np.ndarray | None:
    """Return the picture in an encoding, None for those that cannot hold it."""
    entry = ENCODINGS[name]
    scale = 257 if entry.dtype == np.uint16 else 1
    if name.startswith('bayer'):
        mosaic = np.empty(image.shape[:2], entry.dtype)
        for place, colour in enumerate(name[6:10]):
            rows, columns = slice(place // 2, None, 2), slice(place % 2, None, 2)
            mosaic[rows, columns] = image[rows, columns, 'rgb'.index(colour)].astype(int) * scale
        return mosaic
    if entry.channels >= 3:
        channels = image if name.startswith('rgb') else image[..., ::-1]
        alpha = np.full((*image.shape[:2], entry.channels - 3), 255)
        return (np.concatenate([channels, alpha], 2) * scale).astype(entry.dtype)
    if entry.channels == 2:
        yuyv = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_YUY2)
        return yuyv if name in ('yuyv', 'yuv422_yuy2') else yuyv[..., ::-1]
    if entry.planar:
        i420 = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
        height, width = image.shape[:2]
        u, v = i420[height:].reshape(2, height // 2, width // 2)
        if name == 'nv24':
            colours = np.dstack([p.repeat(2, 0).repeat(2, 1) for p in (u, v)])
            return np.concatenate([i420[:height], colours.reshape(2 * height, width)])
        colours = np.dstack([u, v] if name == 'nv12' else [v, u])
        return np.concatenate([i420[:height], colours.reshape(height // 2, width)])
    return None


def test_every_colour_encoding_gives_the_same_labels(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    image = stripes(256, 144)
    # Where two colours meet, subsampled colours and mosaics mix them in their own ways.
    inner = [*range(36), *range(60, 84), *range(108, 144)]
    expected = to_array(live.serves(live.image(image)))[inner]
    seen = 0
    for name in ENCODINGS:
        array = encode(image, name)
        if array is not None:
            received = to_array(live.serves(live.image(array, name)))[inner]
            assert (received == expected).mean() > 0.99, name
            seen += 1
    assert seen == len(ENCODINGS) - 5  # mono8, mono16, 8UC1, 16UC1 and 32FC1 have no colour


def test_padding_and_byte_order_reach_the_same_labels(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    image = stripes()
    expected = to_array(live.serves(live.image(image)))
    message = live.image((image.astype(np.uint16) * 257).byteswap(), 'rgb16')
    rows = np.frombuffer(message.data, np.uint8).reshape(32, -1)
    padded = np.pad(rows, ((0, 0), (0, 9)), constant_values=170)
    message.step, message.is_bigendian = padded.shape[1], 1
    message.data = padded.tobytes()
    np.testing.assert_array_equal(to_array(live.serves(message)), expected)


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (7, 1), (3, 2)])
def test_tiny_images_are_served(bench: Any, size: tuple[int, int]) -> None:
    live = bench()
    live.subscribe(*ALL)
    image = np.full((size[1], size[0], 3), CITYSCAPES.palette[SKY], np.uint8)
    message = live.send(live.image(image))
    assert (to_array(live.result('labels', message)) == SKY).all()
    assert to_array(live.result('anomaly_mask', message)).shape == image.shape[:2]
    assert to_array(live.result('overlay', message)).shape == image.shape


def test_an_8k_image_is_served_and_sizes_may_change_from_frame_to_frame(bench: Any) -> None:
    live = bench()
    live.subscribe('labels', 'anomaly_mask')
    for width, height in ((64, 32), (7680, 4320), (200, 90), (64, 32)):
        message = live.send(live.image(stripes(width, height)))
        labels = to_array(live.result('labels', message, timeout=60))
        mask = to_array(live.result('anomaly_mask', message, timeout=60))
        assert labels.shape == mask.shape == (height, width)
        assert labels[height // 8, width // 2] == SKY
        assert labels[-1, 0] == ROAD
        assert mask[-1, -1] == 255
        assert mask[-1, 0] == 0


def test_compressed_images_are_served(bench: Any) -> None:
    live = bench(image_transport='compressed')
    live.subscribe('labels')
    image = stripes(160, 90)
    for suffix, form in (('.png', 'png'), ('.jpg', 'bgr8; jpeg compressed bgr8')):
        data = cv2.imencode(suffix, image[..., ::-1])[1].tobytes()
        message = CompressedImage(header=live.header(), format=form, data=data)
        labels = to_array(live.serves(message))
        assert labels.shape == (90, 160)
        assert (labels[:20] == SKY).all()
        assert (labels[70:, :60] == ROAD).all()


@pytest.mark.parametrize('info_first', [True, False])
def test_camera_info_follows_its_image(bench: Any, info_first: bool) -> None:
    live = bench()
    live.subscribe('labels', 'camera_info')
    live.wait(lambda: live.infos.get_subscription_count() == 1, 'the node takes camera info')
    message = live.image(stripes())
    info = CameraInfo(header=message.header, width=64, height=32, distortion_model='plumb_bob')
    other = CameraInfo(header=live.header(), width=1)
    if info_first:
        live.infos.publish(info)
        live.infos.publish(other)
        time.sleep(0.1)
        assert live.received['camera_info'] == []
        live.serves(message)
    else:
        live.serves(message)
        live.infos.publish(other)
        live.infos.publish(info)
    passed = live.wait(lambda: live.received['camera_info'], 'camera info')
    time.sleep(0.1)
    assert passed == [info]


def test_label_info_is_latched_and_follows_the_threshold(bench: Any) -> None:
    live = bench()
    time.sleep(0.2)
    live.subscribe('label_info')
    first = live.wait(lambda: live.received['label_info'], 'label info for a late subscriber')[0]
    live.set('threshold', 2.5)
    live.wait(lambda: len(live.received['label_info']) == 2, 'label info after a change')
    second = live.received['label_info'][1]
    live.set('overlay_alpha', 0.9)
    time.sleep(0.2)
    assert len(live.received['label_info']) == 2
    if isinstance(first, String):
        content = json.loads(first.data)
        assert [entry['name'] for entry in content['classes']] == list(CITYSCAPES.names)
        assert content['classes'][13]['color'] == [0, 0, 142]
        assert content['classes'][0]['drivable']
        assert (content['score'], content['refinement']) == (SCORE, 'none')
        assert (content['threshold'], content['ignore']) == (8.0, 255)
        assert json.loads(second.data) == {**content, 'threshold': 2.5}
    else:
        assert [entry.class_name for entry in first.class_map] == list(CITYSCAPES.names)
        assert (first.threshold, second.threshold) == (8.0, 2.5)


def test_the_newest_image_wins_and_every_image_is_accounted_for(bench: Any) -> None:
    # With the default of one, what the node's thread is late to take is gone without a trace.
    live = bench(image_depth=20)
    recorder = record(live)
    live.subscribe('labels')
    live.serves(live.image(stripes()))
    recorder.delay = 0.25
    before = live.counts()
    sent = []
    for _ in range(20):
        sent.append(live.send(live.image(stripes())))
        time.sleep(0.03)
    live.result('labels', sent[-1])
    now = live.wait(
        lambda: (c := live.counts())['processed'] > before['processed'] and c, 'results'
    )
    new = {name: now[name] - before[name] for name in now}
    assert new['received'] + new['lost by transport'] == 20
    assert new['processed'] + new['skipped'] == new['received']
    assert 2 <= new['processed'] <= 6
    status = live.status('frames')
    assert int({v.key: v.value for v in status.values}['skipped']) == now['skipped']


def test_max_rate_drops_images_early(bench: Any) -> None:
    live = bench(max_rate=5, image_depth=40)
    live.subscribe('labels')
    began = time.monotonic()
    for _ in range(40):
        live.send(live.image(stripes()))
        time.sleep(0.025)
    live.wait(lambda: live.counts()['received'] >= 38, 'the images arrive')
    time.sleep(0.2)
    counts, took = live.counts(), time.monotonic() - began
    assert 4 <= counts['processed'] <= 5 * took + 1
    assert counts['dropped by max_rate'] >= 38 - 5 * took - 1
    assert live.set('max_rate', 0.0) == (True, '')
    live.serves(live.image(stripes()))


def test_images_are_served_before_simulated_time_begins(bench: Any) -> None:
    live = bench(use_sim_time=True)
    live.subscribe('labels')
    live.serves(live.image(stripes()))
    values = {v.key: v.value for v in live.status('frames').values}
    assert int(values['processed']) == 1
    assert not any(name.startswith('frame age') for name in values)


def test_frame_age_and_latencies_are_reported(bench: Any) -> None:
    live = bench()
    live.subscribe('labels')
    message = live.image(stripes())
    message.header.stamp = live.client.get_clock().now().to_msg()
    live.serves(message)
    values = {v.key: v.value for v in live.status('frames').values}
    assert 0 < float(values['frame age p50 (ms)']) < 5000
    values = {v.key: v.value for v in live.status('engine').values}
    assert float(values['inference p50 (ms)']) > 0
    assert float(values['outside inference p95 (ms)']) > 0
    assert float(values['memory (MB)']) > 10
    assert values['bundle'] == 'tiny'
    assert values['engine'] == 'onnxruntime'


def test_a_mask_is_above_the_threshold_and_nowhere_else() -> None:
    score = np.array([[0.1, 0.3, 0.30000001, 0.5, np.nan, np.inf, -np.inf]], np.float32)
    np.testing.assert_array_equal(anomaly_mask(score, 0.3), [[0, 0, 0, 255, 0, 255, 0]])
    for shape in ((1, 4), (4, 1), (1, 1), (2, 2)):
        assert anomaly_mask(np.ones(shape, np.float32), 0.5).tolist() == (
            np.full(shape, 255).tolist()
        )


def test_results_larger_than_the_middleware_likes_arrive(bench: Any) -> None:
    live = bench()
    live.subscribe('anomaly_score')
    for _ in range(5):
        message = live.send(live.image(stripes(2048, 1024)))
        assert to_array(live.result('anomaly_score', message)).shape == (1024, 2048)


def test_every_result_is_a_valid_image_message(bench: Any) -> None:
    live = bench()
    live.subscribe(*ALL)
    message = live.send(live.image(stripes(50, 30)))
    for name in ALL:
        result = live.result(name, message)
        assert result.step * result.height == len(result.data)
        again = to_message(to_array(result), result.encoding, result.header)
        assert again == result


@pytest.mark.parametrize(
    ('transport', 'topic'), [('raw', '/camera/front'), ('compressed', '/camera/front/compressed')]
)
def test_remapping_the_image_moves_the_compressed_topic_too(
    bench: Any, transport: str, topic: str
) -> None:
    live = bench(wait=False, remap=['image:=/camera/front'], image_transport=transport)
    live.wait(lambda: live.client.count_subscribers(topic) == 1, 'the node subscribes')
    kind = CompressedImage if transport == 'compressed' else Image
    publisher = live.client.create_publisher(kind, topic, image_qos())
    live.wait(publisher.get_subscription_count, 'the publisher is matched')
    live.subscribe('labels')
    message = live.image(stripes())
    if transport == 'compressed':
        data = cv2.imencode('.png', stripes()[..., ::-1])[1].tobytes()
        message = CompressedImage(header=message.header, format='png', data=data)
    publisher.publish(message)
    live.result('labels', message)
