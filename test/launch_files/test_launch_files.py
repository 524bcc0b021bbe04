# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files load, explain themselves, refuse nonsense, and run."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('launch.actions')
pytest.importorskip('launch_ros.actions')

FILES = ('detector.launch.py', 'multi_camera.launch.py', 'replay.launch.py')
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
    assert len(arguments) > 20
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


def test_cameras_share_all_but_what_they_differ_in(repository: Path) -> None:
    names = {
        file: {a.name for a in _description(repository / 'launch' / file).get_launch_arguments()}
        for file in FILES
    }
    one, many = names['detector.launch.py'], names['multi_camera.launch.py']
    assert many - one == {'cameras'}
    assert one - many == {'namespace', 'rviz'}


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        (['cameras:=front,'], "cameras: received 'front,', expected names of letters"),
        (['cameras:=front left'], "cameras: received 'front left'"),
        (['cameras:=a,b,a'], "cameras: received 'a,b,a', expected different names"),
        (['cameras:=a,b', 'image:=/x'], "image: received '/x' for 2 cameras, expected {camera}"),
        (['cameras:=a', 'min_area:=some'], "min_area: received 'some', expected a whole number"),
    ],
)
def test_wrong_cameras_start_nothing(
    repository: Path, installed: dict[str, str], arguments: list[str], complaint: str
) -> None:
    result = _launch(repository, installed, 'multi_camera.launch.py', *arguments)
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert complaint in output
    assert 'process started' not in output


@pytest.mark.ros
@pytest.mark.slow
def test_every_camera_gets_its_detector(
    repository: Path, installed: dict[str, str], any_bundle: str
) -> None:
    process = subprocess.Popen(
        [
            sys.executable, '-c', RUN, str(repository / 'launch/multi_camera.launch.py'),
            'cameras:=front,rear/left', 'image:=/{camera}/raw', f'bundle:={any_bundle}',
            'threads:=1', 'min_area:=7', 'persistence:=2/3', 'score:=energy',
        ],
        env={**os.environ, **installed, 'PYTHONUNBUFFERED': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    lines: list[str] = []
    active: set[str] = set()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            active |= set(re.findall(r'active: images are taken from ([\w/]+)', line))
            if len(active) == 2:
                break
        assert active == {'/front/raw', '/rear/left/raw'}, ''.join(lines)
        values = {
            name: _parameters(installed, f'/{name}/detector') for name in ('front', 'rear/left')
        }
        for found in values.values():
            assert found == {'min_area': 7, 'persistence': '2/3', 'score': 'energy'}
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, ''.join(lines) + rest
    assert rest.count('process has finished cleanly') == 2


def _parameters(environment: dict[str, str], node: str) -> dict[str, Any]:
    """Ask a node for three of its parameters, as ``ros2 param get`` does."""
    code = (
        'import json, sys, rclpy\n'
        'from rcl_interfaces.srv import GetParameters\n'
        'from rclpy.parameter import parameter_value_to_python as value\n'
        'rclpy.init()\n'
        'node = rclpy.create_node("asks")\n'
        'client = node.create_client(GetParameters, sys.argv[1] + "/get_parameters")\n'
        'assert client.wait_for_service(30.0), sys.argv[1]\n'
        'names = sys.argv[2:]\n'
        'future = client.call_async(GetParameters.Request(names=names))\n'
        'rclpy.spin_until_future_complete(node, future, timeout_sec=30.0)\n'
        'values = [value(v) for v in future.result().values]\n'
        'print(json.dumps(dict(zip(names, values))))\n'
        'rclpy.shutdown()\n'
    )
    names = ('min_area', 'persistence', 'score')
    done = subprocess.run(
        [sys.executable, '-c', code, node, *names],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return dict(json.loads(done.stdout))


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
        'score:=energy', 'refinement:=none', 'threshold:=-5', 'min_area:=20', 'hysteresis:=0',
        'persistence:=1/2',
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads(figures.read_text('utf-8'))
    assert summary['complete']
    assert summary['frames_in'] == summary['frames_out'] == 6
    assert summary['lost'] == summary['skipped'] == 0
    assert 0 <= summary['miou'] <= 1
    assert 'score energy, refinement none, threshold -5' in result.stdout + result.stderr


@pytest.mark.ros
@pytest.mark.slow
def test_a_replay_fails_with_its_detector(
    repository: Path, installed: dict[str, str], bag: Path
) -> None:
    result = _launch(repository, installed, 'replay.launch.py', f'bag:={bag}', 'threads:=-1')
    assert result.returncode == 1
    assert 'detector ended with exit code' in result.stdout + result.stderr
