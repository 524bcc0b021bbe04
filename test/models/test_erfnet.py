# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ERFNet: its parts, and the published weights on real frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

import cv2  # noqa: E402

from anomaly_seg_ros.classes import CITYSCAPES  # noqa: E402
from anomaly_seg_ros.images import read_image, read_label_map  # noqa: E402
from anomaly_seg_ros.metrics import ConfusionMatrix  # noqa: E402
from anomaly_seg_ros.models import ModelError, create_segmenter, load_weights  # noqa: E402


def test_known_classes_cut_the_last_logits_off() -> None:
    torch.manual_seed(0)
    whole = create_segmenter('erfnet', num_classes=20).eval()
    known = create_segmenter('erfnet', num_classes=20, known_classes=19).eval()
    known.load_state_dict(whole.state_dict())
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(known(image), whole(image)[:, :19])
    assert known.num_classes == 19


@pytest.mark.parametrize('known', [0, 21])
def test_known_classes_outside_the_outputs_are_refused(known: int) -> None:
    with pytest.raises(ModelError, match=f'known_classes={known}, expected 1 to 20'):
        create_segmenter('erfnet', num_classes=20, known_classes=known)


def test_a_pixel_reaches_far_but_not_everywhere() -> None:
    """Dilations 2, 4, 8, 16, twice, at an eighth of the resolution: more than 400 pixels."""
    torch.manual_seed(0)
    segmenter = create_segmenter('erfnet', num_classes=3).eval()
    image = torch.rand(1, 3, 64, 1024)
    changed = image.clone()
    changed[..., :8] = 1 - changed[..., :8]
    with torch.inference_mode():
        moved = (segmenter(image) != segmenter(changed)).any(1).any(1)[0].nonzero().max()
    assert 400 < int(moved) < 1000


@pytest.mark.shared_data
def test_the_published_weights_segment_cityscapes(shared_data: Path) -> None:
    segmenter = create_segmenter('erfnet', num_classes=20, known_classes=19).eval()
    load_weights(segmenter, shared_data / 'checkpoints' / 'erfnet_cityscapes.pth')
    matrix, means = ConfusionMatrix(19), []
    folder = shared_data / 'cityscapes_mini' / 'val'
    for file in sorted((folder / 'images').iterdir()):
        image = cv2.resize(read_image(file), (1024, 512), interpolation=cv2.INTER_LINEAR)
        target = read_label_map(folder / 'trainIds' / f'{file.stem}.png')
        target = cv2.resize(target, (1024, 512), interpolation=cv2.INTER_NEAREST)
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            labels = segmenter(tensor).argmax(1)[0].numpy().astype(np.uint8)
        matrix.update(labels, target)
        single = ConfusionMatrix(19)
        single.update(labels, target)
        iou = np.array(single.compute().iou)
        means.append(iou[single.counts.sum(1) > 0].mean())
    # The mean over frames, of the classes in each frame's ground truth.
    assert np.mean(means) == pytest.approx(0.701, abs=0.003)
    # One confusion matrix for all 17 frames, all 19 classes.
    result = matrix.compute()
    assert result.miou == pytest.approx(0.671, abs=0.003)
    assert result.iou[CITYSCAPES.names.index('road')] > 0.97
    assert result.iou[CITYSCAPES.names.index('car')] > 0.87
