# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag to the detector and evaluate the live topics; ends with the bag.

``ros2 launch anomaly_seg_ros replay.launch.py bag:=<bag> output:=figures.json``

The exit code is 0 when every image was sent, answered and evaluated, and 1 otherwise.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from anomaly_seg_ros.bags.reader import Bag
from anomaly_seg_ros.sources.bag import choose_image_topic

PACKAGE = 'anomaly_seg_ros'
COMPRESSED = '/compressed'


def _read_topics(context: LaunchContext) -> None:
    """Take image topic, transport and calibration topic from the bag."""
    arguments = context.launch_configurations
    with Bag(Path(arguments['bag'])) as bag:
        image = choose_image_topic(bag.topics, arguments['image'] or None, bag.path)
    arguments['player_image'] = image
    arguments['image_transport'] = 'compressed' if image.endswith(COMPRESSED) else 'raw'
    arguments['image'] = image.removesuffix(COMPRESSED)
    if not arguments['camera_info']:
        arguments['camera_info'] = (
            image.removesuffix(COMPRESSED).rpartition('/')[0] + '/camera_info'
        )


def _on_exit(event: ProcessExited, context: LaunchContext) -> list[Shutdown] | None:
    """End with the evaluator; fail when anything fails or the detector ends too early."""
    if context.is_shutdown:
        return None
    name = event.process_name.rsplit('-', 1)[0]
    if event.returncode or name == 'detector':
        # An exception is the only way to make the exit code of ros2 launch other than 0.
        msg = f'{name} ended with exit code {event.returncode}, so the replay ends too'
        raise RuntimeError(msg)
    return [Shutdown(reason='the replay is evaluated')] if name == 'evaluator' else None


def generate_launch_description() -> LaunchDescription:
    """Describe player, detector and evaluator."""
    text = {'value_type': str}
    use_sim_time = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
    player = Node(
        package=PACKAGE,
        executable='player',
        output='screen',
        emulate_tty=True,
        parameters=[
            {
                'bag': ParameterValue(LaunchConfiguration('bag'), **text),
                'mode': LaunchConfiguration('mode'),
                'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float),
                'frames': ParameterValue(LaunchConfiguration('frames'), value_type=int),
                'image_topic': ParameterValue(LaunchConfiguration('player_image'), **text),
                'clock': use_sim_time,
                # The detector and the evaluator.
                'subscribers': 2,
                # The evaluator answers when it has every output of an image.
                'wait_for': 'evaluator/processed',
            }
        ],
    )
    evaluator = Node(
        package=PACKAGE,
        executable='evaluator',
        output='screen',
        emulate_tty=True,
        remappings=[('image', LaunchConfiguration('image'))],
        parameters=[
            {
                'image_transport': LaunchConfiguration('image_transport'),
                'output': ParameterValue(LaunchConfiguration('output'), **text),
                'output_bag': ParameterValue(LaunchConfiguration('output_bag'), **text),
            }
        ],
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='Bag to play: a folder, .mcap or .db3 file'),
            DeclareLaunchArgument(
                'mode',
                default_value='lockstep',
                choices=['realtime', 'lockstep'],
                description='lockstep sends an image when the last was evaluated, so none is lost',
            ),
            DeclareLaunchArgument(
                'rate', default_value='1.0', description='Factor on the recorded pace in real time'
            ),
            DeclareLaunchArgument(
                'frames', default_value='0', description='Play at most so many images; 0: all'
            ),
            DeclareLaunchArgument(
                'output', default_value='', description='JSON file for the figures (empty: none)'
            ),
            DeclareLaunchArgument(
                'output_bag', default_value='', description='Bag for the outputs (empty: none)'
            ),
            DeclareLaunchArgument(
                'image', default_value='', description='Image topic (empty: that of the bag)'
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='',
                description='Calibration topic (empty: camera_info beside the image)',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='true',
                choices=['true', 'false'],
                description='Publish and follow the time of the bag on /clock',
            ),
            RegisterEventHandler(OnProcessExit(on_exit=_on_exit)),
            OpaqueFunction(function=_read_topics),
            # Also sets the Fast DDS profile for the processes that follow it.
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name('detector.launch.py')))
            ),
            evaluator,
            player,
        ]
    )
