# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluating a bag at full speed gives the figures of the live evaluator node."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.painted import Painted
from support.weights_bundle import build_weights_bundle

from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.cli.main import main as vehicle
from anomaly_seg_training.main import main as lab

FRAMES = 5


@pytest.fixture(scope='session')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights."""
    return build_weights_bundle(tmp_path_factory.mktemp('bag_bundles') / 'random')


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A bag with anomaly masks for all frames and labels for some."""
    record(Painted(FRAMES, labels_every=2), tmp_path / 'bag')
    return tmp_path / 'bag'


def _evaluate(bag: Path, bundle: Path, file: Path, *more: str) -> dict[str, Any]:
    arguments = ['evaluate', '--bag', bag, '--bundle', bundle, '--json', file, '--threads', 1]
    assert lab([*map(str, arguments), *more]) == 0
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def test_a_bag_is_a_set(bag: Path, bundle: Path, tmp_path: Path) -> None:
    content = _evaluate(
        bag, bundle, tmp_path / 'f.json', '--scores', 'max_logit,energy', '--refinements',
        'none,suppress',
    )  # fmt: skip
    assert [row['output'] for row in content['results']] == [
        'max_logit', 'max_logit+suppress', 'energy', 'energy+suppress',
    ]  # fmt: skip
    assert {row['set'] for row in content['results']} == {'bag'}
    assert {row['images'] for row in content['results']} == {FRAMES}
    (row,) = content['segmentation']
    assert row['images'] == 3
    assert len(content['sets'][0]['version']) == 64


@pytest.mark.ros
@pytest.mark.skipif(find_spec('rclpy') is None, reason='rclpy is not installed')
def test_equals_the_live_evaluator(
    bag: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another graph than the one of nodes that this process may run.
    monkeypatch.setenv('ROS_DOMAIN_ID', '102')
    command = ['replay', bag, '--bundle', bundle, '--out', tmp_path / 'out', '--json',
               tmp_path / 'live.json', '--threads', 1, '--score', 'max_logit',
               '--refinement', 'sml']  # fmt: skip
    assert vehicle([str(argument) for argument in command]) == 0
    live = json.loads((tmp_path / 'live.json').read_text())
    content = _evaluate(
        bag, bundle, tmp_path / 'f.json', '--scores', 'max_logit', '--refinements', 'sml'
    )
    (row,), (classes,) = content['results'], content['segmentation']
    for figure in ('auroc', 'ap', 'fpr95'):
        assert row[figure] == live[figure]
    assert (row['images'], row['pixels'], row['anomalous_pixels']) == (
        live['frames_with_anomaly'], live['anomaly_pixels'], live['anomaly_positives'],
    )  # fmt: skip
    assert (classes['miou'], classes['images']) == (live['miou'], live['frames_with_labels'])
    assert list(classes['iou'].values()) == live['iou']
