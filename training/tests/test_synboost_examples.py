# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SynBoost's examples of anomalies: scenes, swapped instances, what the segmenter says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.bundle import Preprocessing
from anomaly_seg_ros.detector import Detector
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import DataError
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.synboost.ablation import VARIANTS, variant_recipe
from anomaly_seg_training.synboost.examples import (
    AnomalyExamples,
    Making,
    read_scenes,
    validation_examples,
)
from anomaly_seg_training.synboost.predictions import Predictions, SegmentedScene
from anomaly_seg_training.synboost.recipe import DissimilarityRecipe
from anomaly_seg_training.synboost.scenes import SCENES, Scene, void_regions
from anomaly_seg_training.synboost.swapping import (
    CLASS_WEIGHTS,
    find_instances,
    swap_instances,
)

RECIPES = Path(__file__).parent.parent / 'recipes'


def street() -> np.ndarray[Any, np.dtype[np.uint8]]:
    labels = np.zeros((20, 40), np.uint8)
    labels[:8] = 10
    labels[10:16, 4:12] = 13
    labels[10:16, 20:28] = 13
    labels[9:17, 32:35] = 11
    labels[18:, 36:] = 255
    return labels


def test_instances_are_connected_regions_of_one_class() -> None:
    labels = street()
    labels[16, 12] = 13  # touches the first car at a corner
    found = find_instances(labels)
    assert (found > 0).sum() == np.isin(labels, (11, 13)).sum()
    assert found[10, 4] == found[16, 12] != found[10, 20]
    assert len(np.unique(found)) == 4


@pytest.mark.parametrize('seed', range(20))
def test_swapped_instances_take_another_class_as_a_whole(seed: int) -> None:
    labels = street()
    instances = find_instances(labels)
    changed, where = swap_instances(labels, instances, np.random.default_rng(seed), 30)
    assert np.array_equal(changed[~where], labels[~where])
    assert (changed[where] != labels[where]).all()
    touched = np.unique(instances[where])
    assert 1 <= len(touched) < 3  # never all three of 48, 48 and 24 pixels: one is too small
    for number in touched:
        assert where[instances == number].all()
        assert len(np.unique(changed[instances == number])) == 1
    assert not where[labels == 11].any()


def test_new_classes_are_drawn_as_often_as_their_weights_say() -> None:
    labels = np.full((2, 2), 12, np.uint8)
    drawn = np.zeros(256)
    for seed in range(600):
        changed, _ = swap_instances(
            labels, np.ones_like(labels, np.int32), np.random.default_rng(seed), 1
        )
        drawn[changed[0, 0]] += 1
    assert drawn[12] == 0
    total = sum(weight for label, weight in CLASS_WEIGHTS.items() if label != 12)
    for label, weight in CLASS_WEIGHTS.items():
        if label != 12:
            assert drawn[label] / 600 == pytest.approx(weight / total, abs=0.06)


def test_nothing_to_swap_changes_nothing() -> None:
    labels = np.zeros((4, 4), np.uint8)
    changed, where = swap_instances(labels, find_instances(labels), np.random.default_rng(0), 1)
    assert np.array_equal(changed, labels)
    assert not where.any()


def test_small_void_regions_and_other_unlabelled_pixels_are_ignored() -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[0:2, 0:3] = labels[4, 4] = labels[5, 7] = 255
    candidates_ = np.zeros((6, 8), bool)
    candidates_[0:2, 0:3] = candidates_[4, 4] = True
    candidates_[3, 3] = True  # has a class: no void, whatever its id
    void = void_regions(labels, candidates_, 5)
    expected = np.zeros((6, 8), np.uint8)
    expected[0:2, 0:3], expected[4, 4], expected[5, 7] = 1, 255, 255
    assert np.array_equal(void, expected)


def write_cityscapes(root: Path, ids: np.ndarray[Any, Any], trains: np.ndarray[Any, Any]) -> None:
    image = np.zeros((*ids.shape, 3), np.uint8)
    for folder, content in (('images', image), ('labelIds', ids), ('trainIds', trains)):
        place = root / 'cityscapes_mini' / 'train' / folder
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / 'one.png'), content)


def test_cityscapes_void_is_static_and_dynamic_but_not_ego(tmp_path: Path) -> None:
    ids = np.full((40, 60), 7, np.uint8)
    trains = np.zeros((40, 60), np.uint8)
    for rows, value in ((slice(0, 10), 1), (slice(10, 20), 4), (slice(20, 30), 5)):
        ids[rows], trains[rows] = value, 255
    write_cityscapes(tmp_path, ids, trains)
    scene = next(SCENES.get('cityscapes')(tmp_path))
    assert [int(scene.void[row, 0]) for row in (5, 15, 25, 35)] == [255, 1, 1, 0]
    scene = next(SCENES.get('cityscapes')(tmp_path, void_ids=[5]))
    assert [int(scene.void[row, 0]) for row in (5, 15, 25, 35)] == [255, 255, 1, 0]
    ids[0] = 77
    write_cityscapes(tmp_path, ids, trains)
    with pytest.raises(DataError, match=r'\[77\].*expected only 0-33'):
        next(SCENES.get('cityscapes')(tmp_path))


