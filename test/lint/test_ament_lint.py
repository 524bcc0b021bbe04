# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS's own linters pass; they come with a distribution and are skipped without one."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDERS = ('anomaly_seg_ros', 'launch', 'test', 'setup.py')


@pytest.mark.linter
@pytest.mark.flake8
def test_flake8(repository: Path) -> None:
    ament_flake8 = pytest.importorskip('ament_flake8.main')
    configuration = Path(__file__).with_name('ament_flake8.ini')
    paths = [str(repository / folder) for folder in FOLDERS]
    code, errors = ament_flake8.main_with_errors(argv=['--config', str(configuration), *paths])
    assert code == 0, '\n'.join(errors)


@pytest.mark.linter
@pytest.mark.pep257
def test_pep257(repository: Path) -> None:
    ament_pep257 = pytest.importorskip('ament_pep257.main')
    paths = [str(repository / folder) for folder in ('anomaly_seg_ros', 'launch')]
    arguments = [
        '--convention',
        'google',
        '--add-ignore',
        'D105',
        'D107',
        'D402',
        'D403',
        '--',
        *paths,
    ]
    assert ament_pep257.main(argv=arguments) == 0
