# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run one detector for each of several cameras, each in the namespace of its camera.

``ros2 launch anomaly_seg_ros multi_camera.launch.py cameras:=front,left image:=/{camera}/raw``
"""

from __future__ import annotations

import re
from pathlib import Path

import launch.logging
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import (
    PythonLaunchDescriptionSource,
    get_launch_description_from_python_launch_file,
)

from anomaly_seg_ros.pipeline.transport import transport_variables

DETECTOR = Path(__file__).with_name('detector.launch.py')
CAMERA = '{camera}'
NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
# What differs between the cameras; RViz shows one detector only.
OWN = ('image', 'camera_info', 'namespace', 'rviz')


def _cameras(text: str) -> list[str]:
    """Return the names in a list, refuse those that cannot be namespaces."""
    names = [name.strip() for name in text.split(',')]
    for name in names:
        if NAME.fullmatch(name) is None:
            msg = (
                f'launch argument cameras: received {text!r}, expected names of letters, digits '
                'and _ that begin with a letter, separated by commas'
            )
            raise RuntimeError(msg)
    if len(set(names)) < len(names):
        msg = f'launch argument cameras: received {text!r}, expected different names'
        raise RuntimeError(msg)
    return names


def _detectors(context: LaunchContext) -> list[Action]:
    arguments = context.launch_configurations
    cameras, image = _cameras(arguments['cameras']), arguments['image']
    if len(cameras) > 1 and CAMERA not in image:
        msg = (
            f'launch argument image: received {image!r} for {len(cameras)} cameras, expected '
            f'{CAMERA} in the place of their names'
        )
        raise RuntimeError(msg)
    actions: list[Action] = []
    if arguments['fastdds_profile'] == 'auto':
        # Camera and detector each take shared memory, and somebody looks at one of them.
        logs = Path(launch.logging.launch_config.log_dir)
        variables = transport_variables(context.environment, logs, 2 * len(cameras) + 3)
        actions += [SetEnvironmentVariable(name, value) for name, value in variables.items()]
    for camera in cameras:
        own = {
            'image': image.replace(CAMERA, camera),
            'camera_info': arguments['camera_info'].replace(CAMERA, camera),
            'namespace': camera,
            'rviz': 'false',
        }
        source = PythonLaunchDescriptionSource(str(DETECTOR))
        actions.append(IncludeLaunchDescription(source, launch_arguments=list(own.items())))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Describe a detector for each camera; all share what the cameras do not differ in."""
    shared = get_launch_description_from_python_launch_file(str(DETECTOR)).get_launch_arguments()
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras', description='Names of the cameras, separated by commas'
            ),
            DeclareLaunchArgument(
                'image',
                default_value=f'/{CAMERA}/image',
                description=f'Camera topics, with {CAMERA} in the place of the name',
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value=f'/{CAMERA}/camera_info',
                description=f'Calibration topics, with {CAMERA} in the place of the name',
            ),
            *(argument for argument in shared if argument.name not in OWN),
            OpaqueFunction(function=_detectors),
        ]
    )
