# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files load, explain themselves, refuse nonsense, and run."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('launch.actions')
pytest.importorskip('launch_ros.actions')

FILES = ('detector.launch.py', 'replay.launch.py')
# What `ros2 launch` does, without needing its plugins.
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService(argv=sys.argv[2:])
pairs = [text.split(':=', 1) for text in sys.argv[2:]]
source = PythonLaunchDescriptionSource(sys.argv[1])
include = IncludeLaunchDescription(source, launch_arguments=pairs)
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""


def _description(path: Path) -> Any:
    from launch.launch_description_sources import (
        get_launch_description_from_python_launch_file,
    )

    return get_launch_description_from_python_launch_file(str(path))


def _launch(
    repository: Path, installed: dict[str, str], file: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', RUN, str(repository / 'launch' / file), *arguments],
        env={**os.environ, **installed},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize('file', FILES)
def test_every_argument_is_described(repository: Path, file: str) -> None:
    arguments = _description(repository / 'launch' / file).get_launch_arguments()
    assert len(arguments) > 15
    for argument in arguments:
        assert len(argument.description) > 8, argument.name
        assert argument.description != 'no description given', argument.name


def test_every_parameter_of_the_detector_is_an_argument(repository: Path) -> None:
    from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters

    description = _description(repository / 'launch/detector.launch.py')
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    for field in dataclasses.fields(DetectorParameters):
        choices = field.metadata['choices']
        assert field.name in arguments
        if choices:
            assert arguments[field.name].choices == ['', *choices]


@pytest.mark.parametrize(
    ('argument', 'complaint'),
    [
        ('threshold:=high', "threshold: received 'high', expected a number"),
        ('threads:=1.5', "threads: received '1.5', expected a whole number"),
        ('overlay_content:=everything', '"everything" is not valid'),
    ],
)
def test_a_wrong_argument_starts_nothing(
    repository: Path, installed: dict[str, str], argument: str, complaint: str
) -> None:
    result = _launch(repository, installed, 'detector.launch.py', argument)
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert complaint in output
    assert 'process started' not in output


def test_a_replay_of_a_missing_bag_says_so(
    repository: Path, installed: dict[str, str], tmp_path: Path
) -> None:
    bag = tmp_path / 'nowhere'
    result = _launch(repository, installed, 'replay.launch.py', f'bag:={bag}')
    assert result.returncode == 1
    assert f'{bag} does not exist' in result.stdout + result.stderr


@pytest.mark.ros
@pytest.mark.slow
def test_a_replay_evaluates_every_frame_and_ends(
    repository: Path, installed: dict[str, str], bag: Path, any_bundle: str, tmp_path: Path
) -> None:
    figures = tmp_path / 'figures.json'
    result = _launch(
        repository, installed, 'replay.launch.py',
        f'bag:={bag}', f'output:={figures}', f'bundle:={any_bundle}', 'threads:=1',
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads(figures.read_text('utf-8'))
    assert summary['complete']
    assert summary['frames_in'] == summary['frames_out'] == 6
    assert summary['lost'] == summary['skipped'] == 0
    assert 0 <= summary['miou'] <= 1


@pytest.mark.ros
@pytest.mark.slow
def test_a_replay_fails_with_its_detector(
    repository: Path, installed: dict[str, str], bag: Path
) -> None:
    result = _launch(repository, installed, 'replay.launch.py', f'bag:={bag}', 'threads:=-1')
    assert result.returncode == 1
    assert 'detector ended with exit code' in result.stdout + result.stderr
