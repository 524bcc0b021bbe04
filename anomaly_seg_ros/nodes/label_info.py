# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The message that tells what label values mean, and the threshold in use."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from anomaly_seg_ros.classes import IGNORE, ClassSet


@dataclass(frozen=True)
class LabelTable:
    """What subscribers need to read labels, scores and masks.

    Args:
        classes: Names and colours; a class's index is its label.
        score: Name of the anomaly score.
        refinement: What is done to the score, ``none`` for nothing.
        threshold: Scores above it are anomalous; None when there is none.
        bundle: Name of the model bundle.
    """

    classes: ClassSet
    score: str
    refinement: str
    threshold: float | None
    bundle: str


def label_info_class() -> Any:
    """Return vision_msgs/LabelInfo where it is installed, std_msgs/String otherwise."""
    try:
        from vision_msgs.msg import LabelInfo
    except ImportError:
        from std_msgs.msg import String

        return String
    return LabelInfo


def label_info_message(table: LabelTable, stamp: Any, message_class: Any) -> Any:
    """Make the message of a table.

    Args:
        table: The content.
        stamp: builtin_interfaces/Time, for the header of LabelInfo.
        message_class: What `label_info_class` returned. A String carries JSON with the keys
            `classes` (id, name, color, drivable), `ignore`, `score`, `refinement`, `threshold` and
            `bundle`.
    """
    if hasattr(message_class, 'get_fields_and_field_types') and 'class_map' in (
        message_class.get_fields_and_field_types()
    ):
        return _vision_message(table, stamp, message_class)
    content = {
        'classes': [
            {
                'id': label,
                'name': name,
                'color': list(color),
                'drivable': label in table.classes.drivable,
            }
            for label, (name, color) in enumerate(
                zip(table.classes.names, table.classes.palette, strict=True)
            )
        ],
        'ignore': IGNORE,
        'score': table.score,
        'refinement': table.refinement,
        'threshold': table.threshold,
        'bundle': table.bundle,
    }
    return message_class(data=json.dumps(content))


def _vision_message(table: LabelTable, stamp: Any, message_class: Any) -> Any:
    from vision_msgs.msg import VisionClass

    message = message_class()
    message.header.stamp = stamp
    message.class_map = [
        VisionClass(class_id=label, class_name=name)
        for label, name in enumerate(table.classes.names)
    ]
    message.threshold = math.nan if table.threshold is None else float(table.threshold)
    return message
