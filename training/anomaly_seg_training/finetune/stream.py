# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A start whose segmenter stays as it is while a stream beside it learns, and the way back."""

from __future__ import annotations

from dataclasses import replace

from anomaly_seg_ros.bundle import SegmenterSpec
from anomaly_seg_ros.models import UnknownStream, create_segmenter
from anomaly_seg_ros.models.unknown_stream import NAME
from anomaly_seg_training.finetune.start import Start


def with_stream(start: Start, gain: float) -> Start:
    """Return the start with a second stream beside its segmenter, unless it has one.

    Args:
        start: The segmenter.
        gain: See `UnknownStream`.

    Raises:
        ModelError: The segmenter cannot be split.
    """
    if isinstance(start.network, UnknownStream):
        return start
    options = {'base': start.spec.name, 'base_options': start.spec.options, 'gain': gain}
    spec = SegmenterSpec(NAME, options)
    network = create_segmenter(spec.name, num_classes=len(start.classes), **spec.options)
    assert isinstance(network, UnknownStream)
    network.adopt(start.network)
    return replace(start, network=network.eval(), spec=spec)


def without_stream(start: Start) -> Start:
    """Return the start with the segmenter alone, if there is a second stream beside it."""
    if not isinstance(start.network, UnknownStream):
        return start
    options = start.spec.options
    spec = SegmenterSpec(options['base'], dict(options.get('base_options') or {}))
    return replace(start, network=start.network.base.eval(), spec=spec)
