# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crops: image, labels and maps are cut from one place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import Box, choose_box, crop_image, crop_labels, crop_map
from anomaly_seg_training.mixing import class_mix
from anomaly_seg_training.photometric import distort

VIEW, CROP = Size(256, 128), Size(128, 96)


def _scene() -> tuple[np.ndarray, np.ndarray]:
    """An image whose colour is its label: smooth ellipses of four classes."""
    labels = np.zeros((128, 256), np.uint8)
    for label, centre, axes in ((1, (60, 60), (40, 30)), (2, (170, 50), (50, 25)),
                                (3, (130, 100), (70, 20))):  # fmt: skip
        cv2.ellipse(labels, centre, axes, 20 * label, 0, 360, label, -1)
    colours = np.array([(20, 20, 20), (220, 40, 40), (40, 220, 40), (40, 40, 220)], np.uint8)
    return colours[labels], labels


def _labels_of(image: np.ndarray) -> np.ndarray:
    colours = np.array([(20, 20, 20), (220, 40, 40), (40, 220, 40), (40, 40, 220)], float)
    distance = ((image[..., None, :].astype(float) - colours) ** 2).sum(-1)
    return distance.argmin(-1)


@pytest.mark.parametrize('seed', range(12))
def test_image_labels_and_logits_show_the_same_place(seed: int) -> None:
    image, labels = _scene()
    box = choose_box(np.random.default_rng(seed), VIEW, CROP, (0.8, 2.0))
    cut = crop_labels(labels, box, CROP)
    seen = _labels_of(crop_image(image, box, CROP))
    assert (seen == cut).mean() > 0.98
    # The teacher's map has a quarter of the resolution, of the crop as of the whole image.
    onehot = torch.from_numpy(np.eye(4, dtype=np.float32)[labels]).permute(2, 0, 1)
    logits = torch.nn.functional.avg_pool2d(onehot, 4).half()
    small = crop_map(logits, box, Size(32, 24)).argmax(0).numpy()
    assert (small == cut[2::4, 2::4]).mean() > 0.93


def test_a_mirrored_crop_is_the_mirror_image() -> None:
    image, labels = _scene()
    box = Box(0.2, 0.1, 0.5, 0.6)
    mirrored = Box(0.2, 0.1, 0.5, 0.6, flip=True)
    assert np.array_equal(crop_image(image, mirrored, CROP), crop_image(image, box, CROP)[:, ::-1])
    assert np.array_equal(
        crop_labels(labels, mirrored, CROP), crop_labels(labels, box, CROP)[:, ::-1]
    )
    values = torch.rand(3, 32, 64)
    torch.testing.assert_close(
        crop_map(values, mirrored, Size(32, 24)), crop_map(values, box, Size(32, 24)).flip(-1)
    )


def test_the_whole_image_at_its_own_size_is_unchanged() -> None:
    image, labels = _scene()
    box = Box(0, 0, 1, 1)
    assert np.array_equal(crop_image(image, box, VIEW), image)
    assert np.array_equal(crop_labels(labels, box, VIEW), labels)
    values = torch.rand(5, 32, 64)
    torch.testing.assert_close(crop_map(values, box, Size(64, 32)), values)


def test_a_map_is_resized_as_pytorch_resizes() -> None:
    values = torch.rand(5, 32, 64)
    expected = torch.nn.functional.interpolate(
        values[None], (64, 128), mode='bilinear', align_corners=False
    )[0]
    torch.testing.assert_close(crop_map(values, Box(0, 0, 1, 1), Size(128, 64)), expected)


def test_boxes_stay_inside_and_keep_the_scale() -> None:
    rng = np.random.default_rng(0)
    zooms = []
    for _ in range(300):
        box = choose_box(rng, Size(1024, 512), Size(512, 320), (0.75, 2.0))
        assert 0 <= box.left <= box.left + box.width <= 1 + 1e-9
        assert 0 <= box.top <= box.top + box.height <= 1 + 1e-9
        across, down = 512 / (1024 * box.width), 320 / (512 * box.height)
        assert 0.86 < across / down < 1.16
        zooms.append((across * down) ** 0.5)
    assert 0.74 < min(zooms) < 0.85
    assert 1.8 < max(zooms) < 2.01


