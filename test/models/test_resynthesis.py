# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of SynBoost: shapes, sizes, what reaches what, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.bundle import BundleError, ResynthesisSpec
from anomaly_seg_ros.models import ModelError
from anomaly_seg_ros.models.resynthesis import (
    DissimilarityNetwork,
    Resynthesis,
    Spade,
    SpadeGenerator,
    StyleEncoder,
    Vgg,
    check_label_map,
    create_generator,
    normalise,
    one_hot,
    perceptual_difference,
    softmax_distance,
)
from anomaly_seg_ros.models.resynthesis.conditional import ConditionalConv
from anomaly_seg_ros.models.resynthesis.perceptual import level_weights
from anomaly_seg_ros.scores import DenseLogits, PlaneLogits, entropy
from anomaly_seg_ros.size import Size

SMALL: dict[str, dict[str, Any]] = {
    'spade': {'channels': 4, 'hidden': 4, 'most': 2},
    'ccfpse': {'channels': 4, 'guides': 4, 'most': 2},
}


def spec(**changes: Any) -> ResynthesisSpec:
    fields: dict[str, Any] = {
        'classes': 5, 'synthesis_size': Size(64, 32), 'dissimilarity_size': Size(32, 16),
        'generator_options': SMALL['spade'], 'perceptual_options': {'levels': 2, 'width': 0.1},
        'dissimilarity_options': {'width': 0.1}, 'ensemble': (0.4, 0.3, 0.2, 0.1),
    }  # fmt: skip
    return ResynthesisSpec(**(fields | changes))


def layout(classes: int = 5, height: int = 32, width: int = 64, seed: int = 0) -> torch.Tensor:
    draws = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (2, height, width), generator=draws, dtype=torch.uint8)
    return one_hot(labels, classes)


def parameters(network: nn.Module | None) -> int:
    assert network is not None
    return sum(p.numel() for p in network.parameters())


def test_void_pixels_are_zero_in_all_channels() -> None:
    labels = torch.tensor([[[0, 2, 255], [1, 255, 2]]], dtype=torch.uint8)
    expected = torch.tensor([
        [[1, 0, 0], [0, 0, 0]], [[0, 0, 0], [1, 0, 0]], [[0, 1, 0], [0, 0, 1]],
    ])  # fmt: skip
    assert torch.equal(one_hot(labels, 3)[0], expected.float())


def test_unknown_ids_are_refused_by_name() -> None:
    check_label_map(torch.tensor([0, 4, 255], dtype=torch.uint8), 5)
    with pytest.raises(ModelError, match=r'\[5, 33\].*classes 0 to 4 and 255'):
        check_label_map(torch.tensor([0, 33, 5, 255], dtype=torch.uint8), 5)


def test_parameters_are_those_of_the_papers() -> None:
    with torch.device('meta'):
        network = DissimilarityNetwork(19)
        spade = sum(
            parameters(part) for block in network.decoder for part in (block.norms, block.conv)
        )
        counts = {
            'all': parameters(network),
            'vgg': parameters(network.images),
            'spade': spade,
            'decoder': parameters(network.decoder) + parameters(network.out) - spade,
            'uncertainty': parameters(network.uncertainty),
            'fusion': parameters(network.fusion),
            'semantic': parameters(network.semantic),
        }
        assert {name: round(n / 1e6, 1) for name, n in counts.items()} == {
            'all': 18.8, 'vgg': 7.6, 'spade': 4.8, 'decoder': 3.5, 'uncertainty': 1.6,
            'fusion': 0.9, 'semantic': 0.4,
        }  # fmt: skip
        # As published for Cityscapes: 35 labels and the borders of instances.
        assert round(parameters(SpadeGenerator(36)) / 1e6, 1) == 93.0


