# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles with a graph and weights, of small networks with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SCORES = ('max_softmax', 'entropy', 'max_logit', 'energy', 'max_min')
REFINED = ('none', 'sml', 'suppress+smooth', 'sml+suppress+smooth+vde')


def make_bundle(
    folder: Path,
    name: str,
    size: str,
    *,
    scores: tuple[str, ...] = SCORES,
    refinements: tuple[str, ...] = ('none',),
    statistics: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Export a randomly initialised network into a bundle with a graph and weights."""
    torch = pytest.importorskip('torch')
    pytest.importorskip('onnxscript')
    from safetensors.torch import save_file

    from anomaly_seg_ros import bundle
    from anomaly_seg_ros.classes import CITYSCAPES
    from anomaly_seg_ros.detector import Detector, export
    from anomaly_seg_ros.models import create_segmenter
    from anomaly_seg_ros.size import Size

    torch.manual_seed(5)
    segmenter = create_segmenter(name, **{'num_classes': len(CITYSCAPES), **options}).eval()
    # Fresh weights give nearly constant logits; spread them over the picture as trained ones.
    weight, bias = list(segmenter.parameters())[-2:]
    example = torch.randn(1, 3, *Size.parse(size).shape)
    with torch.no_grad():
        weight.mul_(4 / segmenter(example).std((2, 3)).mean())
        means = segmenter(example).mean((0, 2, 3))
        bias[: len(means)] -= means
    preprocessing = bundle.Preprocessing((0.4, 0.5, 0.3), (0.25, 0.2, 0.3))
    detector = Detector(
        segmenter, preprocessing, Size.parse(size), scores, refinements, CITYSCAPES.drivable
    )
    export(detector, folder / 'detector.onnx')
    save_file(segmenter.state_dict(), folder / 'weights.safetensors')
    card = bundle.Card(
        name=name,
        description='random weights',
        segmenter=bundle.SegmenterSpec(name, options),
        classes=CITYSCAPES,
        preprocessing=preprocessing,
        input_size=Size.parse(size),
        scores=scores,
        score='max_logit',
        refinements=refinements,
        statistics=statistics,
        graph=bundle.GraphFile(),
        weights=bundle.WeightsFile(),
    )
    names = ('detector.onnx', 'weights.safetensors')
    return bundle.write_bundle(folder / 'bundle', card, {n: folder / n for n in names})


@pytest.fixture(scope='session')
def streetnet_bundle(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bundle of StreetNet at 128x64."""
    return make_bundle(tmp_path_factory.mktemp('streetnet'), 'streetnet', '128x64')


@pytest.fixture(scope='session')
def erfnet_bundle(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bundle of ERFNet at 96x48, with the void class of its checkpoint cut off."""
    return make_bundle(
        tmp_path_factory.mktemp('erfnet'), 'erfnet', '96x48', num_classes=20, known_classes=19
    )


@pytest.fixture(scope='session')
def refined_bundle(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bundle of StreetNet at 64x48 with refinements; statistics of only one of its scores."""
    means = [-3 + label / 10 for label in range(19)]
    table = {'count': [100] * 19, 'mean': means, 'std': [0.5 + label / 20 for label in range(19)]}
    return make_bundle(
        tmp_path_factory.mktemp('refined'),
        'streetnet',
        '64x48',
        scores=('max_logit', 'entropy'),
        refinements=REFINED,
        statistics={'max_logit': table},
    )
