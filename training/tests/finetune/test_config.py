# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes of fine-tunings, and which part of each segmenter they train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import choose_box
from anomaly_seg_training.data import cityscapes
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import UNMIXED, FinetuneRecipe
from anomaly_seg_training.finetune.losses import create_loss
from anomaly_seg_training.finetune.parts import (
    extra_layer,
    freeze_all_but,
    last_layer,
    set_modes,
    trained_parts,
)
from anomaly_seg_training.finetune.start import label_table
from anomaly_seg_training.proxies import MIXERS
from anomaly_seg_training.recipe_file import RecipeError

BASE: dict[str, Any] = {'name': 'n', 'shares': {'cityscapes': 1.0}}
RECIPES = Path(__file__).resolve().parents[2] / 'recipes'


@pytest.mark.parametrize('path', sorted(RECIPES.glob('finetune*.yaml')), ids=lambda p: p.stem)
def test_every_recipe_of_the_repository_loads(path: Path) -> None:
    """With all that it names: loss and mixer with their options, the segmenter without weights."""
    recipe = FinetuneRecipe.load(path)
    assert FinetuneRecipe.from_dict(recipe.as_dict()) == recipe
    create_loss(recipe.loss, recipe.loss_options)
    if recipe.mixer != UNMIXED:
        MIXERS.get(recipe.mixer).config_type.from_dict(recipe.mixer_options)
    if recipe.segmenter:
        with torch.device('meta'):
            network = create_segmenter(recipe.segmenter, **{'num_classes': 19, **recipe.options})
        assert network.num_classes == 19
        assert trained_parts(network, recipe.trained)
    assert '/home' not in path.read_text('utf-8')


@pytest.mark.parametrize('name', ['pebal_wrn38', 'style_aligned_wrn38', 'style_aligned_r101'])
def test_published_recipes_stretch_no_crop(name: str) -> None:
    """The aspect that is drawn first is that of the crop, within 1 %."""
    recipe = FinetuneRecipe.load(RECIPES / f'finetune_{name}.yaml')
    crop, view = Size.parse(recipe.crop), cityscapes.VIEW
    for seed in range(4000):
        aspect = np.exp(np.random.default_rng(seed).uniform(np.log(0.87), np.log(1.15)))
        scale = (recipe.scale[0], recipe.scale[1])
        box = choose_box(np.random.default_rng(seed), view, crop, scale)
        across = crop.width / (view.width * box.width)
        down = crop.height / (view.height * box.height)
        assert across / down == pytest.approx(aspect, rel=0.01)


def test_published_photographs_fill_the_crop() -> None:
    recipe = FinetuneRecipe.load(RECIPES / 'finetune_maxent_wrn38.yaml')
    assert recipe.proxies == {
        **FinetuneRecipe.from_dict(BASE).proxies,
        'min_photograph_side': max(Size.parse(recipe.crop)),
    }


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'colour': 1}, "unknown recipe key 'colour'; expected some of: name, shares"),
        ({'steps': 2.5}, "recipe key 'steps': received 2.5 (float), expected int"),
        ({'distort': 1}, "recipe key 'distort': received 1 (int), expected bool"),
        ({'trained': 'tail'}, "received 'tail', expected one of ['last', 'head', 'all', 'str"),
        ({'loss': 'hinge'}, "recipe key 'loss': received 'hinge', expected one of ['energy',"),
        ({'mixer': 'cutmix'}, "recipe key 'mixer': received 'cutmix', expected one of"),
        ({'aligner': 'gan'}, "recipe key 'aligner': received 'gan', expected one of"),
        ({'ema': 1.0}, "recipe key 'ema': received 1.0, expected 0 to less than 1"),
        ({'start_share': -0.1}, "recipe key 'start_share': received -0.1, expected 0 to less"),
        ({'shrinkage': {'mean': 2.0}}, "recipe key 'shrinkage': expected mean and std, each"),
        ({'shrinkage': {'median': 0.5}}, "recipe key 'shrinkage': expected mean and std, each"),
        ({'stream_octaves': 0}, "recipe key 'stream_octaves': received 0, expected 1 to 4"),
        ({'stream_octaves': 5}, "recipe key 'stream_octaves': received 5, expected 1 to 4"),
        ({'stream_mirrored': 1}, "recipe key 'stream_mirrored': received 1 (int), expected bool"),
        ({'stream_sharpness': -0.5}, "recipe key 'stream_sharpness': received -0.5, expected at"),
        (
            {'stream_octaves': 3, 'input_size': '1056x512'},
            "recipe key 'input_size': received 1056x512, expected multiples of 128",
        ),
        ({'mean': [0.5]}, "recipe key 'mean': received [0.5], expected three numbers"),
        ({'std': [1.0, 1.0, 0.0]}, "recipe key 'std': received [1.0, 1.0, 0.0]"),
        ({'validation_scores': ['odin']}, "received 'odin', expected names of ['max_softmax'"),
        ({'validation': {'kitti': {}}}, "received 'kitti', expected names of"),
        ({'proxies': {'images': 'a'}}, "expected a path 'annotations' in it"),
        (
            {'proxies': {'images': 'a', 'annotations': 'b', 'min_photograph_side': -1}},
            "expected 'min_photograph_side' from 0 to 100000",
        ),
        (
            {'validation_proxies': {'images': 'a', 'annotations': 'b', 'drawn': 2.5}},
            "'drawn': 2.5}, expected 'drawn' from 0 to 10000",
        ),
        ({'ood_weight': 0, 'id_weight': 0}, 'all weights of the recipe are 0'),
        ({'crop': '500x320'}, 'expected multiples of 32'),
    ],
)
def test_bad_values_are_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        FinetuneRecipe.from_dict(BASE | change)
    assert message in str(error.value)
    assert '\n' not in str(error.value)


