# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LiteNet: its size, its resize-invariance, its stochastic part, its export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from anomaly_seg_ros.models import LiteNet, ModelError, create_segmenter  # noqa: E402


def test_the_default_fits_its_bundle() -> None:
    """Graph and weights, both stored as float16, stay under 10 MB."""
    parameters = sum(p.numel() for p in LiteNet(19).parameters())
    assert parameters * 4 < 9e6


def test_widths_are_options() -> None:
    small = create_segmenter('litenet', num_classes=4, neck=8, head=8).eval()
    with torch.inference_mode():
        features = small.features(torch.rand(1, 3, 64, 96))
        assert {name: x.shape for name, x in features.items()} == {
            '32': (1, 8, 2, 3), '8': (1, 8, 8, 12), '4': (1, 8, 16, 24)
        }  # fmt: skip
        assert small.classify(features['4']).shape == (1, 4, 16, 24)


def test_the_encoder_takes_every_published_tensor_of_its_blocks() -> None:
    """Names and shapes as published: one entry per tensor, and nothing of the decoder."""
    torch.manual_seed(0)
    source, target = LiteNet(3), LiteNet(3)
    names = {'0': '_conv_stem', '1': '_bn0'}
    layers = {
        'expand': ('_expand_conv', '_bn0'),
        'depthwise': ('_depthwise_conv', '_bn1'),
        'project': ('_project_conv', '_bn2'),
    }
    published = {}
    for name, tensor in source.state_dict().items():
        part, *rest = name.split('.')
        if part == 'stem':
            published[f'{names[rest[0]]}.{rest[1]}'] = tensor
        elif part == 'blocks':
            published[f'_blocks.{rest[0]}.{layers[rest[1]][int(rest[2])]}.{rest[3]}'] = tensor
    published['_fc.weight'] = torch.zeros(1000, 1280)
    before = target.classifier.weight.clone()
    target.load_encoder(published)
    for name, tensor in target.state_dict().items():
        if name.startswith(('stem.', 'blocks.')):
            assert torch.equal(tensor, source.state_dict()[name]), name
    assert torch.equal(target.classifier.weight, before)
    del published['_blocks.3._project_conv.weight']
    with pytest.raises(ModelError, match=r'hold nothing as .*_blocks\.3\._project_conv'):
        target.load_encoder(published)


def test_every_logit_sees_the_whole_image() -> None:
    """The pooled context reaches from one corner to the other."""
    torch.manual_seed(0)
    segmenter = create_segmenter('litenet', num_classes=3)
    image = torch.rand(1, 3, 128, 512)
    for module in segmenter.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # Fresh statistics would let signals die out.
    segmenter(torch.cat((image, image.flip(3))))
    segmenter.eval()
    changed = image.clone()
    changed[..., :32, :32] = 1 - changed[..., :32, :32]
    with torch.inference_mode():
        difference = (segmenter(image) - segmenter(changed)).abs().sum(1)[0]
    assert float(difference[-1, -1]) > 0
    assert float(difference[:8, :8].mean()) > 10 * float(difference[-8:, -8:].mean())


def test_dropout_makes_passes_differ_and_evaluation_does_not() -> None:
    torch.manual_seed(0)
    segmenter = create_segmenter('litenet', num_classes=3, dropout=0.5).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(segmenter(image), segmenter(image))
        segmenter.dropout.train()
        assert not torch.equal(segmenter(image), segmenter(image))


def test_it_exports_to_plain_operators(tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    torch.manual_seed(0)
    segmenter = create_segmenter('litenet', num_classes=5).eval()
    image = torch.rand(1, 3, 64, 128)
    path = tmp_path / 'net.onnx'
    torch.onnx.export(segmenter, (image,), path, dynamo=True, external_data=False, verbose=False)
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert {'Conv', 'Relu', 'Clip', 'Resize', 'AveragePool'} <= operators
    assert not operators & {'Loop', 'If', 'Scan', 'GridSample', 'NonZero', 'BatchNormalization'}
    session = runtime.InferenceSession(path, providers=['CPUExecutionProvider'])
    logits = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    with torch.inference_mode():
        np.testing.assert_allclose(logits, segmenter(image).numpy(), atol=1e-3)
