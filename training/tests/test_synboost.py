# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SynBoost in the lab: losses, discriminators, ensemble, recipes, errors."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from anomaly_seg_ros.models import ModelError
from anomaly_seg_ros.models.resynthesis import Vgg, create_generator, one_hot
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.recipe_file import RecipeError
from anomaly_seg_training.synboost.ablation import parse_seeds, variant_recipe
from anomaly_seg_training.synboost.discriminators import (
    DISCRIMINATORS,
    Judgement,
    MultiScaleDiscriminator,
)
from anomaly_seg_training.synboost.dissimilarity_training import Plateau, frequency_weights
from anomaly_seg_training.synboost.ensemble import candidates, search
from anomaly_seg_training.synboost.losses import (
    adversarial_loss,
    feature_loss,
    judge_loss,
    style_divergence,
)
from anomaly_seg_training.synboost.pretrained import load_vgg
from anomaly_seg_training.synboost.recipe import (
    DissimilarityRecipe,
    PerceptualRecipe,
    SynthesisRecipe,
)
from anomaly_seg_training.synboost.spectral import add_spectral_norm, plain_state

RECIPES = Path(__file__).parent.parent / 'recipes'


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
