# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One bag through player, detector and evaluator, over DDS."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bags.reader import Bag
from anomaly_seg_ros.bags.topics import COMPRESSED_IMAGE
from anomaly_seg_ros.pipeline.processes import Children, PipelineError, node_environment
from anomaly_seg_ros.sources.bag import choose_image_topic

_PLAYED = re.compile(r'played (\d+)/(\d+)')


@dataclass(frozen=True)
class Replay:
    """What to replay and how.

    Args:
        bag: The bag.
        results: Folder for the figures (``evaluation.json``) and for logs.
        output_bag: Bag to record the outputs to, or None.
        record: Outputs to record.
        mode: ``'lockstep'`` or ``'realtime'``.
        rate: Factor on the recorded pace in real time.
        topic: Image topic of the bag; None for the only one.
        frames: At most this many images; None for all.
        classes: Number of classes of the detector.
        detector: Parameters of the detector node.
        own_graph: Keep the nodes out of every other ROS graph.
        start_timeout: Most seconds for the nodes to find each other.
        timeout: Most seconds for the whole replay.
    """

    bag: Path
    results: Path
    output_bag: Path | None = None
    record: tuple[str, ...] = ('labels', 'anomaly_score', 'anomaly_mask', 'overlay')
    mode: str = 'lockstep'
    rate: float = 1.0
    topic: str | None = None
    frames: int | None = None
    classes: int = 19
    detector: dict[str, Any] = field(default_factory=dict)
    own_graph: bool = False
    start_timeout: float = 120.0
    timeout: float = 24 * 3600.0


def run_replay(
    replay: Replay, on_played: Callable[[int, int], None] = lambda _sent, _total: None
) -> dict[str, Any]:
    """Run the three nodes until the bag has been played and evaluated.

    Args:
        replay: What to do.
        on_played: Called with the images played so far and their total.

    Returns:
        The evaluator's figures.

    Raises:
        BagError: The bag cannot be opened.
        PipelineError: A node failed; the message ends with its last lines.
    """
    with Bag(replay.bag) as bag:
        topics = bag.topics
        topic = choose_image_topic(topics, replay.topic, replay.bag)
    transport = 'compressed' if topics[topic].type_name == COMPRESSED_IMAGE else 'raw'
    base = _base_name(topic, transport)
    figures = replay.results / 'evaluation.json'
    figures.unlink(missing_ok=True)

    def on_player_line(line: str) -> bool:
        match = _PLAYED.fullmatch(line)
        if match is None:
            return True
        on_played(int(match[1]), int(match[2]))
        return False

    remaps = {'image': base, 'camera_info': _camera_info(base)}
    logs = replay.results / 'logs'
    with Children(node_environment(replay.own_graph, logs), logs) as children:
        children.start_node('detector', {'image_transport': transport, **replay.detector}, remaps)
        evaluator = children.start_node(
            'evaluator',
            {
                'image_transport': transport,
                'classes': replay.classes,
                'output': str(figures),
                'output_bag': str(replay.output_bag or ''),
                'record': ','.join(replay.record),
            },
            {'image': base},
        )
        player = children.start_node(
            'player',
            {
                'bag': str(replay.bag),
                'mode': replay.mode,
                'rate': float(replay.rate),
                'image_topic': topic,
                'frames': replay.frames or 0,
                'wait_for': 'evaluator/processed',
                'subscribers': 2,
                'subscriber_timeout': float(replay.start_timeout),
                'print_progress': True,
            },
            on_line=on_player_line,
        )
        children.start_reading()
        children.wait_for((player, evaluator), replay.timeout)
    try:
        result: dict[str, Any] = json.loads(figures.read_text('utf-8'))
    except (OSError, ValueError) as error:
        msg = f'the evaluator wrote no figures to {figures}: {error}'
        raise PipelineError(msg) from error
    return result


def _base_name(topic: str, transport: str) -> str:
    """Return the name that the nodes' `image` stands for."""
    if transport == 'raw':
        return topic
    suffix = '/compressed'
    if not topic.endswith(suffix):
        msg = f'the compressed images are on {topic}, expected a name that ends in {suffix}'
        raise PipelineError(msg)
    return topic.removesuffix(suffix)


def _camera_info(image: str) -> str:
    return f'{image.rpartition("/")[0]}/camera_info'
