# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A start whose segmenter stays as it is while a stream beside it learns, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from anomaly_seg_ros.bundle import SegmenterSpec
from anomaly_seg_ros.models import TwoStreams, create_segmenter
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.pooling import Pooling


def with_stream(start: Start, name: str, options: Mapping[str, Any] | None = None) -> Start:
    """Return the start with a second stream beside its segmenter.

    Args:
        start: The segmenter; one that has a stream of this kind keeps its weights, another stream
            goes.
        name: Of the network with two streams, in `SEGMENTERS`.
        options: Of that network, beside its base.

    Raises:
        ModelError: The segmenter cannot be split.
    """
    alone = without_stream(start)
    base = {'base': alone.spec.name, 'base_options': alone.spec.options}
    spec = SegmenterSpec(name, {**base, **(options or {})})
    network = create_segmenter(spec.name, num_classes=len(start.classes), **spec.options)
    assert isinstance(network, TwoStreams)
    if start.spec.name == name:
        network.load_state_dict(start.network.state_dict())
    else:
        network.adopt(alone.network)
    return replace(start, network=network.eval(), spec=spec)


def pooled(start: Start, pooling: Pooling) -> Start:
    """Return the start whose second stream pools what it says so; no weight changes.

    Raises:
        LabError: There is no second stream.
        ModelError: A value is out of range.
    """
    if not isinstance(start.network, TwoStreams):
        msg = f'received {pooling}, but {start.spec.name} has no second stream: leave it out'
        raise LabError(msg)
    spec = SegmenterSpec(start.spec.name, {**start.spec.options, **pooling.options()})
    network = create_segmenter(spec.name, num_classes=len(start.classes), **spec.options)
    network.load_state_dict(start.network.state_dict())
    return replace(start, network=network.eval(), spec=spec)


def without_stream(start: Start) -> Start:
    """Return the start with the segmenter alone, if there is a second stream beside it."""
    if not isinstance(start.network, TwoStreams):
        return start
    options = start.spec.options
    spec = SegmenterSpec(options['base'], dict(options.get('base_options') or {}))
    return replace(start, network=start.network.base.eval(), spec=spec)
