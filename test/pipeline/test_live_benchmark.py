# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real images through the live topics give the figures of the offline run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anomaly_seg_ros.cli.main import main


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.shared_data
def test_live_figures_equal_offline_figures(
    shared_data: Path, repository: Path, tmp_path: Path
) -> None:
    pytest.importorskip('torch')
    weights = shared_data / 'checkpoints' / 'erfnet_cityscapes.pth'
    options = ['--option', 'num_classes=20', '--option', 'known_classes=19']
    bundle = tmp_path / 'erfnet'
    arguments = ['export', '--segmenter', 'erfnet', '--weights', str(weights), *options]
    assert main([*arguments, '--score', 'max_logit', '--out', str(bundle)]) == 0
    command = [
        sys.executable, str(repository / 'bench' / 'live_benchmark.py'), '--data',
        str(shared_data / 'road_anomaly_val'), '--bundle', str(bundle), '--frames', '4',
        '--sets', 'FS_LostFound_full', 'RoadAnomaly', '--out', str(tmp_path / 'results'),
    ]  # fmt: skip
    environment = {**os.environ, 'PYTHONPATH': str(repository)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / 'results' / 'live_benchmark.json').read_text())
    for result in content['sets'].values():
        assert result['difference'] <= 1e-4
        assert (result['live']['frames_out'], result['live']['lost']) == (4, 0)
        assert result['live']['frames_with_anomaly'] == 4
        assert result['live']['ap'] > 0
    assert '| FS_LostFound_full | 4 | 0 |' in done.stdout