SEGMENTERS: dict[str, tuple[dict[str, Any], str, str]] = {
    'erfnet': ({'num_classes': 20, 'known_classes': 19}, 'decoder.output_conv.', 'decoder.'),
    'litenet': ({}, 'classifier.', '!stem.,blocks.'),
    'streetnet': ({}, 'classifier.', '!stem.,stages.'),
    'deeplabv3plus': (
        {}, 'network.segmentation_head.0.', 'network.decoder.,network.segmentation_head.'
    ),
    'pspnet': (
        {}, 'network.segmentation_head.0.', 'network.decoder.,network.segmentation_head.'
    ),
    'segformer': (
        {'config': {'depths': [1, 1, 1, 1], 'hidden_sizes': [8, 16, 16, 32]}},
        'network.decode_head.classifier.', 'network.decode_head.',
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'trained'),
    [
        ('erfnet', 'last'),
        ('erfnet', 'head'),
        ('erfnet', 'all'),
        ('litenet', 'head'),
        ('streetnet', 'last'),
        ('deeplabv3plus', 'last'),
        ('deeplabv3plus', 'head'),
        ('pspnet', 'all'),
        ('segformer', 'last'),
        ('segformer', 'head'),
    ],
)
def test_a_step_changes_the_trained_part_alone(name: str, trained: str) -> None:
    """Neither other parameters nor any running statistic move, and the trained part does."""
    options, last, head = SEGMENTERS[name]
    if name == 'segformer':
        pytest.importorskip('transformers')
    torch.manual_seed(0)
    network = create_segmenter(name, **{'num_classes': 19, **options})
    before = {key: value.clone() for key, value in network.state_dict().items()}
    parts = trained_parts(network, trained)
    freeze_all_but(network, parts)
    set_modes(network, parts, dropout=True)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, 0.01)
    network(torch.rand(1, 3, 64, 64)).square().mean().backward()
    # A distributed run waits for the gradient of every trained parameter.
    assert all(p.grad is not None for p in parameters)
    optimizer.step()
    prefixes = {'last': last, 'head': head, 'all': ''}[trained]
    inside = not prefixes.startswith('!')
    names = tuple(prefixes.removeprefix('!').split(','))
    moved = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(key.startswith(names) == inside for key in moved)
    assert not any('running_' in key or 'num_batches' in key for key in moved)
    weights = {k for k, p in network.named_parameters() if p.requires_grad and p.ndim > 1}
    assert len(moved & weights) > 0.9 * len(weights)


@pytest.mark.parametrize('name', ['erfnet', 'streetnet'])
def test_an_output_beside_the_last_layer_has_its_form(name: str) -> None:
    network = create_segmenter(name, num_classes=19)
    last = last_layer(network)
    side = extra_layer(last, 1)
    features = torch.rand(1, last.in_channels, 8, 8)
    first, second = last(features), side(features)
    assert second.shape == (1, 1, *first.shape[2:])
    assert torch.count_nonzero(side.weight) == side.weight.numel()


def test_networks_without_logits_are_refused() -> None:
    with pytest.raises(LabError, match='Linear gives no logits by a layer of its own'):
        last_layer(torch.nn.Linear(1, 1))


OTHERS = ClassSet(('street', 'thing'), ((0, 0, 0), (255, 0, 0)), (0,))


def test_labels_are_translated_for_a_segmenter_of_other_classes() -> None:
    table = label_table({'road': 'street', 'sidewalk': 'street', 'car': 'thing'}, OTHERS)
    assert table[[0, 1, 13]].tolist() == [0, 0, 1]
    assert np.flatnonzero(table != 255).tolist() == [0, 1, 13]
    same = label_table({}, CITYSCAPES)
    assert same[:19].tolist() == list(range(19))
    assert (same[19:] == 255).all()


@pytest.mark.parametrize(
    ('class_map', 'message'),
    [
        ({}, 'knows other classes than Cityscapes .street, thing.: add the recipe key'),
        ({'road': 'street'}, "gives nothing to the segmenter's classes thing: name a class"),
        ({'road': 'lane'}, "'lane' is none of street, thing"),
        ({'way': 'street'}, "'way' is none of road, sidewalk"),
    ],
)
def test_a_class_map_that_does_not_cover_is_refused(
    class_map: dict[str, str], message: str
) -> None:
    with pytest.raises(LabError, match=message):
        label_table(class_map, OTHERS)
