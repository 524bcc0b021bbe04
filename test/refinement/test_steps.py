# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of SML, in both of their forms, against pixel-by-pixel references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from support.sml_reference import (
    base_boundary,
    expand,
    smooth_reference,
    standardise_reference,
    suppress_reference,
)

torch = pytest.importorskip('torch')

from torch import Tensor  # noqa: E402

from anomaly_seg_ros.refinement import boundary, smoothing  # noqa: E402
from anomaly_seg_ros.refinement.boundary import Boundaries  # noqa: E402
from anomaly_seg_ros.refinement.smoothing import smooth  # noqa: E402
from anomaly_seg_ros.refinement.standardise import standardise  # noqa: E402

Labels = NDArray[np.uint8]
MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=['operators', 'fast'], autouse=True)
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both forms: PyTorch operators, as in graphs and on GPUs, and NumPy with OpenCV."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == 'operators':
            for module in (boundary, smoothing):
                patch.setattr(module, 'is_plain', lambda tensor: False)
        yield request.param


def batch(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))[None]


def suppress(score: NDArray[Any], labels: Labels) -> NDArray[Any]:
    return Boundaries(batch(labels)).suppress(batch(score))[0].numpy()


def scores_like(labels: Labels, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 3, labels.shape).astype(np.float32)