def test_a_crop_that_does_not_fit_takes_the_whole_side() -> None:
    """So it is stretched along it: at scale 0.625 and below, 320 pixels are the whole height."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        box = choose_box(rng, Size(1024, 512), Size(512, 320), (0.55, 0.55))
        assert (box.top, box.height) == (0, 1)
        assert 0.8 < box.width < 1


def test_a_centre_is_inside_the_crop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y = rng.random(2)
        box = choose_box(rng, VIEW, CROP, (1.0, 2.0), (x, y))
        assert box.left <= x <= box.left + box.width
        assert box.top <= y <= box.top + box.height


def test_distortions_move_nothing() -> None:
    """Edges of a checkerboard stay where they are, whatever the light."""
    image = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16)))[..., None] * [90, 100, 80]
    image = (image + 60).astype(np.uint8)
    bright = image[..., 1] > 100
    changed = 0
    for seed in range(40):
        result = distort(image, np.random.default_rng(seed))
        assert result.shape == image.shape
        assert result.dtype == np.uint8
        grey = result.astype(float).mean(-1)
        assert ((grey > (grey[bright].mean() + grey[~bright].mean()) / 2) == bright).mean() > 0.9
        changed += not np.array_equal(result, image)
    assert changed > 30


def test_distortions_leave_the_input_alone_and_repeat() -> None:
    image, _ = _scene()
    before = image.copy()
    for seed in range(20):
        first = distort(image, np.random.default_rng(seed))
        assert np.array_equal(image, before)
        assert np.array_equal(first, distort(image, np.random.default_rng(seed)))


def _batch(count: int) -> dict[str, torch.Tensor]:
    """Crops in which every tensor says the same: pixel value = 10 label + number of the crop."""
    labels = torch.randint(0, 5, (count, 4, 6), generator=torch.Generator().manual_seed(1))
    code = 10 * labels + torch.arange(count)[:, None, None]
    full = code.repeat_interleave(4, 1).repeat_interleave(4, 2)
    eighth = code[:, ::2, ::2].float()
    return {
        'image': full[:, None].expand(-1, 3, -1, -1).to(torch.uint8),
        'labels': full.clone(),
        'guide': labels,
        'logits': code[:, None].float(),
        'features': eighth[:, None],
        'taught': code.float(),
    }


def test_class_mix_pastes_everything_by_one_mask() -> None:
    batch = _batch(4)
    mixed = class_mix(batch, 1.0, torch.Generator().manual_seed(0))
    code = mixed['taught']
    assert not torch.equal(code, batch['taught'])
    full = code.repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert torch.equal(mixed['labels'].float(), full)
    assert torch.equal(mixed['image'][:, 1].float(), full)
    assert torch.equal(mixed['logits'][:, 0], code)
    assert torch.equal(mixed['features'][:, 0], code[:, ::2, ::2])
    assert torch.equal(mixed['guide'], (code // 10).long())


def test_class_mix_takes_half_of_the_neighbours_classes_whole() -> None:
    batch = _batch(2)
    mixed = class_mix(batch, 1.0, torch.Generator().manual_seed(0))
    for index in range(2):
        other = 1 - index
        pasted = mixed['taught'][index] % 10 == other
        classes = batch['guide'][other]
        chosen = classes[pasted].unique()
        assert len(chosen) == (len(classes.unique()) + 1) // 2
        assert torch.equal(pasted, torch.isin(classes, chosen))


def test_class_mix_with_share_zero_and_without_labels_changes_nothing() -> None:
    batch = _batch(3)
    for share, guide in ((0.0, batch['guide']), (1.0, torch.full_like(batch['guide'], 255))):
        mixed = class_mix({**batch, 'guide': guide}, share, torch.Generator().manual_seed(0))
        assert torch.equal(mixed['image'], batch['image'])
