# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Foreign images: looks in the teacher's own colours, and only what they agree on is taught."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training import teacher as module
from anomaly_seg_training.data import Example
from anomaly_seg_training.dataset import Crops, Source
from anomaly_seg_training.teacher import (
    CITYSCAPES_MEAN,
    CITYSCAPES_STD,
    LOOKS,
    Lesson,
    Teacher,
    standardise,
)
from anomaly_seg_training.training import taught

VIEW = Size(128, 64)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = create_segmenter('erfnet', num_classes=20, known_classes=19)
    with torch.no_grad():
        # Random features are small: a larger last layer makes some pixels certain.
        network.decoder.output_conv.weight.mul_(400)
    path = tmp_path_factory.mktemp('teacher') / 'erfnet.safetensors'
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope='module')
def image() -> np.ndarray:
    rng = np.random.default_rng(1)
    coarse = rng.integers(60, 200, (5, 9, 3), np.uint8)
    return cv2.resize(coarse, (160, 90), interpolation=cv2.INTER_CUBIC)


def example(image: np.ndarray, *, foreign: bool) -> Example:
    return Example(f'test/{foreign}', image, None, VIEW, foreign=foreign)


def test_standardised_images_have_the_statistics_of_cityscapes(image: np.ndarray) -> None:
    values = standardise(image // 3 + 90).astype(float) / 255
    assert np.allclose(values.mean((0, 1)), CITYSCAPES_MEAN, atol=0.02)
    assert np.allclose(values.std((0, 1)), CITYSCAPES_STD, atol=0.02)


def test_a_flat_image_is_standardised_to_the_mean() -> None:
    flat = standardise(np.full((4, 6, 3), 77, np.uint8))
    assert np.array_equal(flat[0, 0], np.floor(CITYSCAPES_MEAN * 255 + 0.5).astype(np.uint8))


def test_only_pixels_on_which_all_looks_agree_are_taught(
    checkpoint: Path, image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'SURE', 0.3)
    monkeypatch.setattr(module, 'TRUST', 0.0)
    teacher = Teacher('erfnet', checkpoint, 20, 19, tmp_path)
    lesson = teacher.lessons([example(image, foreign=True)])[0]
    assert lesson is not None
    assert lesson.sure is not None

    looks = []
    for factor in LOOKS:
        size = (round(128 * factor / 8) * 8, round(64 * factor / 8) * 8)
        pixels = cv2.resize(standardise(image), size, interpolation=cv2.INTER_LINEAR)
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            logits = functional.interpolate(teacher.segmenter(tensor), (16, 32), mode='area')
        looks.append(logits[0].softmax(0).numpy())
    for row in range(16):
        for column in range(32):
            votes = {int(look[:, row, column].argmax()) for look in looks}
            mean = np.mean([look[:, row, column] for look in looks], axis=0)
            expected = votes == {int(mean.argmax())} and mean.max() > 0.3
            expected = expected and int(mean.argmax()) not in (14, 15, 16)
            if abs(mean.max() - 0.3) > 1e-4:
                assert bool(lesson.sure[row, column]) == expected
            assert np.allclose(lesson.logits[:, row, column].float().exp(), mean, atol=4e-3)
    assert 0 < float(lesson.sure.float().mean()) < 1


def test_a_cached_lesson_keeps_what_is_sure_and_knows_the_kind_of_image(
    checkpoint: Path, image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'TRUST', 0.0)
    kinds = [example(image, foreign=True), example(image, foreign=False)]
    first = Teacher('erfnet', checkpoint, 20, 19, tmp_path).lessons(kinds)
    again = Teacher('erfnet', checkpoint, 20, 19, tmp_path).lessons(kinds)
    assert len(list(tmp_path.iterdir())) == 2
    assert first[0] is not None
    assert again[0] is not None
    assert again[1] is not None
    assert torch.equal(again[0].sure, first[0].sure)
    assert again[1].sure is None
    assert not torch.equal(again[0].logits, again[1].logits)


def test_a_foreign_image_on_which_the_looks_disagree_teaches_nothing(
    checkpoint: Path, image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'TRUST', 0.0)
    kinds = [example(image, foreign=True), example(image, foreign=False)]
    teacher = Teacher('erfnet', checkpoint, 20, 19, tmp_path)
    first, plain = teacher.lessons(kinds)
    assert first is not None
    assert first.sure is not None
    share = float(first.sure.float().mean())
    for limit, trusted in ((share, True), (share + 1e-3, False)):
        monkeypatch.setattr(module, 'TRUST', limit)
        foreign, own = teacher.lessons(kinds)
        assert (foreign is not None) == trusted
        assert own is not None
    # Neither labels nor a lesson: the image is left out, and a set of such images too.
    assert taught(kinds, [None, plain], 1.0).examples == [kinds[1]]
    assert taught(kinds[:1], [None], 1.0) is None


def test_crops_teach_nothing_where_the_teacher_is_not_sure(image: np.ndarray) -> None:
    sure = torch.zeros((16, 32), dtype=torch.bool)
    sure[:, :16] = True
    lesson = Lesson(torch.randn(19, 16, 32).half(), torch.randn(8, 8, 16).half(), sure)
    source = Source([example(image, foreign=True)], [lesson], 1.0)
    crops = Crops({'x': source}, Size(64, 32), (1.0, 1.0), 0.0, 40, 0, 0, 8)
    shares = [float(crops[index]['taught'].mean()) for index in range(len(crops))]
    assert min(shares) == 0
    assert max(shares) == 1
    assert {value for index in range(5) for value in crops[index]['taught'].unique().tolist()} <= {
        0.0,
        1.0,
    }
