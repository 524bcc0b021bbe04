# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the detector on a camera topic: ``ros2 launch anomaly_seg_ros detector.launch.py``."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import launch.logging
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    SetEnvironmentVariable,
    UnsetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from anomaly_seg_ros.nodes.detector_parameters import DetectorParameters
from anomaly_seg_ros.pipeline.transport import transport_variables

PACKAGE = 'anomaly_seg_ros'
# The old name still works with a newer Fast DDS, which then complains about it.
PROFILE_VARIABLE = (
    'FASTRTPS_DEFAULT_PROFILES_FILE'
    if os.environ.get('ROS_DISTRO') == 'humble'
    else 'FASTDDS_DEFAULT_PROFILES_FILE'
)
PARAMETERS = dataclasses.fields(DetectorParameters)
CONVERSIONS = {
    'bool': ({'true': True, 'false': False}.__getitem__, 'true or false'),
    'float': (float, 'a number'),
    'int': (int, 'a whole number'),
    'str': (str, 'a text'),
}


def _parameter_argument(field: dataclasses.Field[Any]) -> DeclareLaunchArgument:
    """Offer one parameter of the node; left empty, it keeps what the parameter file says."""
    choices = ('true', 'false') if field.type == 'bool' else field.metadata['choices']
    return DeclareLaunchArgument(
        field.name,
        default_value='',
        choices=['', *choices] if choices else None,
        description=f'{field.metadata["description"]} (empty: as in params_file)',
    )


def _overrides(context: LaunchContext) -> dict[str, Any]:
    """Return the parameters that were given as launch arguments, in the node's types."""
    overrides = {}
    for field in PARAMETERS:
        text = LaunchConfiguration(field.name).perform(context)
        if not text:
            continue
        convert, expected = CONVERSIONS[str(field.type)]
        try:
            overrides[field.name] = convert(text)
        except ValueError as error:
            msg = f'launch argument {field.name}: received {text!r}, expected {expected}'
            raise RuntimeError(msg) from error
    return overrides


def _fastdds_profile(context: LaunchContext) -> list[Action]:
    """Choose the middleware's profile for this and all later processes of the launch."""
    profile = LaunchConfiguration('fastdds_profile').perform(context)
    if profile == 'none':
        return [UnsetEnvironmentVariable(PROFILE_VARIABLE)]
    variables = {PROFILE_VARIABLE: profile}
    if profile == 'auto':
        logs = Path(launch.logging.launch_config.log_dir)
        variables = transport_variables(context.environment, logs)
    return [SetEnvironmentVariable(name, value) for name, value in variables.items()]


def _detector(context: LaunchContext) -> list[Node]:
    use_sim_time = LaunchConfiguration('use_sim_time').perform(context) == 'true'
    return [
        Node(
            package=PACKAGE,
            executable='detector',
            name=LaunchConfiguration('name'),
            namespace=LaunchConfiguration('namespace'),
            parameters=[
                LaunchConfiguration('params_file'),
                {'use_sim_time': use_sim_time, **_overrides(context)},
            ],
            remappings=[
                ('image', LaunchConfiguration('image')),
                ('camera_info', LaunchConfiguration('camera_info')),
            ],
            ros_arguments=['--log-level', LaunchConfiguration('log_level')],
            output='screen',
            emulate_tty=True,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Describe one detector and, when asked for, RViz."""
    share = FindPackageShare(PACKAGE)
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'image', default_value='/camera/image', description='Camera topic to subscribe to'
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='/camera/camera_info',
                description='Calibration topic that belongs to the image',
            ),
            DeclareLaunchArgument('name', default_value='detector', description='Node name'),
            DeclareLaunchArgument('namespace', default_value='', description='Node namespace'),
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution([share, 'config', 'detector.yaml']),
                description='Parameter file of the node',
            ),
            *map(_parameter_argument, PARAMETERS),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=['true', 'false'],
                description='Follow /clock, as bag players and simulators publish it',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='Least severe messages to log',
            ),
            DeclareLaunchArgument(
                'fastdds_profile',
                default_value='auto',
                description='Fast DDS profile file; auto: one for large images that fits this '
                'machine, unless the environment names one; none: the defaults of Fast DDS',
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='false',
                choices=['true', 'false'],
                description='Show the outputs of /detector in RViz',
            ),
            OpaqueFunction(function=_fastdds_profile),
            OpaqueFunction(function=_detector),
            Node(
                package='rviz2',
                executable='rviz2',
                arguments=['-d', PathJoinSubstitution([share, 'config', 'overlay.rviz'])],
                condition=IfCondition(LaunchConfiguration('rviz')),
            ),
        ]
    )
