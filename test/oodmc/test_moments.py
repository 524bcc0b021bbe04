# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streaming moments against a two-pass reference in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch')

from anomaly_seg_ros.oodmc.errors import OodmcError  # noqa: E402
from anomaly_seg_ros.oodmc.moments import Moments  # noqa: E402


def two_passes(samples: np.ndarray, order: int) -> np.ndarray:
    """Mean, then central moments, by loops over samples in float64; (order, ...)."""
    samples = samples.astype(np.float64)
    mean = np.zeros(samples.shape[1:])
    for sample in samples:
        mean += sample / len(samples)
    rows = [mean]
    for k in range(2, order + 1):
        total = np.zeros(samples.shape[1:])
        for sample in samples:
            total += (sample - mean) ** k
        rows.append(total / len(samples))
    return np.stack(rows)


def stream(samples: np.ndarray, order: int, sizes: list[int]) -> Moments:
    moments, first = Moments(order), 0
    tensor = torch.from_numpy(samples)
    for size in sizes:
        if first < len(samples):
            moments.update(tensor[first : first + size])
            first += size
    if first < len(samples):
        moments.update(tensor[first:])
    return moments


SIZES = st.lists(st.integers(1, 9), max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 40),
    order=st.integers(1, 4),
    sizes=SIZES,
    centre=st.floats(-1e3, 1e3),
    spread=st.floats(1e-2, 1e2),
)
def test_any_split_gives_the_moments_of_two_passes(
    seed: int, count: int, order: int, sizes: list[int], centre: float, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    samples = centre + spread * rng.gamma(1.0, size=(count, 3, 2)) * rng.choice((-1, 1), (3, 2))
    expected = two_passes(samples, order)
    received = stream(samples, order, sizes)
    assert received.count == count
    for k, (value, reference) in enumerate(zip(received.stack().numpy(), expected, strict=True)):
        scale = spread ** (k + 1) * 100 + (abs(centre) if k == 0 else 0)
        np.testing.assert_allclose(value, reference, rtol=1e-9, atol=1e-11 * scale)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), sizes=SIZES, order=st.integers(1, 4))
def test_float32_stays_close_far_from_zero(seed: int, sizes: list[int], order: int) -> None:
    rng = np.random.default_rng(seed)
    # Fractions of two, so that float32 holds the samples exactly.
    samples = 100 + rng.integers(-64, 65, (24, 5)) / 32
    expected = two_passes(samples, order)
    received = stream(samples.astype(np.float32), order, sizes).stack().numpy()
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, expected, rtol=2e-4, atol=2e-4)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12)),
)
def test_merging_in_any_order_is_the_same(seed: int, counts: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(3, 2, (count, 4)) for count in counts]
    several = [stream(part, 4, []) if len(part) else Moments(4) for part in parts]
    left = Moments(4)
    for moments in several:
        left.merge(moments)
    right = Moments(4)
    for moments in reversed(several):
        right.merge(moments)
    expected = two_passes(np.concatenate(parts), 4)
    assert left.count == right.count == sum(counts)
    np.testing.assert_allclose(left.stack(), expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(right.stack(), expected, rtol=1e-9, atol=1e-10)


def test_a_case_by_hand() -> None:
    moments = Moments(4)
    moments.update(torch.tensor([1.0, 2.0]))
    moments.update(torch.tensor([6.0]))
    # Mean 3; deviations -2, -1, 3.
    expected = [3, (4 + 1 + 9) / 3, (-8 - 1 + 27) / 3, (16 + 1 + 81) / 3]
    np.testing.assert_allclose(moments.stack(), expected, rtol=1e-6)


def test_merging_leaves_the_other_as_it_was() -> None:
    one, other = Moments(2), Moments(2)
    other.update(torch.tensor([[1.0], [3.0]]))
    one.merge(other)
    one.update(torch.tensor([[8.0]]))
    assert other.count == 2
    assert other.mean.item() == 2
    assert other.central(2).item() == 1


def test_half_precision_is_summed_in_single() -> None:
    moments = Moments(4)
    moments.update(torch.tensor([[300.0], [100.0]], dtype=torch.float16))
    assert moments.central(4).item() == 1e8


def test_the_memory_does_not_grow_with_the_samples() -> None:
    moments = Moments(4)
    for _ in range(50):
        moments.update(torch.rand(3, 7))
    assert [values.shape for values in (moments.mean, *moments._sums)] == [(7,)] * 4


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    moments = Moments(3)
    moments.update(torch.zeros(2, 3))
    with pytest.raises(OodmcError, match='NaN or infinite'):
        moments.update(torch.tensor([[0.0, bad, 0.0], [0.0, 1.0, 0.0]]))
    assert moments.count == 2


@pytest.mark.parametrize('order', [0, 5])
def test_orders_out_of_range_are_refused(order: int) -> None:
    with pytest.raises(OodmcError, match=f'order {order}, expected an order from 1 to 4'):
        Moments(order)


def test_misuse_is_refused() -> None:
    moments = Moments(2)
    with pytest.raises(OodmcError, match='no sample'):
        moments.mean  # noqa: B018
    with pytest.raises(OodmcError, match='no sample'):
        moments.central(2)
    with pytest.raises(OodmcError, match='S >= 1'):
        moments.update(torch.zeros(0, 3))
    moments.update(torch.zeros(1, 3))
    with pytest.raises(OodmcError, match=r'shape \(4,\), expected \(3,\)'):
        moments.update(torch.zeros(1, 4))
    with pytest.raises(OodmcError, match='order 3, expected 2 to 2'):
        moments.central(3)
    with pytest.raises(OodmcError, match='up to order 2 cannot take'):
        moments.merge(Moments(3))
