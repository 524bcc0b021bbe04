# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a finished fine-tuning has trained, rebuilt from the files of its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bundle import Preprocessing, SegmenterSpec
from anomaly_seg_ros.classes import ClassSet
from anomaly_seg_ros.models import create_segmenter, load_weights
from anomaly_seg_training.finetune.start import Start


def start_of_run(about: Mapping[str, Any], weights: Path) -> Start:
    """Rebuild the segmenter that a run trained.

    Args:
        about: What the run's file says of its start, as `Start.as_dict` gave it.
        weights: Of that segmenter: those that the run wrote.

    Raises:
        AnomalySegError: The weights cannot be read or do not fit.
    """
    entries = about['classes']
    colours = [(int(r), int(g), int(b)) for r, g, b in entries['palette']]
    classes = ClassSet(tuple(entries['names']), tuple(colours), tuple(entries['drivable']))
    spec = SegmenterSpec(about['segmenter'], dict(about['options']))
    network = create_segmenter(spec.name, **{'num_classes': len(classes), **spec.options})
    load_weights(network, weights)
    origin = {key: about[key] for key in ('bundle', 'checkpoint', 'sha256') if key in about}
    return Start(
        network.eval(), spec, Preprocessing(tuple(about['mean']), tuple(about['std'])), classes,
        origin, dict(about['licence']),
    )  # fmt: skip
