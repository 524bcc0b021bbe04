# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg replay``: arguments to figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.painted import Painted

from anomaly_seg_ros.bags import Bag
from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.cli.main import main

pytestmark = pytest.mark.ros


def test_figures_are_printed_and_written(
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Another graph than the one of nodes that this process may run.
    monkeypatch.setenv('ROS_DOMAIN_ID', '101')
    record(Painted(5), tmp_path / 'bag')
    arguments = [
        'replay', tmp_path / 'bag', '--bundle', tiny_bundle, '--out', tmp_path / 'out', '--json',
        tmp_path / 'figures.json', '--record', '--frames', 4, '--threshold', 8.0, '--threads', 1,
        '--score', 'max_logit', '--refinement', 'none', '--min-area', 2, '--persistence', '1/2',
    ]  # fmt: skip
    assert main([str(argument) for argument in arguments]) == 0
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures == json.loads((tmp_path / 'out' / 'evaluation.json').read_text())
    assert (figures['frames_in'], figures['frames_out'], figures['lost']) == (4, 4, 0)
    printed = capsys.readouterr().out
    assert 'frames    4 of 4 (0 skipped, 0 lost)' in printed
    assert f'AUROC     {100 * figures["auroc"]:.2f} %' in printed
    with Bag(tmp_path / 'out' / 'output') as bag:
        assert {t.messages for t in bag.topics.values()} == {4}
    log = (tmp_path / 'out' / 'logs' / 'detector.log').read_text()
    assert 'score max_logit, refinement none, threshold 8' in log


def test_mistakes_are_one_sentence(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(Painted(1), tmp_path / 'bag')
    for arguments, words in (
        ([tmp_path / 'none', '--bundle', tiny_bundle], 'does not exist'),
        ([tmp_path / 'bag', '--bundle', tmp_path / 'bag'], 'card.json'),
        ([tmp_path / 'bag', '--bundle', tiny_bundle, '--topic', '/none'], 'no images on /none'),
    ):
        command = ['replay', *arguments, '--out', tmp_path / 'out']
        assert main([str(argument) for argument in command]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert 'Traceback' not in error
