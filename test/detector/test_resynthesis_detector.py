# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The re-synthesis detector: one graph, the same numbers by every engine, labels untouched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from anomaly_seg_ros.bundle import (
    Bundle,
    BundleError,
    Card,
    GraphFile,
    Preprocessing,
    ResynthesisSpec,
    SegmenterSpec,
    WeightsFile,
    write_bundle,
)
from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.detector import Detector, ResynthesisDetector, export
from anomaly_seg_ros.detector.create import detector_state
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.models import ModelError, create_segmenter
from anomaly_seg_ros.models.resynthesis import Resynthesis
from anomaly_seg_ros.size import Size

SIZE = Size(64, 64)
CLASSES = ClassSet(CITYSCAPES.names[:5], CITYSCAPES.palette[:5], (0,))
SEGMENTER = SegmenterSpec('streetnet', {
    'widths': [4, 4, 4, 4], 'depths': [1, 1, 1, 1], 'neck': 4, 'head': 4,
})  # fmt: skip
SPEC = ResynthesisSpec(
    classes=5, synthesis_size=Size(64, 64), dissimilarity_size=Size(32, 32),
    generator_options={'channels': 4, 'hidden': 4, 'most': 1},
    perceptual_options={'depth': 19, 'tap': 'first', 'levels': 2, 'width': 0.05},
    dissimilarity_options={'width': 0.05}, ensemble=(0.4, 0.3, 0.2, 0.1),
    bounds={'entropy': (0.1, 1.0), 'perceptual': (0.0, 0.5), 'distance': (0.2, 1.0)},
)  # fmt: skip
SCORES = ('synboost', 'entropy')


def make_card(**changes: Any) -> Card:
    fields: dict[str, Any] = {
        'name': 'tiny', 'description': 'For tests.', 'segmenter': SEGMENTER, 'classes': CLASSES,
        'preprocessing': Preprocessing(), 'input_size': SIZE, 'scores': SCORES,
        'score': 'synboost', 'resynthesis': SPEC,
    }  # fmt: skip
    return Card(**(fields | changes))


def make_detector() -> ResynthesisDetector:
    torch.manual_seed(3)
    segmenter = create_segmenter(SEGMENTER.name, num_classes=5, **SEGMENTER.options)
    return ResynthesisDetector(
        segmenter, Resynthesis(SPEC), Preprocessing(), SIZE, SCORES
    ).eval()  # fmt: skip


@pytest.fixture(scope='module')
def image() -> np.ndarray[Any, np.dtype[np.uint8]]:
    # Smooth, so that labels do not hang on single bits of the pixels.
    coarse = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 255
    fine = torch.nn.functional.interpolate(coarse, (70, 90), mode='bicubic').clamp(0, 255)
    return fine.permute(0, 2, 3, 1).byte().numpy()


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp('resynthesis')
    detector = make_detector()
    export(detector, folder / 'detector.onnx')
    save_file(detector_state(detector.segmenter, detector.resynthesis), folder / 'w.safetensors')
    card = make_card(graph=GraphFile(), weights=WeightsFile())
    files = {'detector.onnx': folder / 'detector.onnx',
             'weights.safetensors': folder / 'w.safetensors'}  # fmt: skip
    return write_bundle(folder / 'bundle', card, files)


def test_every_engine_gives_the_networks_numbers(bundle: Bundle, image: Any) -> None:
    with torch.inference_mode():
        expected = make_detector().run(torch.from_numpy(image), ('labels', *SCORES))
    for name in ('torch', 'onnxruntime'):
        engine = load_engine(name, bundle, device='cpu', threads=1)
        found = engine.run(image, ('labels', *SCORES))
        assert np.mean(found['labels'] == expected['labels'].numpy()) > 0.999
        for score in SCORES:
            np.testing.assert_allclose(found[score], expected[score].numpy(), atol=1e-4)
        assert found['synboost'].shape == (1, 70, 90)
        engine.close()


def test_labels_and_other_scores_are_the_segmenters_own(image: Any) -> None:
    detector = make_detector()
    plain = Detector(detector.segmenter, Preprocessing(), SIZE, ('entropy',)).eval()
    with torch.inference_mode():
        pixels = torch.from_numpy(image)
        ours, theirs = (d.run(pixels, ('labels', 'entropy')) for d in (detector, plain))
        maps = detector.maps(pixels)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert maps.uncertainty.shape == (1, 3, 32, 32)
    assert maps.synthesised.std() > 0


def test_card_comes_back(tmp_path: Path) -> None:
    card = make_card()
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card
    content = card.to_json()
    content['resynthesis']['colour'] = 1
    with pytest.raises(BundleError, match="unknown key 'colour'"):
        Card.from_json(content)
    content = card.to_json()
    content['resynthesis']['synthesis_size'] = '64by64'
    with pytest.raises(BundleError, match='synthesis_size'):
        Card.from_json(content)


def test_cards_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(BundleError, match='not its networks'):
        make_card(resynthesis=None)
    with pytest.raises(BundleError, match='not its score'):
        make_card(scores=('entropy',), score='entropy')
    with pytest.raises(BundleError, match='4 classes, and its segmenter knows 5'):
        make_card(resynthesis=replace(SPEC, classes=4))


def test_segmenter_with_other_classes_is_refused() -> None:
    segmenter = create_segmenter(SEGMENTER.name, num_classes=7, **SEGMENTER.options)
    with pytest.raises(ModelError, match='7 classes and the re-synthesis networks'):
        ResynthesisDetector(segmenter, Resynthesis(SPEC), Preprocessing(), SIZE)


def test_weights_of_other_networks_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    state = load_file(bundle.file('weights'))
    kept = {name: t for name, t in state.items() if not name.startswith('resynthesis.generator.')}
    save_file(kept, tmp_path / 'w.safetensors')
    other = write_bundle(
        tmp_path / 'bundle',
        make_card(weights=WeightsFile()),
        {'weights.safetensors': tmp_path / 'w.safetensors'},
    )
    with pytest.raises(ModelError, match='re-synthesis does not fit Resynthesis: .* missing'):
        load_engine('torch', other, device='cpu')
