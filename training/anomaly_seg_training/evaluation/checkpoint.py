# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A published checkpoint as a bundle, so that a baseline needs no export first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from anomaly_seg_ros.bundle import Card, Preprocessing, SegmenterSpec, WeightsFile, write_bundle
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.models import create_segmenter, load_weights
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError


def checkpoint_bundle(
    checkpoint: Path, segmenter: str, options: Mapping[str, Any], size: Size, folder: Path
) -> Path:
    """Write a bundle of weights that knows the classes of Cityscapes and all scores.

    Args:
        checkpoint: A .pth or .safetensors file whose network takes RGB / 255.
        segmenter: Name of the network.
        options: Of the network.
        size: At which it runs.
        folder: Where the bundle is written.

    Returns:
        The bundle.

    Raises:
        KeyError: The network is unknown.
        LabError: The network does not take the options.
        AnomalySegError: The checkpoint cannot be read or does not fit.
    """
    try:
        network = create_segmenter(segmenter, **{'num_classes': len(CITYSCAPES), **options})
    except (TypeError, ValueError) as error:
        msg = f'{segmenter} does not take the options {dict(options)}: {error}'
        raise LabError(msg) from error
    load_weights(network, checkpoint)
    card = Card(
        name=checkpoint.stem,
        description=f'{segmenter} with the weights {checkpoint.name}',
        segmenter=SegmenterSpec(segmenter, dict(options)),
        classes=CITYSCAPES,
        preprocessing=Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        input_size=size,
        scores=tuple(SCORES),
        score='max_logit',
        weights=WeightsFile(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / 'weights.safetensors'
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, weights)
    return write_bundle(folder / 'bundle', card, {weights.name: weights}).path
