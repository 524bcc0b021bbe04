# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the evaluator node."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_seg_ros.bags.writer import STORAGES
from anomaly_seg_ros.nodes.parameters import AT_START, option
from anomaly_seg_ros.nodes.qos import RELIABILITIES


@dataclass(frozen=True)
class EvaluatorParameters:
    """What a user can set on the evaluator node."""

    detector: str = option(
        'detector', 'Node name of the detector whose outputs are evaluated', used=AT_START
    )
    player: str = option(
        'player', 'Node name of the player that tells when the replay is over', used=AT_START
    )
    image_transport: str = option(
        'raw',
        'raw subscribes to image, compressed to image/compressed',
        used=AT_START,
        choices=('raw', 'compressed'),
    )
    reliability: str = option(
        'reliable',
        'Reliability asked of all images',
        used=AT_START,
        choices=tuple(RELIABILITIES),
    )
    ground_truth: str = option(
        'auto',
        'Which ground truth a frame must have; auto takes what the player says it plays, or what '
        'is published',
        used=AT_START,
        choices=('auto', 'none', 'labels', 'anomaly', 'both'),
    )
    classes: int = option(
        19, 'Number of classes that the detector knows', used=AT_START, low=1, high=254
    )
    output: str = option('', 'JSON file to write the figures to; empty writes none', used=AT_START)
    output_bag: str = option(
        '', 'Bag folder to record the outputs to; empty records none', used=AT_START
    )
    output_bag_storage: str = option(
        'mcap', 'Storage of the recorded outputs', used=AT_START, choices=tuple(STORAGES)
    )
    record: str = option(
        'labels,anomaly_score,anomaly_mask,overlay',
        'Outputs to record, separated by commas',
        used=AT_START,
    )
    buffer: int = option(
        32,
        'Incomplete frames to keep while their other messages are awaited',
        used=AT_START,
        low=1,
        high=10000,
    )
    grace: float = option(
        2.0,
        'Seconds to wait for late messages after the player has finished',
        used=AT_START,
        low=0.0,
        high=600.0,
    )
    idle_timeout: float = option(
        0.0,
        'Finish after so many seconds without a message, once one has come; 0 never does',
        used=AT_START,
        low=0.0,
        high=86400.0,
    )
    progress_period: float = option(
        5.0,
        'Seconds between two lines of progress in the log',
        used=AT_START,
        low=0.5,
        high=3600.0,
    )
    max_pixels: int = option(
        2**29,
        'Most pixels pooled for AUROC, AP and FPR95; each takes 4 bytes, of memory for the first '
        '30 million and in the folder of temporary files beyond',
        used=AT_START,
        low=1,
        high=2**40,
    )
