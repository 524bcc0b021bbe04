# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""StreetNet: its size and its export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from anomaly_seg_ros.models import StreetNet, create_segmenter  # noqa: E402


def test_the_default_fits_its_bundle() -> None:
    """Float32 graph and float16 weights together stay under 10 MB."""
    parameters = sum(p.numel() for p in StreetNet(19).parameters())
    assert parameters < 1_500_000
    assert parameters * 6 < 10e6


def test_sizes_are_options() -> None:
    small = create_segmenter(
        'streetnet', num_classes=4, widths=[8, 8, 8, 8], depths=[1, 1, 1, 1], neck=8, head=8
    ).eval()
    with torch.inference_mode():
        assert small(torch.rand(1, 3, 64, 64)).shape == (1, 4, 16, 16)
    assert sum(p.numel() for p in small.parameters()) < 40_000


def test_it_exports_to_plain_operators(tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    torch.manual_seed(0)
    segmenter = create_segmenter('streetnet', num_classes=5).eval()
    image = torch.rand(1, 3, 64, 128)
    path = tmp_path / 'net.onnx'
    torch.onnx.export(segmenter, (image,), path, dynamo=True, external_data=False, verbose=False)
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert {'Conv', 'Relu', 'Resize', 'AveragePool'} <= operators
    assert not operators & {'Loop', 'If', 'Scan', 'GridSample', 'NonZero', 'BatchNormalization'}
    session = runtime.InferenceSession(path, providers=['CPUExecutionProvider'])
    logits = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    with torch.inference_mode():
        np.testing.assert_allclose(logits, segmenter(image).numpy(), atol=1e-3)
