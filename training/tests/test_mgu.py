# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masked Gradient Update: the fast one against the paper's text, its laws and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_training.mgu.config import RULES, MguConfig
from anomaly_seg_training.mgu.errors import MguError
from anomaly_seg_training.mgu.literal import literal_update
from anomaly_seg_training.mgu.receptive import receptive_radius
from anomaly_seg_training.mgu.update import (
    MguJob,
    MguOutcome,
    Segment,
    masked_gradient_update,
    wrong,
)
from anomaly_seg_training.recipe_file import RecipeError

CLASSES = 3
STEPS = {'raw': 1e5, 'sign': 5.0, 'normalised': 4.0}


def _network(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """Two layers with a known reach of two pixels."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, dtype=dtype), nn.ReLU(),
        nn.Conv2d(8, CLASSES, 3, padding=1, dtype=dtype),
    ).requires_grad_(False)  # fmt: skip


def _segment() -> Segment:
    network = _network()
    return lambda images: 6 * network(images / 64 - 2)


def _image(seed: int, size: tuple[int, int]) -> Tensor:
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(40, 210, (1, 3, size[0] // 8, size[1] // 8)))
    smooth = functional.interpolate(coarse, size, mode='bilinear')[0]
    return smooth + torch.from_numpy(rng.uniform(-8, 8, (3, *size)))


def _jobs(segment: Segment, count: int = 2) -> list[MguJob]:
    """Regions of what the network sees, so that most of their pixels are right."""
    jobs = []
    for seed in range(count):
        image = _image(seed, (16, 24))
        predicted = segment(image[None]).argmax(1)[0]
        for label in range(CLASSES):
            region = predicted == label
            # Some pixels that are wrong from the start.
            region[3 * seed : 3 * seed + 4, :6] = True
            jobs.append(MguJob(f'frame {seed}', image, region, label))
    return jobs


def _square() -> list[MguJob]:
    """A small region in a large image, for each class."""
    region = torch.zeros(96, 160, dtype=torch.bool)
    region[40:56, 70:90] = True
    return [MguJob('a', _image(5, (96, 160)), region, label) for label in range(CLASSES)]


def _all(segment: Segment, jobs: list[MguJob], **options: object) -> list[MguOutcome]:
    return masked_gradient_update(segment, jobs, MguConfig.from_dict(options))


@pytest.mark.parametrize('rule', RULES)
def test_the_fast_one_flips_what_the_literal_one_flips(rule: str) -> None:
    """All images and classes in one batch, against one by one; pixels end at the same places."""
    segment = _segment()
    jobs = _jobs(segment, 2 if rule == 'normalised' else 1)
    config = MguConfig(rule, STEPS[rule], iterations=30 if rule == 'normalised' else 15)
    outcomes = masked_gradient_update(segment, jobs, config)
    if rule == 'normalised':
        assert len({outcome.iterations for outcome in outcomes}) > 1, 'no job left the batch early'
    for job, outcome in zip(jobs, outcomes, strict=True):
        image, flipped = literal_update(segment, job.image, job.region, job.label, config)
        assert torch.equal(flipped, outcome.flipped)
        assert torch.allclose(image, outcome.image, rtol=0, atol=1e-6)
        right = job.region & (segment(job.image[None])[0].argmax(0) == job.label)
        assert torch.equal(outcome.right, right)
        assert (outcome.flipped & right).sum() > 0.3 * right.sum()


def test_a_rectangle_with_the_receptive_field_changes_nothing() -> None:
    segment = _segment()
    jobs = _square()
    radius = receptive_radius(_network())
    assert radius == 32, 'two pixels, on the grid'
    seen = []

    def watched(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[-2:]))
        return segment(images)

    config = MguConfig(iterations=4)
    outcomes = masked_gradient_update(watched, jobs, config, radius)
    assert set(seen) == {(96, 96)}
    for job, outcome in zip(jobs, outcomes, strict=True):
        image, flipped = literal_update(segment, job.image, job.region, job.label, config)
        assert torch.equal(flipped, outcome.flipped)
        assert torch.allclose(image, outcome.image, rtol=0, atol=1e-6)


def test_context_ends_on_the_whole_image() -> None:
    """Whatever its windows have shown, what is called flipped is flipped in the whole image."""
    segment = _segment()
    jobs = _square()
    for job, outcome in zip(jobs, _all(segment, jobs, context=1), strict=True):
        away = segment(outcome.image[None])[0].argmax(0) != job.label
        assert torch.equal(outcome.flipped, job.region & away)
        assert (outcome.flipped & outcome.right).sum() > 0.5 * outcome.right.sum()


def test_a_context_of_all_that_is_seen_changes_nothing() -> None:
    """Two groups of pixels in windows of their own, before a pixel can have come back unseen."""
    segment = _segment()
    region = torch.zeros(96, 256, dtype=torch.bool)
    region[8:20, 6:20] = region[70:84, 215:235] = True
    image = _image(5, (96, 256))
    predicted = segment(image[None])[0].argmax(0)
    label = int(predicted[region].mode().values)
    region &= predicted == label
    seen: list[tuple[int, ...]] = []

    def watched(images: Tensor) -> Tensor:
        seen.append((len(images), *images.shape[-2:]))
        return segment(images)

    config = MguConfig(step=2.0, iterations=2, context=2)
    (outcome,) = masked_gradient_update(watched, [MguJob('a', image, region, label)], config)
    assert seen == [(1, 96, 256), (1, 32, 32), (1, 32, 64), (1, 96, 256)]
    expected, flipped = literal_update(segment, image, region, label, config)
    assert 0 < (flipped & outcome.right).sum() < outcome.right.sum()
    assert torch.equal(flipped, outcome.flipped)
    assert torch.allclose(expected, outcome.image, rtol=0, atol=1e-6)


def test_every_sixteenth_pass_sees_the_whole_image() -> None:
    """As does the last; what ends early is looked at before."""
    segment = _segment()
    sizes: list[int] = []

    def watched(images: Tensor) -> Tensor:
        sizes.append(images.shape[-1])
        return segment(images)

    masked_gradient_update(watched, _square()[:1], MguConfig(step=0.01, iterations=34, context=2))
    assert [place for place, size in enumerate(sizes) if size == 160] == [0, 16, 32, 34]


def test_large_images_go_through_a_cpu_one_by_one() -> None:
    segment = _segment()
    batches: list[int] = []

    def watched(images: Tensor) -> Tensor:
        batches.append(len(images))
        return segment(images)

    config = MguConfig(iterations=1, step=0.01)
    masked_gradient_update(watched, _square(), config)
    assert batches == [3, 3]
    batches.clear()
    image = _image(5, (256, 320))
    region = segment(image[None])[0].argmax(0) == 0
    masked_gradient_update(watched, [MguJob('a', image, region, 0)] * 2, config)
    assert batches == [1] * 4


def test_only_pixels_that_were_right_move_and_stay_in_range() -> None:
    segment = _segment()
    jobs = _jobs(segment, count=1)
    for rule in RULES:
        config = MguConfig(rule, 40 * STEPS[rule], iterations=6)
        for job, outcome in zip(jobs, masked_gradient_update(segment, jobs, config), strict=True):
            moved = (outcome.image != job.image).any(0)
            assert moved.any()
            assert not (moved & ~job.region).any()
            assert float(outcome.image.min()) >= 0
            assert float(outcome.image.max()) <= 255


def test_steps_of_the_rules() -> None:
    """One iteration: the sign moves all alike, the norm of the normalised one is the step."""
    segment = _segment()
    middle = torch.full((3, 24, 32), 128.0, dtype=torch.float64)
    middle += torch.from_numpy(np.random.default_rng(0).uniform(-60, 60, middle.shape))
    label = int(segment(middle[None])[0].argmax(0).flatten().mode().values)
    for rule in ('sign', 'normalised'):
        job = MguJob('a', middle, torch.ones(24, 32, dtype=torch.bool), label)
        (outcome,) = _all(segment, [job], rule=rule, step=2.0, iterations=1)
        moved = (outcome.image - middle)[:, outcome.right]
        assert float(moved.square().mean().sqrt()) == pytest.approx(2.0, rel=1e-6)
        if rule == 'sign':
            assert torch.allclose(moved.abs(), torch.full_like(moved, 2.0))


def test_a_smaller_share_stops_earlier() -> None:
    segment = _segment()
    jobs = _jobs(segment)
    for whole, part in zip(
        _all(segment, jobs, step=4.0, iterations=40),
        _all(segment, jobs, step=4.0, iterations=40, stop_share=0.7),
        strict=True,
    ):
        assert part.iterations < whole.iterations
        assert (part.flipped & part.right).sum() >= 0.7 * part.right.sum()


def test_an_image_without_a_right_pixel_stays_as_it_is() -> None:
    segment = _segment()
    job = _jobs(segment, count=1)[0]
    region = segment(job.image[None])[0].argmax(0) != job.label
    (outcome,) = _all(segment, [MguJob('a', job.image, region, job.label)])
    assert torch.equal(outcome.image, job.image)
    assert not outcome.right.any()
    assert outcome.iterations == 0
    assert torch.equal(outcome.flipped, region)


def test_a_gradient_that_is_no_number_names_the_image() -> None:
    """The square root of exactly 0 has no finite slope."""
    segment = _segment()
    job = _jobs(segment, count=1)[0]

    def broken(images: Tensor) -> Tensor:
        return segment(images) + (images - images.detach()).sum(1, keepdim=True).sqrt()

    with pytest.raises(MguError, match='frame 0: the gradient of class 0 is not finite after 0 '):
        _all(broken, [job])


def test_what_rounding_undoes_is_found() -> None:
    """Half a grey value decides: 100.4 is the first class, 100.6 the second, 100 the first."""

    def segment(images: Tensor) -> Tensor:
        above = images.mean(1) - 100.4
        return torch.stack((-above, above, above - 9), 1)

    image = torch.full((3, 4, 4), 100.0)
    job = MguJob('a', image, torch.ones(4, 4, dtype=torch.bool), 0)
    (outcome,) = _all(segment, [job], step=0.45)
    assert bool(outcome.flipped.all())
    assert not wrong(segment, outcome.image.round()[None], [job]).any()


def test_a_network_that_averages_over_the_image_has_no_radius() -> None:
    options = {'widths': [8, 8, 8, 8], 'depths': [1, 1, 1, 1], 'neck': 8, 'head': 8}
    assert receptive_radius(create_segmenter('streetnet', num_classes=4, **options)) is None
    assert receptive_radius(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sigmoid())) is None


def test_a_probed_radius_bounds_what_changes() -> None:
    """Against gradients: no pixel beyond it has one, a pixel near it has."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=16, dilation=16),
        nn.ConvTranspose2d(4, 2, 3, 2, 1, 1),
    ).double()  # fmt: skip
    radius = receptive_radius(network)
    image = torch.rand(1, 3, 64, 256, dtype=torch.float64).requires_grad_()
    network(image)[0, :, :, 96:128].sum().backward()
    assert image.grad is not None
    columns = (image.grad[0].abs().sum((0, 1)) > 0).nonzero()[:, 0]
    assert radius is not None
    assert 96 - radius <= int(columns[0]) < 96
    assert 127 < int(columns[-1]) <= 127 + radius
    assert radius == 64, '32 pixels by the dilation, a few by the rest'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'rule': 'adam'}, "'rule': received 'adam', expected one of"),
        ({'step': 0}, "'step': received 0.0, expected more than 0"),
        ({'iterations': 0}, "'iterations': received 0, expected at least 1"),
        ({'stop_share': 1.5}, "'stop_share': received 1.5, expected more than 0, at most 1"),
    ],
)
def test_bad_settings_are_one_clear_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        MguConfig.from_dict(options)
    assert message in str(error.value)
