# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bounds: against exact probabilities, added up outcome by outcome."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_ros.calibration import bounds


def binomial(frames: int, k: int, rate: Fraction) -> Fraction:
    return math.comb(frames, k) * rate**k * (1 - rate) ** (frames - k)


def bet(losses: np.ndarray, rate: float, limit: float, failure: float = 0.05) -> bounds.Betting:
    betting = bounds.Betting(losses.shape[1], rate, limit, failure, len(losses))
    for row in losses:
        betting.update(row)
    return betting


def capital(betting: bounds.Betting) -> np.ndarray:
    return np.exp(bounds._log_mean_exp(betting._log_capital))


@given(
    st.lists(st.floats(0, 0.5), min_size=1, max_size=30),
    st.floats(0.001, 0.4),
    st.floats(0.001, 0.4),
)
@settings(max_examples=100, deadline=None)
def test_the_capital_is_a_mixture_of_products(
    losses: list[float], rate: float, failure: float
) -> None:
    betting = bet(np.array(losses)[:, np.newaxis], rate, 0.5, failure)
    gamblers = []
    for stake in betting._stakes.ravel().tolist():
        purse = 1.0
        for loss in losses:
            factor = 1 + stake * (rate / 0.5 - loss / 0.5)
            assert factor > 0
            purse *= factor
        gamblers.append(purse)
    expected = sum(gamblers) / len(gamblers)
    assert capital(betting)[0] == pytest.approx(expected, rel=1e-9)
    assert betting.proven()[0] == pytest.approx(expected >= 1 / failure)


@pytest.mark.parametrize('rate', [0.05, 0.3, 0.6])
def test_the_bet_is_fair_at_the_rate(rate: float) -> None:
    """Over all outcomes of 8 frames with losses 0 or 1 of mean `rate` the capital stays 1."""
    outcomes = np.array(list(itertools.product((0.0, 1.0), repeat=8)))
    chances = np.prod(np.where(outcomes > 0, rate, 1 - rate), axis=1)
    assert float(chances @ capital(bet(outcomes.T, rate, 1.0))) == pytest.approx(1.0)


@pytest.mark.parametrize('frames', [20, 100, 400])
@pytest.mark.parametrize('rate', [0.02, 0.1, 0.5])
@pytest.mark.parametrize('failure', [0.05, 0.2])
def test_a_wrong_proof_is_rare(frames: int, rate: float, failure: float) -> None:
    """The exact chance that losses 0 or 1, whose mean is the rate, prove a lower mean."""
    ones = np.arange(frames + 1)
    losses = (np.arange(frames)[:, np.newaxis] < ones).astype(float)
    proven = bet(losses, rate, 1.0, failure).proven()
    exact = Fraction(rate)
    chance = sum((binomial(frames, int(k), exact) for k in ones[proven]), Fraction(0))
    assert float(chance) <= failure
    if frames * rate > 8:
        assert float(chance) > failure / 50, 'valid, but of no use'


def test_losses_that_vary_less_prove_more() -> None:
    even = np.full((200, 1), 0.01)
    rare = np.zeros((200, 1))
    rare[::100] = 1.0
    assert bet(even, 0.03, 1.0).proven()[0]
    assert not bet(rare, 0.03, 1.0).proven()[0]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_order_does_not_matter_and_lower_losses_prove_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.random((50, 20)) * rng.random(20) * 0.2
    first, again = bet(losses, 0.05, 0.2), bet(losses[rng.permutation(50)], 0.05, 0.2)
    np.testing.assert_allclose(capital(first), capital(again))
    lower = bet(losses * rng.random(losses.shape), 0.05, 0.2)
    assert np.all(capital(lower) >= capital(first))


@pytest.mark.parametrize(
    ('rate', 'limit'), [(0.001, 1.0), (0.001, 0.01), (0.01, 1.0), (0.3, 0.5), (0.5, 1.0)]
)
def test_the_least_frames_prove_and_one_less_does_not(rate: float, limit: float) -> None:
    frames = bounds.betting_frames(rate, limit, 0.05)
    assert bet(np.zeros((frames, 1)), rate, limit).proven()[0]
    assert not bet(np.zeros((frames - 1, 1)), rate, limit).proven()[0]
    # Nothing can do with fewer than this: losses of `limit` in a share rate / limit of frames.
    assert frames >= math.log(0.05) / math.log1p(-rate / limit)


def test_conformal_risk_control_by_hand() -> None:
    bound = bounds.expected_loss(np.array([0.0, 0.5, 2.0]), 9, 1.0)
    np.testing.assert_allclose(bound, [0.1, 0.15, 0.3])


@given(st.integers(1, 80), st.sampled_from([0.003, 0.01, 0.05, 0.1, 0.3, 0.9]))
@settings(max_examples=60, deadline=None)
def test_binomial_alarms_against_exact_sums(frames: int, rate: float) -> None:
    failure, exact = Fraction(5, 100), Fraction(rate)
    cumulated, expected = Fraction(0), -1
    for k in range(frames + 1):
        cumulated += binomial(frames, k, exact)
        if cumulated > failure:
            break
        expected = k
    assert bounds.binomial_alarms(frames, rate, 0.05) == expected


@given(st.integers(1, 3000), st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.25, 0.9]))
@settings(max_examples=100, deadline=None)
def test_conformal_alarms_by_counting(frames: int, rate: float) -> None:
    # Of frames + 1 exchangeable frames each is the next one with the same chance; it alarms when
    # it is among the k + 1 largest.
    alarms = bounds.conformal_alarms(frames, rate)
    share = Fraction(str(rate))
    assert Fraction(alarms + 1, frames + 1) <= share
    assert Fraction(alarms + 2, frames + 1) > share


@pytest.mark.parametrize('rate', [0.5, 0.1, 0.05, 0.02, 0.01, 0.001])
def test_least_frames_of_alarms(rate: float) -> None:
    least = bounds.binomial_frames(rate, 0.05)
    assert bounds.binomial_alarms(least, rate, 0.05) == 0
    assert bounds.binomial_alarms(least - 1, rate, 0.05) == -1
    least = bounds.conformal_frames(rate)
    assert bounds.conformal_alarms(least, rate) == 0
    assert bounds.conformal_alarms(least - 1, rate) == -1


def test_known_numbers() -> None:
    # Wilks 1941: 59 for 5 %, 299 for 1 %, with 95 % confidence.
    assert bounds.binomial_frames(0.05, 0.05) == 59
    assert bounds.binomial_frames(0.01, 0.05) == 299
    assert bounds.conformal_frames(0.001) == 999
    # One failure allowed: 93 and 473.
    assert (bounds.binomial_alarms(93, 0.05, 0.05), bounds.binomial_alarms(92, 0.05, 0.05)) == (
        1,
        0,
    )
