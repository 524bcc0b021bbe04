# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SynBoost in the lab: data generator, losses, discriminators, ensemble, errors."""

from __future__ import annotations

import itertools
import socket
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
from anomaly_seg_ros.models import ModelError
from anomaly_seg_ros.models.resynthesis import Vgg, create_generator, one_hot
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import DataError
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.recipe_file import RecipeError
from anomaly_seg_training.synboost.ablation import VARIANTS, parse_seeds, variant_recipe
from anomaly_seg_training.synboost.discriminators import (
    DISCRIMINATORS,
    Judgement,
    MultiScaleDiscriminator,
)
from anomaly_seg_training.synboost.dissimilarity_training import Plateau, frequency_weights
from anomaly_seg_training.synboost.ensemble import candidates, search
from anomaly_seg_training.synboost.examples import (
    AnomalyExamples,
    Making,
    read_scenes,
    validation_examples,
)
from anomaly_seg_training.synboost.losses import (
    adversarial_loss,
    feature_loss,
    judge_loss,
    style_divergence,
)
from anomaly_seg_training.synboost.predictions import Predictions, SegmentedScene
from anomaly_seg_training.synboost.pretrained import load_vgg
from anomaly_seg_training.synboost.recipe import (
    DissimilarityRecipe,
    PerceptualRecipe,
    SynthesisRecipe,
)
from anomaly_seg_training.synboost.scenes import SCENES, Scene, void_regions
from anomaly_seg_training.synboost.spectral import add_spectral_norm, plain_state
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


def test_frequency_weights_by_hand() -> None:
    target = torch.tensor([[0, 0, 0, 1], [255, 255, 255, 255]], dtype=torch.uint8)
    normal, anomalous = frequency_weights(iter([{'target': target}]))
    assert normal == pytest.approx(1 / np.log(1.02 + 0.75))
    assert anomalous == pytest.approx(1 / np.log(1.02 + 0.25))


def test_plateau_is_that_of_torch() -> None:
    losses = [5, 4, 4.1, 4.2, 3.99999, 4.3, 3, 3.1, 3.2, 3.3, 3.4, 2.5, 2.6, 2.7, 2.8, 2.9]
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], 1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    ours = Plateau(1.0, 2, 0.5)
    for loss in losses:
        theirs.step(loss)
        ours.step(loss)
        assert ours.rate == optimizer.param_groups[0]['lr']
    assert ours.rate < 1


def test_candidates_are_all_and_differ() -> None:
    found = candidates()
    assert all(sum(weights) == pytest.approx(1) for weights in found)
    slow = {
        tuple(round(v / sum(p), 9) for v in p)
        for p in itertools.product(range(4), repeat=4) if sum(p)
    }  # fmt: skip
    assert {tuple(round(v, 9) for v in weights) for weights in found} == slow
    assert len(found) == len(slow)
    assert (0.75, 0.25, 0.0, 0.0) in found


def test_search_finds_the_members_that_tell() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random(500) < 0.2).astype(np.uint8)
    members = rng.random((4, 500)).astype(np.float32)
    members[2] += target
    weights, found = search(members, target, 'ap')
    assert weights[2] >= 0.5
    assert found['ap'] > 0.99
    only, _ = search(members, target, 'fpr95', [(1.0, 0.0, 0.0, 0.0)])
    assert only == (1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize('name', list(DISCRIMINATORS))
def test_discriminators_see_image_and_labels(name: str) -> None:
    torch.manual_seed(0)
    network = DISCRIMINATORS[name](5, channels=4)
    add_spectral_norm(network)
    images = torch.rand(2, 3, 64, 128, requires_grad=True)
    layout = one_hot(torch.randint(0, 5, (2, 64, 128)).byte(), 5).requires_grad_()
    judged = network(images, layout)
    assert len(judged.logits) == (2 if name == 'multiscale' else 3)
    assert all(logits.shape[:2] == (2, 1) for logits in judged.logits)
    torch.cat([logits.flatten() for logits in judged.logits]).square().sum().backward()
    assert images.grad is not None
    assert images.grad.any()
    assert layout.grad is not None
    assert layout.grad.any()
    assert all(p.grad is not None for p in network.parameters())


def test_multiscale_discriminator_has_pix2pixhds_parameters() -> None:
    with torch.device('meta'):
        network = MultiScaleDiscriminator(36)
    # 4x4 convolutions 39 -> 64 -> 128 -> 256 -> 512 -> 1 with biases, twice.
    widths = [39, 64, 128, 256, 512, 1]
    expected = 2 * sum(16 * a * b + b for a, b in itertools.pairwise(widths))
    assert sum(p.numel() for p in network.parameters()) == expected


def test_small_images_are_refused_by_the_discriminator() -> None:
    network = MultiScaleDiscriminator(5, 4, 2, 4)
    with pytest.raises(LabError, match='16x16, too small for 4 scales'):
        network(torch.rand(1, 3, 16, 16), torch.rand(1, 5, 16, 16))


def test_losses_by_hand() -> None:
    one = Judgement([torch.tensor([2.0, 0.5]), torch.tensor([-1.0])],
                    [[torch.ones(2)], [torch.zeros(3), torch.ones(1)]])  # fmt: skip
    other = Judgement([torch.tensor([-3.0, 0.0]), torch.tensor([1.0])],
                      [[torch.zeros(2)], [torch.full((3,), 2.0), torch.ones(1)]])  # fmt: skip
    # Scale 1: photos (0 + 0.5) / 2, drawings (0 + 1) / 2; scale 2: 2 and 2.
    assert float(judge_loss(one, other)) == pytest.approx((0.75 + 4) / 2)
    assert float(adversarial_loss(other)) == pytest.approx(-(-1.5 + 1) / 2)
    assert float(feature_loss(one, other)) == pytest.approx((1 + 2) / 2)
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)
    ).sum()
    torch.testing.assert_close(style_divergence(mean, log_variance), expected)


