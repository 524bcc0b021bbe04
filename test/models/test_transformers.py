# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SegFormer and Mask2Former without internet, and the merging of queries."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_networks import MASK2FORMER

torch = pytest.importorskip('torch')

from anomaly_seg_ros.models import ModelError, create_segmenter  # noqa: E402
from anomaly_seg_ros.models.transformers import merge_queries  # noqa: E402

SEGFORMER = {
    'depths': [1, 1, 1, 1], 'hidden_sizes': [8, 16, 24, 32], 'num_attention_heads': [1, 1, 2, 2],
    'decoder_hidden_size': 16,
}  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'config'), [('segformer', SEGFORMER), ('mask2former', MASK2FORMER)]
)
def test_built_from_a_configuration_and_from_a_folder(
    name: str, config: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip('transformers')
    torch.manual_seed(0)
    fresh = create_segmenter(name, num_classes=5, config=config).eval()
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        logits = fresh(image)
    assert logits.shape == (2, 5, 16, 24)
    assert bool(torch.isfinite(logits).all())
    fresh.network.save_pretrained(tmp_path)
    loaded = create_segmenter(name, num_classes=5, pretrained=str(tmp_path)).eval()
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image), logits)
    with pytest.raises(ModelError, match=f'{name} has 5 classes but 19 were asked for'):
        create_segmenter(name, num_classes=19, pretrained=str(tmp_path))


@pytest.mark.parametrize('name', ['segformer', 'mask2former'])
def test_a_wrong_folder_is_a_clear_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('transformers')
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(ModelError, match=f'{name} cannot be built from .*save_pretrained'):
        create_segmenter(name, num_classes=5, pretrained=str(tmp_path))


@pytest.mark.parametrize('name', ['segformer', 'mask2former'])
def test_the_missing_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(module: str, *args: Any, **options: Any) -> Any:
        if module == 'transformers':
            raise ImportError(module)
        return real(module, *args, **options)

    monkeypatch.delitem(sys.modules, 'transformers', raising=False)
    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ModelError, match=f'{name} needs the package transformers.*pip install'):
        create_segmenter(name, num_classes=5)


def test_merging_queries_against_loops() -> None:
    rng = np.random.default_rng(0)
    classes = rng.normal(0, 2, (2, 4, 3 + 1)).astype(np.float32)
    masks = rng.normal(0, 2, (2, 4, 2, 5)).astype(np.float32)
    expected = np.zeros((2, 3, 2, 5))
    for n in range(2):
        for q in range(4):
            shares = np.exp(classes[n, q].astype(float))
            shares /= shares.sum()
            for y in range(2):
                for x in range(5):
                    inside = 1 / (1 + np.exp(-float(masks[n, q, y, x])))
                    for c in range(3):
                        expected[n, c, y, x] += shares[c] * inside
    merged = merge_queries(torch.from_numpy(classes), torch.from_numpy(masks))
    np.testing.assert_allclose(merged.numpy(), expected, atol=1e-5)
