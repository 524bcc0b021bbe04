# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Player, detector and evaluator as real processes over DDS."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.painted import Painted

from anomaly_seg_ros.bags import Bag
from anomaly_seg_ros.bags.messages import read_map
from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.metrics import AnomalyMetrics, ConfusionMatrix
from anomaly_seg_ros.pipeline import PipelineError, Replay, run_replay
from anomaly_seg_ros.pipeline.processes import node_environment

pytestmark = pytest.mark.ros
FRAMES = 12
FIGURES = ('auroc', 'ap', 'fpr95', 'miou')
OUTPUTS = ('labels', 'anomaly_score', 'anomaly_mask')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of painted frames."""
    path = tmp_path_factory.mktemp('bags') / 'painted'
    record(Painted(FRAMES), path, start=1000.0)
    return path


def offline(bundle: Path) -> dict[str, Any]:
    """Return the figures of the same frames without ROS, and the maps by stamp."""
    from anomaly_seg_ros.bundle import Bundle

    engine = load_engine('onnxruntime', Bundle.open(bundle), device='cpu', threads=1)
    score_name = engine.card.score
    anomaly, confusion = AnomalyMetrics(), ConfusionMatrix(19)
    maps = {}
    for frame in Painted(FRAMES):
        found = engine.run(frame.image[None], ('labels', score_name))
        assert frame.anomaly is not None
        anomaly.update(found[score_name][0], frame.anomaly)
        assert frame.labels is not None
        confusion.update(found['labels'][0], frame.labels)
        maps[1000 * 10**9 + frame.stamp] = (found['labels'][0], found[score_name][0])
    engine.close()
    return {**anomaly.compute().as_dict(), 'miou': confusion.compute().miou, 'maps': maps}


def replay(bag: Path, bundle: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Replay on a graph of its own."""
    detector = {'bundle': str(bundle), 'threads': 1}
    values = {'record': OUTPUTS, 'own_graph': True, 'timeout': 90.0, 'detector': detector}
    return run_replay(Replay(bag, out, **{**values, **options}))


def children() -> list[int]:
    """Return the processes that this one has started and that still run."""
    found = []
    for status in Path('/proc').glob('[0-9]*/status'):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f'PPid:\t{os.getpid()}\n' in text and 'State:\tZ' not in text:
            found.append(int(status.parent.name))
    return found


@pytest.fixture(autouse=True)
def no_orphans() -> Iterator[None]:
    """Check that no test leaves a process behind."""
    before = set(children())
    yield
    assert set(children()) <= before