def test_spectral_norm_is_for_training_only() -> None:
    torch.manual_seed(0)
    network = create_generator('spade', classes=5, channels=4, hidden=4, most=2)
    names = set(network.state_dict())
    add_spectral_norm(network.blocks)
    layout = one_hot(torch.randint(0, 5, (1, 32, 32)).byte(), 5)
    network.eval()
    plain = create_generator('spade', classes=5, channels=4, hidden=4, most=2).eval()
    plain.load_state_dict(plain_state(network), strict=True)
    torch.testing.assert_close(plain(layout), network(layout))
    weight = plain.blocks[0].conv1.weight.flatten(1)
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=0.2)
    assert names != set(network.state_dict())


def test_vgg_files_are_read_strictly(tmp_path: Path) -> None:
    network, deeper = Vgg(16, 'last', 2, 0.1), Vgg(16, 'last', 3, 0.1)
    torch.save({**deeper.state_dict(), 'classifier.0.weight': torch.zeros(2)}, tmp_path / 'v.pth')
    load_vgg(network, tmp_path / 'v.pth', 16)
    torch.testing.assert_close(network.features[0].weight, deeper.features[0].weight)
    with pytest.raises(ModelError, match='there is no weights file'):
        load_vgg(network, tmp_path / 'absent.pth', 16)
    torch.save(Vgg(16, 'last', 2, 0.2).state_dict(), tmp_path / 'w.pth')
    with pytest.raises(ModelError, match='does not fit Vgg'):
        load_vgg(network, tmp_path / 'w.pth', 16)


def test_vgg_that_cannot_be_downloaded_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = 'Name or service not known'
        raise OSError(msg)

    # Neither the network nor what an earlier download has kept.
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    monkeypatch.setattr(socket, 'create_connection', refuse)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    torch.hub.set_dir(str(tmp_path))
    try:
        with pytest.raises(LabError, match='cannot be downloaded .* --perceptual FILE'):
            load_vgg(Vgg(19, 'first', 5), 'torchvision', 19)
    finally:
        torch.hub._hub_dir = None


@pytest.mark.parametrize(('kind', 'name'), [
    (PerceptualRecipe, 'synboost_perceptual_small'), (SynthesisRecipe, 'synboost_synthesis'),
    (SynthesisRecipe, 'synboost_synthesis_small'), (DissimilarityRecipe, 'synboost'),
    (DissimilarityRecipe, 'synboost_small'),
])  # fmt: skip
def test_recipes_that_come_with_the_lab_are_valid(kind: Any, name: str) -> None:
    recipe = kind.load(RECIPES / f'{name}.yaml')
    assert kind.from_dict(recipe.as_dict()) == recipe


@pytest.mark.parametrize(('kind', 'changes', 'words'), [
    (SynthesisRecipe, {'generator': 'gan'}, 'spade'),
    (SynthesisRecipe, {'perceptual': 'clip'}, 'torchvision'),
    (SynthesisRecipe, {'size': '100x50'}, 'multiples of 32'),
    (DissimilarityRecipe, {'ensemble': [1, 0]}, '4 weights'),
    (DissimilarityRecipe, {'void_share': 2}, '0 to 1'),
    (DissimilarityRecipe, {'selection': 'miou'}, 'loss'),
    (DissimilarityRecipe, {'validation': {'fishyscapes': {}}}, 'names of'),
    (DissimilarityRecipe, {'shares': {'video': 1.0}}, 'names of'),
    (PerceptualRecipe, {'rate': 0}, 'more than 0'),
])  # fmt: skip
def test_recipes_out_of_range_are_refused(kind: Any, changes: Any, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        kind.from_dict(changes)


def test_variants_are_the_papers() -> None:
    recipe = DissimilarityRecipe.load(RECIPES / 'synboost_small.yaml')
    assert variant_recipe(recipe, 'full') == recipe
    plain = variant_recipe(recipe, 'no_uncertainty')
    assert (plain.options['uncertainty'], plain.void_share) == (False, recipe.void_share)
    assert plain.ensemble == [1.0, 0.0, 0.0, 0.0]
    assert variant_recipe(recipe, 'no_generator').void_share == 0
    assert variant_recipe(recipe, 'resynthesis').options['semantic_decoder'] is False
    assert variant_recipe(recipe, 'learned_ensemble').learn_ensemble
    assert parse_seeds('0,1,2') == [0, 1, 2]
    for text in ('', '1,1', 'a', '-1'):
        with pytest.raises(LabError, match='whole numbers'):
            parse_seeds(text)


def test_pyramid_discriminator_scores_by_the_labels_at_each_place() -> None:
    torch.manual_seed(0)
    network = DISCRIMINATORS['pyramid'](5, channels=4)
    images = torch.rand(1, 3, 64, 64)
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    other = labels.clone()
    other[:, :32, :32] = 3
    one, two = (network(images, one_hot(part, 5)).logits[-1] for part in (labels, other))
    size = one.shape[2] // 2
    assert not torch.equal(one[..., :size, :size], two[..., :size, :size])
    torch.testing.assert_close(one[..., size:, size:], two[..., size:, size:])
    assert functional.relu(one).shape == one.shape
