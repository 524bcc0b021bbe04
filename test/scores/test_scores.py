# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scores against definitions, laws and cases computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch')

from anomaly_seg_ros.scores import (  # noqa: E402
    SCORES,
    DenseLogits,
    PlaneLogits,
    energy,
    entropy,
    max_logit,
    max_min,
    max_softmax,
)

NAMES = ['max_softmax', 'entropy', 'max_logit', 'energy', 'max_min']


def pixel(*logits: float) -> torch.Tensor:
    return torch.tensor(logits, dtype=torch.float32).view(1, -1, 1, 1)


def probabilities(z: Sequence[float]) -> list[float]:
    top = max(z)
    weights = [math.exp(value - top) for value in z]
    return [weight / math.fsum(weights) for weight in weights]


def reference(name: str, z: Sequence[float]) -> float:
    """One pixel in double precision, term by term as the definitions read."""
    p = probabilities(z)
    if name == 'max_softmax':
        return 1 - max(p)
    if name == 'entropy':
        return -math.fsum(q * math.log(q) for q in p if q > 0) / math.log(len(z))
    if name == 'max_logit':
        return -max(z)
    if name == 'energy':
        top = max(z)
        return -(top + math.log(math.fsum(math.exp(value - top) for value in z)))
    assert name == 'max_min'
    return -(max(z) - min(z))


def test_registry_holds_exactly_these() -> None:
    assert SCORES.names() == NAMES
    with pytest.raises(KeyError, match='max_softmax, entropy, max_logit, energy, max_min'):
        SCORES.get('maxlogit')


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('scale', [0.1, 3.0, 40.0])
def test_equals_slow_reference(name: str, scale: float) -> None:
    random = np.random.default_rng(7)
    z = (random.standard_normal((2, 19, 5, 4)) * scale).astype(np.float32)
    ours = SCORES.get(name)(torch.from_numpy(z)).numpy()
    assert ours.shape == (2, 5, 4)
    assert ours.dtype == np.float32
    for n, y, x in np.ndindex(2, 5, 4):
        expected = reference(name, [float(v) for v in z[n, :, y, x]])
        assert ours[n, y, x] == pytest.approx(expected, rel=2e-5, abs=3e-6)


def test_by_hand() -> None:
    z = pixel(math.log(6), math.log(3), math.log(1))
    assert float(max_softmax(z)) == pytest.approx(0.4, abs=1e-6)
    bits = 0.6 * math.log(0.6) + 0.3 * math.log(0.3) + 0.1 * math.log(0.1)
    assert float(entropy(z)) == pytest.approx(-bits / math.log(3), abs=1e-6)
    assert float(max_logit(z)) == pytest.approx(-math.log(6), abs=1e-6)
    assert float(energy(z)) == pytest.approx(-math.log(10), abs=1e-6)
    assert float(max_min(z)) == pytest.approx(-math.log(6), abs=1e-6)


@pytest.mark.parametrize('name', NAMES)
def test_higher_is_more_anomalous(name: str) -> None:
    known = pixel(12.0, -3.0, -4.0, -5.0)
    unsure = pixel(1.0, 0.9, 0.8, 0.7)
    score = SCORES.get(name)
    assert float(score(unsure)) > float(score(known))


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize(
    'z',
    [
        pixel(1e4, -1e4, 0.0),
        pixel(-1e4, -1e4, -1e4),
        pixel(1e4, 1e4, 1e4),
        pixel(0.0, 0.0, 0.0),
        pixel(88.8, -88.8, 103.0),
        pixel(5.0),
    ],
)
def test_saturated_logits_stay_finite(name: str, z: torch.Tensor) -> None:
    for logits in (DenseLogits(z), PlaneLogits(z.unbind(1))):
        assert math.isfinite(float(SCORES.get(name)(logits)))


def test_ranges_at_their_ends() -> None:
    uniform, certain = torch.zeros(1, 19, 1, 1), pixel(1e4, *[-1e4] * 18)
    assert float(entropy(uniform)) == pytest.approx(1.0, abs=1e-6)
    assert float(max_softmax(uniform)) == pytest.approx(18 / 19, abs=1e-6)
    assert float(max_min(uniform)) == 0.0
    assert float(entropy(certain)) == 0.0
    assert float(max_softmax(certain)) == 0.0


