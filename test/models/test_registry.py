# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmenters by name: shapes, options, errors."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from anomaly_seg_ros.models import SEGMENTERS, ModelError, create_segmenter  # noqa: E402


def test_every_named_segmenter_exists() -> None:
    assert SEGMENTERS.names() == [
        'deeplabv3plus_wrn38', 'deeplabv3plus_r101', 'erfnet', 'litenet', 'deeplabv3',
        'deeplabv3plus', 'pspnet', 'streetnet', 'segformer', 'mask2former', 'evidence_stream',
        'unknown_stream',
    ]  # fmt: skip


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(KeyError, match='unknown segmenter .unet.*erfnet.*streetnet.*mask2former'):
        create_segmenter('unet', num_classes=19)


@pytest.mark.parametrize('name', ['erfnet', 'litenet', 'streetnet'])
@pytest.mark.parametrize('size', [(64, 96), (128, 64), (96, 160)])
def test_own_segmenters_have_logits_at_their_stride(name: str, size: tuple[int, int]) -> None:
    segmenter = create_segmenter(name, num_classes=7).eval()
    with torch.inference_mode():
        logits = segmenter(torch.rand(2, 3, *size))
    stride = segmenter.stride
    assert logits.shape == (2, 7, size[0] // stride, size[1] // stride)
    assert logits.dtype == torch.float32
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize('name', ['deeplabv3', 'deeplabv3plus', 'pspnet'])
def test_smp_segmenters_have_logits_at_their_stride(name: str) -> None:
    pytest.importorskip('segmentation_models_pytorch')
    segmenter = create_segmenter(name, num_classes=5, encoder='resnet18').eval()
    with torch.inference_mode():
        logits = segmenter(torch.rand(1, 3, 96, 128))
    assert logits.shape == (1, 5, 96 // segmenter.stride, 128 // segmenter.stride)


def test_smp_encoders_are_an_option() -> None:
    pytest.importorskip('segmentation_models_pytorch')
    first = create_segmenter('deeplabv3plus', num_classes=3, encoder='resnet18')
    second = create_segmenter('deeplabv3plus', num_classes=3, encoder='mobilenet_v2')
    assert _parameters(second) < _parameters(first) / 2


def test_an_unknown_encoder_is_a_clear_error() -> None:
    pytest.importorskip('segmentation_models_pytorch')
    with pytest.raises(ModelError, match='DeepLabV3 cannot be built with encoder .resnet7'):
        create_segmenter('deeplabv3', num_classes=3, encoder='resnet7')


@pytest.mark.parametrize('name', ['erfnet', 'litenet', 'streetnet'])
def test_an_unknown_option_is_a_clear_error(name: str) -> None:
    with pytest.raises(ModelError, match=f'{name}.*colour.*unexpected keyword'):
        create_segmenter(name, num_classes=3, colour='red')


@pytest.mark.parametrize('classes', [0, -2])
def test_no_classes_is_a_clear_error(classes: int) -> None:
    with pytest.raises(ModelError, match=f'num_classes={classes}, expected at least 1'):
        create_segmenter('streetnet', num_classes=classes)


def _parameters(segmenter: torch.nn.Module) -> int:
    return sum(p.numel() for p in segmenter.parameters())