def test_dissimilarity_has_the_channels_of_the_table() -> None:
    with torch.device('meta'):
        network = DissimilarityNetwork(19)
    assert [conv.in_channels for conv in network.fusion] == [160, 320, 640, 1280]
    assert [conv.out_channels for conv in network.fusion] == [64, 128, 256, 512]
    assert [block.enter.in_channels for block in network.decoder] == [513, 513, 385, 193]
    assert [block.enter.out_channels for block in network.decoder] == [256, 256, 128, 64]
    assert network.images.channels == (64, 128, 256, 512)


@pytest.mark.parametrize('options', [
    {}, {'uncertainty': False}, {'semantic_decoder': False},
])  # fmt: skip
def test_dissimilarity_is_reached_by_all_it_is_given(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = DissimilarityNetwork(5, width=0.1, **options)
    inputs = [torch.rand(2, 3, 16, 32), torch.rand(2, 3, 16, 32), layout(5, 16, 32)]
    if options.get('uncertainty', True):
        inputs.append(torch.rand(2, 3, 16, 32))
    inputs = [values.requires_grad_() for values in inputs]
    logits = network(*inputs)
    assert logits.shape == (2, 2, 16, 32)
    logits.square().sum().backward()
    assert all(values.grad is not None and values.grad.any() for values in inputs)
    assert all(p.grad is not None for p in network.parameters())


def test_vgg_is_torchvisions() -> None:
    torchvision = pytest.importorskip('torchvision')
    torch.manual_seed(0)
    theirs = torchvision.models.vgg19().features.eval()
    ours = Vgg(19, 'first', 5)
    kept = {k: v for k, v in theirs.state_dict().items() if int(k.split('.')[0]) < 30}
    ours.features.load_state_dict(kept)
    image = torch.rand(1, 3, 32, 32)
    x, found = (image - ours.mean) * ours.scale, []
    for number, layer in enumerate(theirs[:30]):
        x = layer(x)
        if number in (1, 6, 11, 20, 29):
            found.append(x)
    for one, other in zip(ours(image), found, strict=True):
        torch.testing.assert_close(one, other)
    assert [len(Vgg(16, 'last', levels, 0.1).features) for levels in (1, 2, 3, 4)] == [
        4, 9, 16, 23,
    ]  # fmt: skip


@pytest.mark.parametrize('norm', ['batch', 'instance'])
@pytest.mark.parametrize('name', list(SMALL))
def test_generators_draw_what_labels_and_style_say(name: str, norm: str) -> None:
    torch.manual_seed(0)
    network = create_generator(name, classes=5, styles=6, norm=norm, **SMALL[name])
    style = torch.randn(2, 6)
    wide = torch.cat([layout(), layout(seed=1)], 2)
    drawn = network(wide, style)
    assert drawn.shape == (2, 3, 64, 64)
    assert drawn.abs().max() <= 1
    assert not torch.equal(drawn, network(wide, style + 1))
    drawn.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_conditional_convolution_is_a_kernel_of_its_own_in_each_pixel() -> None:
    torch.manual_seed(0)
    conv = ConditionalConv(4, 2, 3).double()
    x, guide = torch.randn(1, 2, 5, 6).double(), torch.randn(1, 4, 5, 6).double()
    kernels = conv.kernels(guide)[0].reshape(2, 3, 3, 5, 6)
    padded = functional.pad(x, (1, 1, 1, 1))[0]
    slow = torch.zeros(1, 2, 5, 6).double()
    for row in range(5):
        for column in range(6):
            part = padded[:, row : row + 3, column : column + 3]
            slow[0, :, row, column] = (kernels[..., row, column] * part).sum((1, 2))
    expected = conv.mix(slow) * torch.sigmoid(conv.gates(guide))
    torch.testing.assert_close(conv(x, guide), expected)


def test_spade_scales_and_shifts_each_pixel_by_its_label() -> None:
    torch.manual_seed(0)
    spade = Spade(3, 5, 4, 'instance').double()
    x, labels = torch.randn(1, 3, 4, 4).double(), layout(5, 8, 8)[:1].double()
    near = labels[:, :, ::2, ::2]
    hidden = functional.relu(spade.shared(near))
    mean = x.mean((2, 3), keepdim=True)
    deviation = (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    expected = (x - mean) / deviation * (1 + spade.gamma(hidden)) + spade.beta(hidden)
    torch.testing.assert_close(spade(x, labels), expected)


def test_style_encoder_has_one_style_per_picture() -> None:
    encoder = StyleEncoder(7, channels=4, size=32)
    mean, log_variance = encoder(torch.rand(2, 3, 20, 40) * 2 - 1)
    assert mean.shape == log_variance.shape == (2, 7)
    assert not torch.equal(mean[0], mean[1])


def test_perceptual_difference_by_hand() -> None:
    one = [torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 2)]
    other = [torch.zeros(1, 2, 4, 4), torch.ones(1, 3, 2, 2) * 2]
    other[0][0, 0, 1, 2] = 3
    # Weights 1/4 and 1, scaled to add up to 1: 0.2 * 3 / 2 on one pixel, 0.8 * 2 everywhere.
    found = perceptual_difference(one, other, 'published')
    expected = torch.full((1, 1, 4, 4), 1.6)
    expected[0, 0, 1, 2] += 0.3
    torch.testing.assert_close(found, expected)
    assert level_weights('equation', 2) == [0.2, 0.8]
    shares = [w / level_weights('published', 5)[0] for w in level_weights('published', 5)]
    assert shares == pytest.approx([1, 2, 4, 8, 32])
    with pytest.raises(ModelError, match='equation'):
        level_weights('nope', 2)


@pytest.mark.parametrize('reductions', [
    DenseLogits, lambda z: PlaneLogits(list(z.unbind(1))),
])  # fmt: skip
def test_softmax_distance_is_that_of_the_two_largest(reductions: Any) -> None:
    logits = torch.randn(2, 6, 3, 5, generator=torch.Generator().manual_seed(0)) * 3
    largest = torch.softmax(logits.double(), 1).sort(1, descending=True).values
    expected = 1 - largest[:, 0] + largest[:, 1]
    torch.testing.assert_close(softmax_distance(reductions(logits)).double(), expected,
                               rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize('reductions', [
    DenseLogits, lambda z: PlaneLogits(list(z.unbind(1))),
])  # fmt: skip
def test_saturated_logits_are_certain_and_not_nan(reductions: Any) -> None:
    logits = torch.full((1, 3, 1, 3), -1e30)
    logits[0, 0] = 1e30
    logits[0, :2, 0, 1] = 1e4  # two equal ones
    logits[0, :, 0, 2] = 0
    found = reductions(logits)
    assert softmax_distance(found).flatten().tolist() == pytest.approx([0, 1, 1])
    expected = [0, 0.6309298, 1]
    assert entropy(found).flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_normalisation_over_a_data_set_keeps_images_apart() -> None:
    values = torch.tensor([[[[1.0, 2.0, 5.0]]], [[[2.0, 2.0, 2.0]]]])
    by_set = normalise(values, 'dataset', (1.0, 3.0))
    assert by_set.flatten().tolist() == [0, 0.5, 1, 0.5, 0.5, 0.5]
    by_image = normalise(values, 'image')
    assert by_image.flatten().tolist() == pytest.approx([0, 0.25, 1, 0, 0, 0])
    with pytest.raises(ModelError, match='low < high'):
        normalise(values, 'dataset', (1.0, 1.0))


def test_score_is_the_weighted_sum_of_its_members() -> None:
    torch.manual_seed(0)
    framework = Resynthesis(spec()).eval()
    image, labels = torch.rand(2, 3, 40, 60), torch.randint(0, 5, (2, 1, 32, 64)).byte()
    certain, distance = torch.rand(2, 1, 32, 64), torch.rand(2, 1, 32, 64)
    maps = framework.maps(image, labels, certain, distance)
    assert maps.synthesised.shape == maps.original.shape == (2, 3, 16, 32)
    expected = (
        0.4 * framework.network(maps) + 0.3 * maps.entropy + 0.2 * maps.perceptual
        + 0.1 * maps.distance
    )  # fmt: skip
    score = framework(image, labels, certain, distance)
    torch.testing.assert_close(score, expected)
    assert score.shape == (2, 1, 16, 32)
    assert 0 <= score.min() <= score.max() <= 1


def test_a_coarse_drawing_leaves_the_photo_as_sharp_as_it_is() -> None:
    framework = Resynthesis(spec(dissimilarity_size=Size(128, 64))).eval()
    image, labels = torch.rand(1, 3, 64, 128), torch.randint(0, 5, (1, 1, 64, 128)).byte()
    maps = framework.maps(image, labels, torch.rand(1, 1, 64, 128), torch.rand(1, 1, 64, 128))
    assert torch.equal(maps.original, image)
    small = functional.avg_pool2d(image, 2)
    drawn = framework.synthesise(labels[:, 0, ::2, ::2], small)
    expected = functional.interpolate(drawn, scale_factor=2.0, mode='bilinear')
    torch.testing.assert_close(maps.synthesised, expected)


def test_style_of_the_original_reaches_the_drawing() -> None:
    torch.manual_seed(0)
    framework = Resynthesis(
        spec(generator_options={**SMALL['spade'], 'styles': 4},
             style_options={'channels': 4, 'size': 16})
    ).eval()  # fmt: skip
    labels = torch.randint(0, 5, (1, 32, 64)).byte()
    one = framework.synthesise(labels, torch.rand(1, 3, 32, 64))
    other = framework.synthesise(labels, torch.rand(1, 3, 32, 64))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(('changes', 'words'), [
    ({'synthesis_size': Size(48, 32)}, 'synthesis size 48x32, expected multiples of 32'),
    ({'dissimilarity_size': Size(20, 16)}, 'dissimilarity size 20x16, expected multiples of 8'),
    ({'generator_options': {'colour': 1}}, 'cannot be built'),
    ({'dissimilarity_options': {'colour': 1}}, 'cannot be built'),
    ({'perceptual_options': {'depth': 11}}, 'depth 16 or 19'),
])  # fmt: skip
def test_what_cannot_be_built_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Resynthesis(spec(**changes))


def test_small_images_and_other_classes_are_refused() -> None:
    network = create_generator('spade', classes=5, **SMALL['spade'])
    with pytest.raises(ModelError, match='16x16, expected sides that are multiples of 32'):
        network(layout(5, 16, 16))
    with pytest.raises(ModelError, match='6 classes, expected 5'):
        network(layout(6))
    judge = DissimilarityNetwork(5, width=0.1)
    images = torch.rand(2, 3, 4, 8)
    with pytest.raises(ModelError, match='8x4, expected sides that are multiples of 8'):
        judge(images, images, layout(5, 4, 8), images)
    with pytest.raises(ModelError, match='no uncertainty maps'):
        judge(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), layout(5, 8, 8))
    with pytest.raises(KeyError, match='spade'):
        create_generator('nope', classes=5)


@pytest.mark.parametrize(('changes', 'words'), [
    ({'ensemble': (0.5, 0.4, 0.0, 0.0)}, 'add up to 1'),
    ({'normalisation': 'batch'}, 'dataset or image'),
    ({'bounds': {'entropy': (0.0, 1.0)}}, 'expected'),
    ({'bounds': dict.fromkeys(('entropy', 'perceptual', 'distance'), (1.0, 1.0))}, 'low < high'),
    ({'synthesis_size': Size(9000, 32)}, '8192'),
])  # fmt: skip
def test_specs_that_contradict_themselves_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        spec(**changes)
