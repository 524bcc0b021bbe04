# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A published checkpoint as a bundle, so that a baseline needs no export first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from anomaly_seg_ros.bundle import Card, Preprocessing, SegmenterSpec, WeightsFile, write_bundle
from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.models import Segmenter, create_segmenter, load_weights
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
    return weights_bundle(
        network, checkpoint.stem, f'{segmenter} with the weights {checkpoint.name}',
        SegmenterSpec(segmenter, dict(options)), CITYSCAPES,
        Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), size, folder,
    )  # fmt: skip


def weights_bundle(
    network: Segmenter,
    name: str,
    description: str,
    segmenter: SegmenterSpec,
    classes: ClassSet,
    preprocessing: Preprocessing,
    size: Size,
    folder: Path,
) -> Path:
    """Write a bundle of a network as it is, without a graph, that offers all scores.

    Args:
        network: Gives the weights.
        name: Of the card, as what follows.
        description: See `Card`.
        segmenter: What rebuilds the network.
        classes: What it knows.
        preprocessing: What it was trained with.
        size: At which it runs.
        folder: Where the bundle is written.

    Returns:
        The bundle.
    """
    card = Card(
        name=name,
        description=description,
        segmenter=segmenter,
        classes=classes,
        preprocessing=preprocessing,
        input_size=size,
        scores=tuple(SCORES),
        score='max_logit',
        weights=WeightsFile(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / 'weights.safetensors'
    state = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    save_file(state, weights)
    return write_bundle(folder / 'bundle', card, {weights.name: weights}).path
