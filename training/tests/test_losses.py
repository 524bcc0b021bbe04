# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses against slow references written from their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from anomaly_seg_training.losses import class_weights, feature_loss, label_loss, teacher_loss
from anomaly_seg_training.module import schedule


def _softmax(values: np.ndarray) -> np.ndarray:
    shares = np.exp(values - values.max())
    return shares / shares.sum()


def test_label_loss_against_loops() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    labels = rng.integers(0, 3, (2, 16, 20))
    labels[rng.random(labels.shape) < 0.3] = 255
    weights = np.array([0.5, 1.0, 3.0], np.float32)
    # Both sides at half of the labels' resolution; upsampling by two is PyTorch's own.
    upsampled = torch.nn.functional.interpolate(
        torch.from_numpy(logits), (8, 10), mode='bilinear', align_corners=False
    ).numpy()
    total, count = 0.0, 0
    for n in range(2):
        for y in range(8):
            for x in range(10):
                label = labels[n, 2 * y + 1, 2 * x + 1]
                if label != 255:
                    share = _softmax(upsampled[n, :, y, x].astype(float))[label]
                    total -= weights[label] * math.log(share)
                    count += 1
    loss = label_loss(
        torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(weights)
    )
    assert float(loss) == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize('temperature', [1.0, 2.5])
def test_teacher_loss_against_loops(temperature: float) -> None:
    rng = np.random.default_rng(1)
    student, teacher = (rng.normal(0, 3, (2, 4, 3, 2)).astype(np.float32) for _ in range(2))
    taught = (rng.random((2, 3, 2)) < 0.6).astype(np.float32)
    weights = np.array([0.5, 1.0, 2.0, 4.0], np.float32)
    total = 0.0
    for n in range(2):
        for y in range(3):
            for x in range(2):
                p = _softmax(teacher[n, :, y, x].astype(float) / temperature)
                q = _softmax(student[n, :, y, x].astype(float) / temperature)
                weight = weights[teacher[n, :, y, x].argmax()] * taught[n, y, x]
                total += weight * float((p * np.log(p / q)).sum()) * temperature**2
    loss = teacher_loss(
        *(torch.from_numpy(v) for v in (student, teacher, taught, weights)), temperature
    )
    assert float(loss) == pytest.approx(total / taught.sum(), rel=1e-4)


def test_teacher_loss_is_zero_for_equal_predictions_only() -> None:
    logits = torch.randn(1, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    ones, weights = torch.ones(1, 4, 4), torch.ones(5)
    assert float(teacher_loss(logits + 7, logits, ones, weights, 1.5)) == pytest.approx(
        0, abs=1e-5
    )
    assert float(teacher_loss(logits.flip(1), logits, ones, weights, 1.5)) > 0.1


def test_feature_loss_against_loops() -> None:
    rng = np.random.default_rng(2)
    first, second = (rng.normal(size=(1, 6, 2, 3)).astype(np.float32) for _ in range(2))
    taught = np.array([[[1, 0, 1], [1, 1, 0]]], np.float32)
    total = 0.0
    for y in range(2):
        for x in range(3):
            a, b = first[0, :, y, x], second[0, :, y, x]
            cosine = float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))
            total += taught[0, y, x] * (1 - cosine)
    loss = feature_loss(*(torch.from_numpy(v) for v in (first, second, taught)))
    assert float(loss) == pytest.approx(total / 4, rel=1e-5)


def test_losses_of_nothing_are_zero_and_have_gradients() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    nothing = torch.zeros(1, 2, 2)
    losses = (
        label_loss(logits, torch.full((1, 8, 8), 255), torch.ones(3)),
        teacher_loss(logits, torch.zeros(1, 3, 2, 2), nothing, torch.ones(3), 1.0),
        feature_loss(logits, torch.zeros(1, 3, 2, 2), nothing),
    )
    for loss in losses:
        assert float(loss) == 0
    sum(losses).backward()
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


def test_class_weights_have_mean_one_over_pixels() -> None:
    counts = torch.tensor([1000.0, 100.0, 10.0, 0.0])
    weights = class_weights(counts)
    assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1, rel=1e-5)
    assert weights.tolist() == sorted(weights.tolist())
    frequency = 10 / 1110
    expected = math.log(1.03 + 1000 / 1110) / math.log(1.03 + frequency)
    assert float(weights[2] / weights[0]) == pytest.approx(expected, rel=1e-5)


def test_the_schedule_warms_up_and_ends_low() -> None:
    values = [schedule(p) for p in np.linspace(0, 1, 201)]
    peak = int(np.argmax(values))
    assert values[peak] == pytest.approx(1, abs=0.01)
    assert 4 <= peak <= 8
    assert all(a >= b for a, b in zip(values[peak:], values[peak + 1 :], strict=False))
    assert values[-1] == pytest.approx(0.01)
    assert values[0] > 0