def islands(height: int, width: int, seed: int, classes: int = 5) -> Labels:
    """Patches and thin lines, as networks give them."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, classes, (height // 6 + 1, width // 9 + 1), np.uint8)
    labels = coarse.repeat(6, 0).repeat(9, 1)[:height, :width].copy()
    labels[:, width // 3] = 1
    labels[height // 2, width // 2 :] = classes - 1
    return labels


MAPS: dict[str, Labels] = {
    'islands': islands(40, 61, 0),
    'other islands': islands(33, 26, 1),
    'noise': np.random.default_rng(2).integers(0, 19, (24, 31), np.uint8),
    'two halves': np.repeat(np.uint8([[3], [7]]), 12, 0).repeat(20, 1),
    'one class': np.full((14, 17), 4, np.uint8),
    'ignore everywhere': np.full((9, 9), 255, np.uint8),
    'ignore in the middle': np.pad(np.full((5, 5), 255, np.uint8), 8),
    'checkerboard': (np.indices((16, 18)).sum(0) % 2).astype(np.uint8),
    'one pixel differs': np.pad(np.uint8([[1]]), 9),
    'one pixel': np.uint8([[2]]),
    'one row': np.uint8([[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0]]),
    'one column': np.uint8([[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0]]).T.copy(),
    'corner of a larger label': np.pad(np.uint8([[9]]), ((0, 11), (0, 11))),
    'steps': np.tril(np.ones((20, 23), np.uint8)),
}


@pytest.mark.parametrize('name', MAPS)
def test_levels_count_the_published_boundaries(name: str) -> None:
    labels = MAPS[name]
    base = base_boundary(labels)
    expected = sum(expand(base, radius).astype(int) for radius in (3, 2, 1, 0))
    levels = Boundaries(batch(labels)).levels
    assert levels.dtype == torch.uint8
    np.testing.assert_array_equal(levels[0].numpy(), expected)


@pytest.mark.parametrize('name', MAPS)
def test_suppression_is_the_published_one(name: str) -> None:
    labels = MAPS[name]
    score = scores_like(labels)
    expected = suppress_reference(score, labels)
    np.testing.assert_allclose(suppress(score, labels), expected, rtol=0, atol=2e-5)


@MANY
@given(
    labels=hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
        elements=st.sampled_from([0, 0, 0, 0, 1, 2, 255]),
    ),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_labels_are_suppressed_as_published(labels: Labels, seed: int) -> None:
    score = scores_like(labels, seed)
    expected = suppress_reference(score, labels)
    np.testing.assert_allclose(suppress(score, labels), expected, rtol=0, atol=2e-5)


def test_a_straight_boundary_by_hand() -> None:
    """Eight columns are replaced from both sides by what lies beside them."""
    labels = np.zeros((12, 20), np.uint8)
    labels[:, 10:] = 1
    score = np.full(labels.shape, 7, np.float32)
    score[:, :6], score[:, 14:] = 1, 3
    levels = Boundaries(batch(labels)).levels[0]
    assert levels[0].tolist() == [0] * 6 + [1, 2, 3, 4, 4, 3, 2, 1] + [0] * 6
    expected = np.where(labels == 0, 1, 3)
    np.testing.assert_allclose(suppress(score, labels), expected, atol=1e-5)


def test_only_boundaries_change() -> None:
    labels = MAPS['islands']
    score = scores_like(labels)
    outside = Boundaries(batch(labels)).levels[0].numpy() == 0
    assert outside.any()
    np.testing.assert_array_equal(suppress(score, labels)[outside], score[outside])


@pytest.mark.parametrize('name', ['one class', 'ignore everywhere', 'checkerboard', 'noise'])
def test_nothing_to_take_from_changes_nothing(name: str) -> None:
    labels = MAPS[name]
    score = scores_like(labels)
    levels = Boundaries(batch(labels)).levels[0].numpy()
    if name in ('one class', 'ignore everywhere'):
        assert not levels.any()
    result = suppress(score, labels)
    if len(np.unique(levels)) == 1:
        np.testing.assert_allclose(result, score, rtol=1e-6)


@MANY
@given(constant=st.floats(-50, 50, width=32), seed=st.integers(0, 20))
def test_constants_stay(constant: float, seed: int) -> None:
    labels = islands(20, 25, seed)
    score = np.full(labels.shape, constant, np.float32)
    np.testing.assert_allclose(suppress(score, labels), score, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(smooth(batch(score))[0].numpy(), score, rtol=1e-5, atol=1e-6)


@MANY
@given(seed=st.integers(0, 50))
def test_results_lie_between_the_extremes(seed: int) -> None:
    labels = islands(22, 30, seed)
    score = scores_like(labels, seed)
    for result in (suppress(score, labels), smooth(batch(score))[0].numpy()):
        assert result.min() >= score.min() - 1e-4
        assert result.max() <= score.max() + 1e-4


@pytest.mark.parametrize(
    'shape',
    [(1, 1), (1, 40), (40, 1), (5, 7), (6, 6), (36, 37), (37, 36), (12, 100), (48, 60), (49, 61)],
)
def test_smoothing_is_the_published_one(shape: tuple[int, int]) -> None:
    """Images narrower than the kernel, multiples of its dilation, and others."""
    score = np.random.default_rng(3).normal(0, 3, shape).astype(np.float32)
    result = smooth(batch(score))
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result[0].numpy(), smooth_reference(score), rtol=0, atol=2e-6)


def test_one_bright_pixel_shows_the_kernel() -> None:
    score = np.zeros((61, 61), np.float32)
    score[30, 30] = 1
    result = smooth(batch(score))[0].numpy()
    taps = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    np.testing.assert_allclose(result[12:49:6, 12:49:6], kernel, atol=1e-7)
    result[12:49:6, 12:49:6] = 0
    assert not result.any()


def test_standardisation_is_the_published_one() -> None:
    labels = MAPS['islands']
    score = scores_like(labels) - 8
    means, stds = [-9.0, -8, -7.5, -6, -11], [0.5, 1, 2, 3, 1.5]
    result = standardise(batch(score), batch(labels), torch.tensor([means, stds]))
    expected = standardise_reference(score, labels, means, stds)
    np.testing.assert_allclose(result[0].numpy(), expected, rtol=1e-5, atol=1e-5)
    # Minus the paper's S = (L - mean of L) / std for the max logit L = -score.
    paper = (-score - (-np.array(means))[labels]) / np.array(stds)[labels]
    np.testing.assert_allclose(-result[0].numpy(), paper, rtol=1e-5, atol=1e-5)


STEPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    'standardise': lambda s, c: standardise(s, c, torch.tensor([[1.0] * 5, [2.0] * 5])),
    'suppress': lambda s, c: Boundaries(c).suppress(s),
    'smooth': lambda s, c: smooth(s),
}


@pytest.mark.parametrize('step', STEPS)
@pytest.mark.parametrize('kind', [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_are_computed_in_single_precision(
    step: str, kind: torch.dtype
) -> None:
    labels = batch(islands(20, 30, 4))
    score = batch(scores_like(labels[0].numpy())).to(kind)
    result = STEPS[step](score, labels)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, STEPS[step](score.float(), labels))


@pytest.mark.parametrize('step', STEPS)
def test_images_of_a_batch_are_independent_and_inputs_stay(step: str) -> None:
    labels = torch.stack([batch(islands(20, 30, seed))[0] for seed in (5, 6, 7)])
    score = torch.randn(3, 20, 30)
    before = score.clone(), labels.clone()
    result = STEPS[step](score, labels)
    assert torch.equal(score, before[0])
    assert torch.equal(labels, before[1])
    for index in range(3):
        alone = STEPS[step](score[index : index + 1], labels[index : index + 1])
        torch.testing.assert_close(result[index : index + 1], alone)


@pytest.mark.parametrize('step', STEPS)
def test_any_memory_layout(step: str) -> None:
    labels = batch(islands(20, 30, 5))
    score = batch(scores_like(labels[0].numpy()))
    expected = STEPS[step](score, labels)
    wide_score, wide_labels = torch.randn(1, 20, 60), torch.zeros(1, 20, 60, dtype=torch.uint8)
    wide_score[:, :, ::2], wide_labels[:, :, ::2] = score, labels
    torch.testing.assert_close(
        STEPS[step](wide_score[:, :, ::2], wide_labels[:, :, ::2]), expected
    )
    turned = score.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(STEPS[step](turned, labels), expected)


@pytest.mark.parametrize('step', STEPS)
def test_what_is_not_a_number_stays_near_and_never_vanishes(step: str) -> None:
    """Engines refuse such scores: no step may hide one from them."""
    labels = batch(np.zeros((60, 60), np.uint8))
    labels[0, :, 40:] = 1
    for wrong in (float('nan'), float('inf'), -float('inf')):
        for column in (10, 34):
            score = torch.randn(1, 60, 60)
            score[0, 30, column] = wrong
            result = STEPS[step](score, labels)[0]
            assert not torch.isfinite(result).all()
            assert torch.isfinite(result[:5]).all()


@pytest.mark.parametrize('step', ['suppress', 'smooth'])
def test_gradients_flow(step: str, form: str) -> None:
    labels = batch(islands(20, 30, 5))
    score = torch.randn(1, 20, 30, requires_grad=True)
    STEPS[step](score, labels).sum().backward()
    assert score.grad is not None
    assert float(score.grad.abs().sum()) > 0
