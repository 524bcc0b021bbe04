# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle of weights alone, made in no time: for tests that need some network, not a good one."""

from __future__ import annotations

from pathlib import Path

SCORES = ('max_logit', 'entropy', 'energy')
REFINEMENTS = ('none', 'sml', 'suppress')


def build_weights_bundle(folder: Path, *, seed: int = 0, name: str = 'random') -> Path:
    """Write an ERFNet with random weights at 32x16, statistics of its max logit alone."""
    import torch
    from safetensors.torch import save_file

    from anomaly_seg_ros.bundle import Card, Preprocessing, SegmenterSpec, WeightsFile
    from anomaly_seg_ros.bundle.write import write_bundle
    from anomaly_seg_ros.classes import CITYSCAPES
    from anomaly_seg_ros.models import create_segmenter
    from anomaly_seg_ros.size import Size

    torch.manual_seed(seed)
    segmenter = create_segmenter('erfnet', num_classes=len(CITYSCAPES)).eval()
    folder.mkdir(parents=True)
    weights = folder / 'weights.safetensors'
    save_file({key: value.contiguous() for key, value in segmenter.state_dict().items()}, weights)
    means = [label / 100 for label in range(len(CITYSCAPES))]
    card = Card(
        name=name,
        description='random weights',
        segmenter=SegmenterSpec('erfnet', {}),
        classes=CITYSCAPES,
        preprocessing=Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        input_size=Size(32, 16),
        scores=SCORES,
        score='max_logit',
        refinements=REFINEMENTS,
        statistics={
            'max_logit': {
                'count': [9] * len(CITYSCAPES),
                'mean': means,
                'std': [0.5 + mean for mean in means],
            }
        },
        weights=WeightsFile(),
    )
    return write_bundle(folder / 'bundle', card, {weights.name: weights}).path
