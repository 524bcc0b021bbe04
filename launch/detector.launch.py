# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the detector on a camera topic: ``ros2 launch anomaly_seg_ros detector.launch.py``."""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PACKAGE = 'anomaly_seg_ros'
FROM_FILE = 'empty: as in params_file'


def _boolean(text: str) -> bool:
    if text.lower() not in ('true', 'false'):
        msg = f'received {text!r}, expected true or false'
        raise ValueError(msg)
    return text.lower() == 'true'


# Launch argument -> type of the node's parameter of the same name, choices, description. Arguments
# that are left empty do not override what a parameter file says.
PARAMETERS: dict[str, tuple[Any, list[str], str]] = {
    'bundle': (str, [], "folder of a detector bundle, or 'default' for the one that ships"),
    'engine': (str, ['auto', 'onnxruntime', 'torch'], 'what runs the network'),
    'device': (str, [], "'auto', 'cpu' or 'cuda'"),
    'score': (str, [], 'anomaly score, one of those the bundle holds'),
    'threshold': (float, [], 'score above which a pixel is in the anomaly mask'),
    'overlay_content': (str, ['labels', 'score', 'both'], 'what ~/overlay shows'),
    'image_transport': (str, ['raw', 'compressed'], 'subscribe <image> or <image>/compressed'),
    'image_reliability': (str, ['reliable', 'best_effort'], 'of the image subscription'),
    'max_rate': (float, [], 'frames per second to process at most'),
    'autostart': (_boolean, ['true', 'false'], 'configure and activate without being asked'),
}


def _detector(context: LaunchContext) -> list[Node]:
    overrides: dict[str, Any] = {
        'use_sim_time': _boolean(LaunchConfiguration('use_sim_time').perform(context))
    }
    for name, (kind, _, _) in PARAMETERS.items():
        value = LaunchConfiguration(name).perform(context)
        if value:
            try:
                overrides[name] = kind(value)
            except ValueError as error:
                msg = f'launch argument {name!r}: {error}'
                raise RuntimeError(msg) from error
    image = LaunchConfiguration('image').perform(context)
    return [
        Node(
            package=PACKAGE,
            executable='detector',
            name=LaunchConfiguration('name'),
            namespace=LaunchConfiguration('namespace'),
            parameters=[LaunchConfiguration('params_file'), overrides],
            remappings=[
                ('image', image),
                ('image/compressed', f'{image}/compressed'),
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
                'image', default_value='/camera/image', description='camera topic to subscribe'
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='/camera/camera_info',
                description='calibration topic that belongs to the image',
            ),
            DeclareLaunchArgument('name', default_value='detector', description='node name'),
            DeclareLaunchArgument('namespace', default_value='', description='node namespace'),
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution([share, 'config', 'detector.yaml']),
                description='parameter file of the node',
            ),
            *(
                DeclareLaunchArgument(
                    name,
                    default_value='',
                    choices=['', *choices] if choices else None,
                    description=f'{description} ({FROM_FILE})',
                )
                for name, (_, choices, description) in PARAMETERS.items()
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=['true', 'false'],
                description='follow /clock, as bags and simulators publish it',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='least severe messages to log',
            ),
            DeclareLaunchArgument(
                'fastdds_profile',
                default_value=EnvironmentVariable(
                    'FASTDDS_DEFAULT_PROFILES_FILE',
                    default_value=PathJoinSubstitution(
                        [share, 'config', 'fastdds_large_images.xml']
                    ),
                ),
                description='Fast DDS profile, by default one that carries large images; '
                'empty: none',
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='false',
                choices=['true', 'false'],
                description='show the outputs of /detector in RViz',
            ),
            SetEnvironmentVariable(
                'FASTDDS_DEFAULT_PROFILES_FILE', LaunchConfiguration('fastdds_profile')
            ),
            # The same for the Fast DDS of ROS Humble.
            SetEnvironmentVariable(
                'FASTRTPS_DEFAULT_PROFILES_FILE', LaunchConfiguration('fastdds_profile')
            ),
            OpaqueFunction(function=_detector),
            Node(
                package='rviz2',
                executable='rviz2',
                arguments=['-d', PathJoinSubstitution([share, 'config', 'overlay.rviz'])],
                condition=IfCondition(LaunchConfiguration('rviz')),
            ),
        ]
    )
