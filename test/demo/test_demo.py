# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo from end to end: every kind of input, through real processes, to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.painted import Painted

from anomaly_seg_ros.bags import Bag
from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.cli.main import main
from anomaly_seg_ros.demo.pictures import frame_rate, moments
from anomaly_seg_ros.images import read_image
from anomaly_seg_ros.sources import open_source

pytestmark = pytest.mark.ros


def demo(*arguments: object) -> int:
    """Run the command line."""
    return main(['demo', *map(str, arguments)])


def summary(out: Path, mask: bool = True) -> dict[str, Any]:
    """Return the summary of a run, its files checked."""
    content: dict[str, Any] = json.loads((out / 'summary.json').read_text())
    frames = content['frames_in']
    assert (content['frames_out'], content['lost'], content['skipped']) == (frames, 0, 0)
    assert content['rate_hz'] > 0
    assert 0 < content['latency_ms']['p50'] <= content['latency_ms']['p95']
    assert {'anomaly_seg_ros', 'python', 'numpy', 'onnxruntime', 'rclpy'} <= {
        name for name, version in content['versions'].items() if version
    }
    with Bag(out / 'output') as bag:
        names = {'labels', 'anomaly_score', 'overlay'} | ({'anomaly_mask'} if mask else set())
        assert {t.name for t in bag.topics.values()} == {f'/detector/{name}' for name in names}
        assert {t.messages for t in bag.topics.values()} == {frames}
    video = list(open_source(out / 'overlay.mp4'))
    assert len(video) == frames
    assert max(frame.image.std() for frame in video) > 5
    sheet = read_image(out / 'contact_sheet.png')
    assert sheet.shape[1] > (4 if mask else 3) * 400
    return content


def test_a_synthetic_clip_has_all_figures_and_a_second_run_replaces_the_first(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'demo'
    options = ('--out', out, '--bundle', tiny_bundle, '--size', '256x128')
    assert demo(*options, '--frames', 6) == 0
    found = summary(out)
    assert found['frames_in'] == 6
    assert all(0 <= found[key] <= 1 for key in ('auroc', 'ap', 'fpr95', 'miou'))
    printed = capsys.readouterr().out
    for name in ('overlay.mp4', 'contact_sheet.png', 'summary.json', 'output'):
        assert str(out / name) in printed
    assert demo(*options, '--frames', 3) == 0
    assert summary(out)['frames_in'] == 3


def test_a_bag_is_played_as_it_is_with_a_score_that_has_no_threshold(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    record(Painted(5), tmp_path / 'bag', compression='png', start=9.0)
    out = tmp_path / 'demo'
    assert demo(tmp_path / 'bag', '--out', out, '--bundle', tiny_bundle, '--score', 'energy') == 0
    # The bundle's threshold belongs to another score, so there is no mask.
    found = summary(out, mask=False)
    assert found['frames_in'] == 5
    assert found['auroc'] > 0.9
    assert not (out / 'input').exists()
    with Bag(out / 'output') as bag:
        assert next(bag.messages()).stamp == 9 * 10**9


def test_a_video_has_no_figures_but_pictures(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 25.0, (96, 64))
    for frame in Painted(9):
        writer.write(cv2.resize(frame.image, (96, 64), interpolation=cv2.INTER_NEAREST))
    writer.release()
    out = tmp_path / 'demo'
    assert demo(path, '--out', out, '--bundle', tiny_bundle, '--frames', 7) == 0
    found = summary(out)
    assert found['frames_in'] == 7
    assert [found[key] for key in ('auroc', 'ap', 'fpr95', 'miou')] == [None] * 4
    capture = cv2.VideoCapture(str(out / 'overlay.mp4'))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(25, abs=0.1)
    capture.release()


def test_images_of_several_sizes_with_masks(tiny_bundle: Path, tmp_path: Path) -> None:
    for name in ('images', 'labels_masks'):
        (tmp_path / 'set' / name).mkdir(parents=True)
    for index, frame in enumerate(Painted(4)):
        size = (64, 32) if index % 2 else (80, 48)
        image = cv2.resize(frame.image, size, interpolation=cv2.INTER_NEAREST)
        mask = cv2.resize(frame.anomaly, size, interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(tmp_path / f'set/images/{index}.png'), image[..., ::-1])
        cv2.imwrite(str(tmp_path / f'set/labels_masks/{index}.png'), mask)
    out = tmp_path / 'demo'
    assert demo(tmp_path / 'set', '--out', out, '--bundle', tiny_bundle) == 0
    found = summary(out)
    assert found['frames_in'] == 4
    assert found['auroc'] > 0.8
    assert found['miou'] is None


def test_failures_are_one_sentence_and_leave_no_summary(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'demo'
    out.mkdir()
    (out / 'summary.json').write_text('{"from": "an earlier run"}')
    (tmp_path / 'bad.mp4').write_bytes(b'no video')
    for arguments, words in (
        ((tmp_path / 'bad.mp4', '--bundle', tiny_bundle), 'cannot be opened as a video'),
        ((tmp_path / 'none', '--bundle', tiny_bundle), 'does not exist'),
        (('--bundle', tmp_path), 'card.json'),
        (('--bundle', tiny_bundle, '--score', 'odin'), "no score 'odin'"),
        (('--bundle', tiny_bundle, '--size', 'large'), 'WIDTHxHEIGHT'),
        (('--bundle', tiny_bundle, '--frames', '0'), 'at least 1'),
    ):
        assert demo(*arguments, '--out', out) == 2
        error = capsys.readouterr().err
        assert words in error
        assert 'anomaly-seg: error: ' in error
        assert 'Traceback' not in error
    (tmp_path / 'damaged').mkdir()
    record(Painted(3), tmp_path / 'damaged' / 'bag')
    (tmp_path / 'damaged' / 'bag' / 'bag.mcap').write_bytes(b'\x89MCAP0\r\n')
    assert demo(tmp_path / 'damaged' / 'bag', '--out', out, '--bundle', tiny_bundle) == 2
    assert 'damaged' in capsys.readouterr().err
    assert not (out / 'summary.json').exists()


def test_moments_and_rates() -> None:
    assert moments(list(range(64))) == [8, 24, 40, 56]
    assert moments([5, 6]) == [5, 6]
    assert frame_rate([0, 10**8, 2 * 10**8, 9 * 10**8]) == pytest.approx(10)
    assert frame_rate([1]) == 10.0
    assert frame_rate([0, 1]) == 60.0
    assert frame_rate(np.arange(3).tolist()) == 60.0