def test_half_precision_is_reduced_in_single() -> None:
    z = torch.randn(1, 19, 3, 3).half()
    for name in NAMES:
        ours = SCORES.get(name)(z)
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, SCORES.get(name)(z.float()), rtol=0, atol=0)


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r'\(N, C, H, W\), received \(19, 4, 4\)'):
        max_logit(torch.zeros(19, 4, 4))


LOGITS = st.lists(st.floats(-60, 60, width=32), min_size=2, max_size=24)


@pytest.mark.parametrize('name', NAMES)
@settings(max_examples=60, deadline=None)
@given(z=LOGITS)
def test_matches_definition_for_any_logits(name: str, z: list[float]) -> None:
    assert float(SCORES.get(name)(pixel(*z))) == pytest.approx(
        reference(name, z), rel=2e-5, abs=2e-5
    )


@pytest.mark.parametrize('name', NAMES)
@settings(max_examples=40, deadline=None)
@given(z=LOGITS, data=st.data())
def test_order_of_classes_does_not_matter(name: str, z: list[float], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(z))
    score: Callable[[torch.Tensor], torch.Tensor] = SCORES.get(name)
    assert float(score(pixel(*z))) == pytest.approx(float(score(pixel(*shuffled))), abs=2e-5)


@pytest.mark.parametrize(
    ('name', 'moves'),
    [('max_softmax', 0), ('entropy', 0), ('max_logit', -1), ('energy', -1), ('max_min', 0)],
)
@settings(max_examples=40, deadline=None)
@given(z=LOGITS, shift=st.floats(-40, 40, width=32))
def test_adding_a_constant(name: str, moves: int, z: list[float], shift: float) -> None:
    score = SCORES.get(name)
    before, after = float(score(pixel(*z))), float(score(pixel(*z) + shift))
    assert after - before == pytest.approx(moves * shift, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(z=LOGITS, more=st.floats(0.5, 20))
def test_a_more_certain_winner_lowers_every_score(z: list[float], more: float) -> None:
    best = z.index(max(z))
    raised = [value + more if i == best else value for i, value in enumerate(z)]
    for name in NAMES:
        if name == 'entropy' and reference('max_softmax', z) > 0.3:
            continue  # Entropy need not fall while several classes share the rest.
        score = SCORES.get(name)
        assert float(score(pixel(*raised))) <= float(score(pixel(*z))) + 1e-5


@settings(max_examples=60, deadline=None)
@given(z=LOGITS)
def test_ranges(z: list[float]) -> None:
    tensor = pixel(*z)
    assert 0 <= float(max_softmax(tensor)) <= 1 - 1 / len(z) + 1e-6
    assert 0 <= float(entropy(tensor)) <= 1
    assert float(max_min(tensor)) <= 0
    assert float(energy(tensor)) <= float(max_logit(tensor)) + 1e-4


@settings(max_examples=60, deadline=None)
@given(z=LOGITS)
def test_planes_reduce_as_dense_logits_do(z: list[float]) -> None:
    dense, planes = DenseLogits(pixel(*z)), PlaneLogits(pixel(*z).unbind(1))
    assert planes.num_classes == dense.num_classes == len(z)
    assert int(planes.labels) == int(dense.labels) == int(np.argmax(np.float32(z)))
    for fact in ('maximum', 'minimum', 'exp_sum', 'weighted_sum'):
        torch.testing.assert_close(getattr(planes, fact), getattr(dense, fact))
    assert planes.labels.dtype == dense.labels.dtype == torch.uint8


def test_facts_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = torch.Tensor.exp
    monkeypatch.setattr(torch.Tensor, 'exp', lambda self: (calls.append(1), real(self))[1])
    logits = DenseLogits(torch.randn(1, 19, 4, 4))
    for name in NAMES:
        SCORES.get(name)(logits)
    assert len(calls) == 1
    DenseLogits(torch.randn(1, 19, 4, 4)).labels  # noqa: B018
    max_logit(torch.randn(1, 19, 4, 4))
    max_min(torch.randn(1, 19, 4, 4))
    assert len(calls) == 1