def test_generated_scenes_have_instances_and_unknown_objects(tmp_path: Path) -> None:
    scenes = read_scenes(['synthetic'], {'synthetic': {'clips': 1, 'frames': 1}}, tmp_path)
    (scene,) = scenes['synthetic']
    assert set(np.unique(scene.void)) <= {0, 1, 255}
    assert (scene.void == 1).any()
    assert (scene.labels[scene.void == 1] == 255).all()
    assert scene.instances[scene.labels == 255].max(initial=0) == 0
    assert scene.instances.max() > 0
    with pytest.raises(LabError, match='reader_options.synthetic'):
        read_scenes(['synthetic'], {'synthetic': {'colour': 1}}, tmp_path)


PREDICTED = 8


def make_examples(void_share: float) -> AnomalyExamples:
    labels = street()
    void = np.where(labels == 255, 1, 0).astype(np.uint8)
    image = np.random.default_rng(0).integers(0, 256, (*labels.shape, 3), dtype=np.uint8)
    scene = Scene('one', image, labels, find_instances(labels), void, Size(64, 32))
    # Entropy and distance are the image's own green and blue, so that one can tell their place.
    predicted = image.copy()
    predicted[..., 0] = PREDICTED
    making = Making((1.0,), Size(64, 32), (1.0, 1.0), void_share, 30)
    return AnomalyExamples([[SegmentedScene(scene, predicted)]], making, 8, 0, 0)


def items_of(examples: AnomalyExamples) -> list[dict[str, torch.Tensor]]:
    return [examples[index] for index in range(len(examples))]


def test_void_examples_are_told_the_prediction_swapped_ones_the_changed_labels() -> None:
    for item in items_of(make_examples(1.0)):
        assert (item['labels'] == PREDICTED).all()
        assert set(item['target'].unique().tolist()) <= {0, 1}
    anomalous = 0
    for item in items_of(make_examples(0.0)):
        told, target = item['labels'], item['target']
        # Void is told the prediction, so that synthesis never sees it.
        assert (told[target == 255] == PREDICTED).all()
        assert (told[target == 0] != 255).all()
        # Only cars are large enough to be changed.
        assert not (told[target == 1] == 13).any()
        anomalous += int((target == 1).sum())
    assert anomalous > 0


def test_doubts_are_cut_where_the_image_is() -> None:
    for item in items_of(make_examples(0.5)):
        assert torch.equal(item['doubts'], item['image'][1:])


def test_examples_depend_on_seed_epoch_and_number_alone() -> None:
    first, again = make_examples(0.5), make_examples(0.5)
    for index in (3, 0, 5):
        one, other = first[index], again[index]
        assert all(torch.equal(one[key], other[key]) for key in one)
    other_epoch = AnomalyExamples(first.sources, first.making, 8, 0, 1)
    assert any(not torch.equal(first[n]['labels'], other_epoch[n]['labels']) for n in range(8))


def test_all_variants_are_validated_on_the_same_examples() -> None:
    recipe = DissimilarityRecipe.load(RECIPES / 'synboost_small.yaml')
    sources = {'synthetic': make_examples(0.5).sources[0]}
    sets = [
        validation_examples(sources, variant_recipe(recipe, variant.run))
        for variant in VARIANTS.values()
    ]
    assert {found.making for found in sets} == {sets[0].making}
    assert sets[0].making.void_share == 0.5


class Loud(nn.Module):
    """A segmenter that counts how often it is asked."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.asked = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        return self.gain * x[..., ::2, ::2]


def test_the_segmenter_is_asked_once_for_each_image(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    first, louder = (
        Detector(Loud(gain), Preprocessing(), Size(64, 32), ('max_logit',)) for gain in (1.0, 3.0)
    )
    found = Predictions(first, tmp_path)(image)
    again = Predictions(first, tmp_path)
    np.testing.assert_array_equal(again(image), found)
    assert first.segmenter.asked == 1
    again(image[:, ::-1])
    again(image[:30])
    Predictions(louder, tmp_path)(image)
    assert (first.segmenter.asked, louder.segmenter.asked) == (3, 1)
    assert len(list(tmp_path.iterdir())) == 4


def test_predictions_are_labels_entropy_and_distance_at_the_detectors_size(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    detector = Detector(Loud(1.0), Preprocessing(), Size(64, 32), ('max_logit',))
    found = Predictions(detector, tmp_path)(image)
    assert found.shape == (32, 64, 3)
    raw = detector.segmenter(detector.preprocess(torch.from_numpy(image)[None]))
    logits = functional.interpolate(raw, (32, 64), mode='bilinear', align_corners=False)
    shares = np.sort(logits[0].softmax(0).detach().numpy(), 0)
    np.testing.assert_array_equal(found[..., 0], logits[0].argmax(0).numpy())
    entropy = -(shares * np.log(shares)).sum(0) / np.log(3)
    np.testing.assert_allclose(found[..., 1] / 255, entropy, atol=0.6 / 255)
    np.testing.assert_allclose(found[..., 2] / 255, 1 - (shares[2] - shares[1]), atol=0.6 / 255)
