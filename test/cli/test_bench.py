# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``bench``: real measurements of the real path, with the promised keys."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from anomaly_seg_ros.cli import bench
from anomaly_seg_ros.cli.main import main

pytest.importorskip('onnxruntime')


def test_writes_what_is_promised(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'sub' / 'bench.json'
    words = ['bench', '--bundle', str(tiny_bundle), '--engine', 'onnxruntime', '--size', '128x64']
    assert (
        main([*words, '--frames', '8', '--threads', '1', '--min-area', '9', '--json', str(path)])
        == 0
    )
    result = json.loads(path.read_text())
    for key in ('engine_ms', 'total_ms', 'outside_share', 'rate_hz'):
        assert set(result[key]) == {'p50', 'p95'}
        assert all(value > 0 for value in result[key].values())
    assert result['engine_ms']['p50'] < result['total_ms']['p50'] <= result['total_ms']['p95']
    assert result['rate_hz']['p50'] == pytest.approx(1000 / result['total_ms']['p50'])
    assert result['rate_hz']['p95'] <= result['rate_hz']['p50']
    assert 0 < result['outside_share']['p50'] < 1
    assert (result['frames'], result['size'], result['score']) == (8, '128x64', 'max_logit')
    assert (result['refinement'], result['threshold'], result['min_area']) == ('none', 8.0, 9)
    assert set(result['provenance']) >= {'command', 'git', 'versions', 'date'}
    assert 'outside_share' in capsys.readouterr().out


def test_share_by_hand() -> None:
    engine, total = np.array([0.08, 0.09, 0.05]), np.array([0.1, 0.1, 0.1])
    result = bench.summarise(engine, total)
    assert result['engine_ms']['p50'] == pytest.approx(80)
    assert result['outside_share']['p50'] == pytest.approx(0.2)
    assert result['outside_share']['p95'] == pytest.approx(0.47)
    assert result['rate_hz'] == pytest.approx({'p50': 10.0, 'p95': 10.0})


def test_messages_without_ros(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code runs on the stand-in for messages, which has the same payload."""
    from anomaly_seg_ros.bundle import Bundle
    from anomaly_seg_ros.cleanup import CleanupConfig
    from anomaly_seg_ros.engines import load_engine
    from anomaly_seg_ros.nodes.image_conversion import to_message, to_rgb
    from anomaly_seg_ros.selection import select
    from anomaly_seg_ros.size import Size

    monkeypatch.setattr(bench, '_message_class', lambda: bench.PlainImage)
    engine = load_engine('onnxruntime', Bundle.open(tiny_bundle), threads=1)
    energy = select(engine.card, 'energy')
    inside, seconds = bench.measure(engine, Size(33, 21), energy, 3, CleanupConfig(min_area=5))
    assert (inside > 0).all()
    assert (seconds > inside).all()
    picture = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    message = to_message(picture, 'bgr8', image_class=bench.PlainImage)
    np.testing.assert_array_equal(to_rgb(message), picture[..., ::-1])


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--size', '10'], "received the size '10'"),
        (['--score', 'magic'], "no score 'magic', expected one of: max_softmax"),
        (['--refinement', 'smooth'], "no refinement 'smooth', expected one of: none"),
        (['--refinement', 'vde+sml'], 'some of sml, suppress, smooth, vde, in this order'),
        (['--persistence', '5'], "received the persistence '5', expected K of N frames"),
        (['--hysteresis', '2'], 'received the hysteresis 2.0, expected a share'),
        (['--engine', 'magic'], "unknown engine 'magic'; choose one of: auto"),
        (['--frames', '0'], 'received 0 frames, expected at least 1'),
    ],
)
def test_mistakes_are_explained(
    words: list[str], message: str, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['bench', '--bundle', str(tiny_bundle), *words]) == 2
    assert message in capsys.readouterr().err