def test_lockstep_loses_nothing_and_equals_the_offline_figures(
    bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    played: list[tuple[int, int]] = []
    detector = {'bundle': str(tiny_bundle), 'threads': 1}
    figures = run_replay(
        Replay(
            bag,
            tmp_path,
            output_bag=tmp_path / 'output',
            record=OUTPUTS,
            own_graph=True,
            timeout=90.0,
            detector=detector,
        ),
        lambda sent, total: played.append((sent, total)),
    )
    expected = offline(tiny_bundle)
    assert {k: figures[k] for k in ('frames_in', 'frames_out', 'lost', 'skipped')} == {
        'frames_in': FRAMES, 'frames_out': FRAMES, 'lost': 0, 'skipped': 0,
    }  # fmt: skip
    assert {k: figures[k] for k in FIGURES} == {k: expected[k] for k in FIGURES}
    assert figures['complete']
    assert figures['unmatched'] == {}
    assert 0 < figures['latency_ms']['p50'] <= figures['latency_ms']['p95'] < 60_000
    assert figures['rate_hz'] > 0
    assert played == [(index + 1, FRAMES) for index in range(FRAMES)]
    with Bag(tmp_path / 'output') as output:
        assert {t.name: t.messages for t in output.topics.values()} == {
            f'/detector/{name}': FRAMES for name in OUTPUTS
        }
        for message in output.messages():
            labels, score = expected['maps'][message.stamp]
            found = read_map(message.data)
            wanted = {'labels': labels, 'anomaly_score': score, 'anomaly_mask': (score > 8) * 255}
            assert np.array_equal(found, wanted[message.topic.rpartition('/')[2]])


def test_compressed_images_in_sqlite3_give_the_same_figures(
    bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    record(Painted(FRAMES), tmp_path / 'png', storage='sqlite3', compression='png')
    alone = shutil.copy(tmp_path / 'png' / 'png.db3', tmp_path / 'alone.db3')
    figures = replay(Path(alone), tiny_bundle, tmp_path)
    expected = offline(tiny_bundle)
    assert {k: figures[k] for k in FIGURES} == {k: expected[k] for k in FIGURES}
    assert figures['lost'] == 0


def test_ground_truth_on_some_frames_only(tiny_bundle: Path, tmp_path: Path) -> None:
    record(Painted(FRAMES, labels_every=4), tmp_path / 'bag')
    figures = replay(tmp_path / 'bag', tiny_bundle, tmp_path, frames=9)
    assert (figures['frames_in'], figures['frames_out']) == (9, 9)
    assert figures['frames_with_labels'] == 3
    assert figures['frames_with_anomaly'] == 9


def test_real_time_keeps_the_pace_and_accounts_for_every_frame(
    bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    figures = replay(bag, tiny_bundle, tmp_path, mode='realtime', rate=0.5)
    assert figures['frames_in'] == FRAMES
    counted = figures['frames_out'] + figures['lost'] + figures['skipped'] + figures['rejected']
    assert counted == FRAMES
    assert figures['frames_out'] >= 1
    if figures['frames_out'] == FRAMES:
        assert 2.5 < figures['rate_hz'] < 10


def test_a_truncated_bag_is_played_to_the_cut_and_named(tiny_bundle: Path, tmp_path: Path) -> None:
    record(Painted(200), tmp_path / 'bag')
    file = tmp_path / 'bag' / 'bag.mcap'
    # Within the second or third chunk of 1 MiB.
    os.truncate(file, file.stat().st_size * 9 // 10)
    with pytest.raises(PipelineError, match=r'(?s)player ended with exit code 2.*damaged'):
        replay(tmp_path / 'bag', tiny_bundle, tmp_path)
    log = (tmp_path / 'logs' / 'evaluator.log').read_text()
    played = int(log.split('frames    ')[1].split()[0])
    assert 50 < played < 200


def test_a_node_that_fails_is_quoted(bag: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r'(?s)player ended with exit code 1.*gave up'):
        replay(bag, tmp_path / 'no bundle', tmp_path, start_timeout=4.0)
    assert 'no bundle' in (tmp_path / 'logs' / 'detector.log').read_text()


def test_a_detector_that_dies_ends_the_replay(
    bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    def kill(sent: int, _: int) -> None:
        if sent == 3:
            for child in children():
                if b'nodes.detector' in Path(f'/proc/{child}/cmdline').read_bytes():
                    os.kill(child, signal.SIGKILL)

    detector = {'bundle': str(tiny_bundle)}
    start = time.monotonic()
    with pytest.raises(PipelineError, match=r'detector ended with exit code -9'):
        run_replay(
            Replay(bag, tmp_path, record=OUTPUTS, own_graph=True, detector=detector, timeout=60),
            kill,
        )
    assert time.monotonic() - start < 40


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_node_outlives_its_parent(
    bag: Path, tiny_bundle: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [
        sys.executable, '-m', 'anomaly_seg_ros.cli.main', 'replay', str(bag), '--bundle',
        str(tiny_bundle), '--out', str(tmp_path), '--mode', 'realtime', '--rate', '0.1',
    ]  # fmt: skip
    parent = subprocess.Popen(command, env=node_environment(own_graph=True, logs=tmp_path))
    nodes: list[Path] = []
    deadline = time.monotonic() + 40
    while len(nodes) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        nodes = [
            path
            for path in Path('/proc').glob('[0-9]*')
            if str(tmp_path).encode() in _read(path / 'cmdline')
            or str(bag).encode() in _read(path / 'cmdline')
            or str(tiny_bundle).encode() in _read(path / 'cmdline')
        ]
        nodes = [path for path in nodes if b'anomaly_seg_ros.nodes' in _read(path / 'cmdline')]
    assert len(nodes) == 3
    time.sleep(1.0)
    parent.send_signal(number)
    code = parent.wait(30)
    assert code == (-number if number == signal.SIGKILL else 130)
    deadline = time.monotonic() + 15
    while any(_read(path / 'cmdline') for path in nodes) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [path.name for path in nodes if _read(path / 'cmdline')] == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b''
