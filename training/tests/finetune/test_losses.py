# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of the fine-tuning: against loops from their formulas, identities, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from anomaly_seg_training.finetune.losses import OOD_LOSSES, create_loss, hold_loss
from anomaly_seg_training.recipe_file import RecipeError

CLASSES, ROWS, COLUMNS = 5, 4, 6
OPTIONS: dict[str, dict[str, Any]] = {
    'topk_ovr': {'k': 3, 'slope': 1.5},
    'ovr': {'slope': 0.7},
    'uniform': {},
    'kl': {},
    'entropy_ratio': {'share': 0.02},
    # Margins on both sides of these logits' energies, so that hinges are partly active.
    'energy': {'m_in': -3.0, 'm_out': -2.5},
    'energy_logistic': {'centre': -2.0, 'hard_share': 0.3, 'hard_weight': 0.4},
    'maxent': {'alpha': 0.8},
    'pebal': {'m_in': -3.0, 'm_out': -2.5, 'sparsity': 0.03, 'smoothness': 0.02},
}  # fmt: skip


def _pixels(extra: int = 0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (2, CLASSES + extra, ROWS, COLUMNS))
    labels = rng.integers(0, CLASSES, (2, ROWS, COLUMNS))
    labels[rng.random(labels.shape) < 0.3] = 255
    ood = rng.random(labels.shape) < 0.3
    # A label under an unknown object counts for nothing: half of them keep theirs here.
    labels[0][ood[0]] = 255
    return torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(ood)


def _each(labels: Tensor, ood: Tensor, kind: str) -> list[tuple[int, int, int]]:
    found = []
    for n in range(len(labels)):
        for y in range(ROWS):
            for x in range(COLUMNS):
                unknown = bool(ood[n, y, x])
                labelled = int(labels[n, y, x]) != 255
                if unknown if kind == 'unknown' else labelled and not unknown:
                    found.append((n, y, x))
    return found


def _lse(values: list[float]) -> float:
    return math.log(sum(math.exp(v) for v in values))


def _cross_entropies(z: Tensor, labels: Tensor, ood: Tensor) -> list[float]:
    return [
        _lse(z[n, :, y, x].tolist()) - float(z[n, labels[n, y, x], y, x])
        for n, y, x in _each(labels, ood, 'known')
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _ovr(z: Tensor, labels: Tensor, ood: Tensor, k: int, s: float) -> float:
    losses = []
    for n, y, x in _each(labels, ood, 'unknown'):
        largest = sorted(z[n, :, y, x].tolist())[-k:]
        losses += [-math.log(1 / (1 + math.exp(s * v))) for v in largest]
    return _mean(losses)


def _uniform(z: Tensor, labels: Tensor, ood: Tensor) -> list[float]:
    result = []
    for n, y, x in _each(labels, ood, 'unknown'):
        values = z[n, :, y, x].tolist()
        result.append(_lse(values) - _mean(values))
    return result


def _kl(z: Tensor, labels: Tensor, ood: Tensor) -> float:
    losses = []
    for n, y, x in _each(labels, ood, 'unknown'):
        values = z[n, :, y, x].tolist()
        shares = [math.exp(v - _lse(values)) for v in values]
        losses.append(-sum(1 / CLASSES * math.log(s / (1 / CLASSES)) for s in shares))
    return _mean(losses)


def _entropy_ratio(z: Tensor, labels: Tensor, ood: Tensor, share: float) -> float:
    losses = []
    r = share * math.log(CLASSES)
    for n, y, x in _each(labels, ood, 'unknown'):
        values = z[n, :, y, x].tolist()
        shares = [math.exp(v - _lse(values)) for v in values]
        entropy = -sum(s * math.log(s) for s in shares)
        losses.append((math.log(CLASSES) + r) / (entropy + r) - 1)
    return _mean(losses)


def _hinges(z: Tensor, labels: Tensor, ood: Tensor, m_in: float, m_out: float) -> float:
    inside = [
        max(0.0, -_lse(z[n, :, y, x].tolist()) - m_in) ** 2
        for n, y, x in _each(labels, ood, 'known')
    ]
    outside = [
        max(0.0, m_out + _lse(z[n, :, y, x].tolist())) ** 2
        for n, y, x in _each(labels, ood, 'unknown')
    ]
    return 0.5 * (_mean(inside) + _mean(outside))


def _logistic(z: Tensor, labels: Tensor, ood: Tensor) -> float:
    """All known pixels, the highest 30 % of them once more with 0.4, and the unknown ones."""
    known = sorted(
        (
            math.log(1 + math.exp(-_lse(z[n, :, y, x].tolist()) + 2.0))
            for n, y, x in _each(labels, ood, 'known')
        ),
        reverse=True,
    )
    unknown = [
        math.log(1 + math.exp(_lse(z[n, :, y, x].tolist()) - 2.0))
        for n, y, x in _each(labels, ood, 'unknown')
    ]
    hard = known[: math.ceil(0.3 * len(known))]
    return _mean(known) + 0.4 * _mean(hard) + (_mean(unknown) if unknown else 0.0)


def _bets(z: Tensor) -> np.ndarray:
    """p_c + a / R by loops; borders of the blur are repeated."""
    weights = [[math.exp(-(i * i + j * j) / 2) for j in range(-3, 4)] for i in range(-3, 4)]
    total = sum(sum(row) for row in weights)
    squares = np.zeros((len(z), ROWS, COLUMNS))
    for n, y, x in np.ndindex(squares.shape):
        squares[n, y, x] = _lse(z[n, :-1, y, x].tolist()) ** 2
    bets = np.zeros((len(z), CLASSES, ROWS, COLUMNS))
    for n, y, x in np.ndindex(squares.shape):
        reward = 0.0
        for i in range(-3, 4):
            for j in range(-3, 4):
                row, column = min(max(y + i, 0), ROWS - 1), min(max(x + j, 0), COLUMNS - 1)
                reward += weights[i + 3][j + 3] / total * squares[n, row, column]
        lse = _lse(z[n, :, y, x].tolist())
        shares = [math.exp(v - lse) for v in z[n, :, y, x].tolist()]
        bets[n, :, y, x] = [p + shares[-1] / reward for p in shares[:-1]]
    return bets


def _pebal_known(z: Tensor, labels: Tensor, ood: Tensor) -> float:
    bets = _bets(z)
    return _mean(
        [-math.log(bets[n, labels[n, y, x], y, x]) for n, y, x in _each(labels, ood, 'known')]
    )


def _pebal_unknown(z: Tensor, labels: Tensor, ood: Tensor) -> float:
    options, bets = OPTIONS['pebal'], _bets(z)
    energy = np.zeros((len(z), ROWS, COLUMNS))
    for n, y, x in np.ndindex(energy.shape):
        energy[n, y, x] = -_lse(z[n, :-1, y, x].tolist())
    squares = 0.0
    for n, y, x in np.ndindex(energy.shape):
        squares += (energy[n, y, x] - energy[n, y - 1, x]) ** 2 if y else 0.0
        squares += (energy[n, y, x] - energy[n, y, x - 1]) ** 2 if x else 0.0
    where = _each(labels, ood, 'unknown')
    norm = math.sqrt(sum(energy[p] ** 2 for p in where))
    gambler = _mean([-math.log(bets[n, c, y, x]) for n, y, x in where for c in range(CLASSES)])
    hinges = _hinges(z[:, :-1], labels, ood, options['m_in'], options['m_out'])
    terms = hinges + options['sparsity'] * norm + options['smoothness'] * squares / 2
    return 0.1 * gambler + 0.1 * terms


Reference = Callable[[Tensor, Tensor, Tensor], float]
REFERENCES: dict[str, tuple[Reference, Reference]] = {
    'topk_ovr': (
        lambda z, y, o: _mean(_cross_entropies(z, y, o)), lambda z, y, o: _ovr(z, y, o, 3, 1.5)
    ),
    'ovr': (
        lambda z, y, o: _mean(_cross_entropies(z, y, o)),
        lambda z, y, o: _ovr(z, y, o, CLASSES, 0.7),
    ),
    'uniform': (
        lambda z, y, o: _mean(_cross_entropies(z, y, o)),
        lambda z, y, o: _mean(_uniform(z, y, o)),
    ),
    'kl': (lambda z, y, o: _mean(_cross_entropies(z, y, o)), _kl),
    'entropy_ratio': (
        lambda z, y, o: _mean(_cross_entropies(z, y, o)),
        lambda z, y, o: _entropy_ratio(z, y, o, 0.02),
    ),
    'energy': (
        lambda z, y, o: _mean(_cross_entropies(z, y, o)),
        lambda z, y, o: _hinges(z, y, o, -3.0, -2.5),
    ),
    'energy_logistic': (lambda z, y, o: _mean(_cross_entropies(z, y, o)), _logistic),
    'maxent': (
        lambda z, y, o: 0.2 * sum(_cross_entropies(z, y, o)) / (
            len(_each(y, o, 'known')) + len(_each(y, o, 'unknown'))),
        lambda z, y, o: 0.8 * sum(_uniform(z, y, o)) / (
            len(_each(y, o, 'known')) + len(_each(y, o, 'unknown'))),
    ),
    'pebal': (_pebal_known, _pebal_unknown),
}  # fmt: skip


@pytest.mark.parametrize('name', OOD_LOSSES.names())
@pytest.mark.parametrize('seed', [0, 1])
def test_losses_against_loops(name: str, seed: int) -> None:
    loss = create_loss(name, OPTIONS[name])
    pixels = _pixels(loss.extra_outputs, seed)
    known, unknown = REFERENCES[name]
    assert float(loss.known(*pixels)) == pytest.approx(known(*pixels), rel=1e-10)
    assert float(loss.unknown(*pixels)) == pytest.approx(unknown(*pixels), rel=1e-10)


def test_all_classes_are_the_same_as_the_k_largest_of_all() -> None:
    pixels = _pixels()
    topk = create_loss('topk_ovr', {'k': CLASSES, 'slope': 2.0})
    assert torch.equal(topk.unknown(*pixels), create_loss('ovr', {}).unknown(*pixels))


@pytest.mark.parametrize('classes', [2, 12, 13, 19])
@pytest.mark.parametrize('kind', [torch.float32, torch.float64])
@pytest.mark.parametrize('height', [0.0, -7.3, 1e4])
def test_equal_probabilities_cost_exactly_nothing(
    classes: int, kind: torch.dtype, height: float
) -> None:
    logits = torch.full((1, classes, 3, 4), height, dtype=kind)
    labels, ood = torch.full((1, 3, 4), 255), torch.ones(1, 3, 4, dtype=torch.bool)
    for name in ('kl', 'entropy_ratio'):
        assert float(create_loss(name, {}).unknown(logits, labels, ood)) == 0


@pytest.mark.parametrize('kind', [torch.float32, torch.float64])
def test_certainty_costs_a_hundred_of_the_entropy_ratio(kind: torch.dtype) -> None:
    """With N = 12 and r = 0.01 ln N, as in the paper; no other pixel costs more."""
    logits = torch.zeros(1, 12, 1, 1, dtype=kind)
    logits[0, 4] = 1000
    labels, ood = torch.full((1, 1, 1), 255), torch.ones(1, 1, 1, dtype=torch.bool)
    loss = create_loss('entropy_ratio', {})
    assert float(loss.unknown(logits, labels, ood)) == pytest.approx(100, rel=1e-4)
    values = [float(loss.unknown(logits / scale, labels, ood)) for scale in (200, 400, 1000)]
    assert 100 > values[0] > values[1] > values[2] > 0


def test_the_divergence_is_the_uniform_loss_less_its_least_value() -> None:
    pixels = _pixels()
    uniform, kl = (create_loss(name, {}).unknown(*pixels) for name in ('uniform', 'kl'))
    assert float(uniform - kl) == pytest.approx(math.log(CLASSES), rel=1e-12)


def test_the_entropy_ratio_of_one_class_is_a_clear_error() -> None:
    labels, ood = torch.full((1, 1, 1), 255), torch.ones(1, 1, 1, dtype=torch.bool)
    with pytest.raises(RecipeError, match='entropy_ratio for one class, expected at least 2'):
        create_loss('entropy_ratio', {}).unknown(torch.zeros(1, 1, 1, 1), labels, ood)
    with pytest.raises(RecipeError, match='share is 0, expected more than 0'):
        create_loss('entropy_ratio', {'share': 0})


def test_fewer_and_larger_logits_weigh_more() -> None:
    pixels = _pixels()
    values = [float(create_loss('topk_ovr', {'k': k}).unknown(*pixels)) for k in (1, 2, 3, 4, 5)]
    assert values == sorted(values, reverse=True)


def test_mixed_precision_does_not_round_the_reward() -> None:
    loss = create_loss('pebal', OPTIONS['pebal'])
    logits, labels, ood = _pixels(loss.extra_outputs)
    expected = loss.known(logits.float(), labels, ood)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        received = loss.known(logits.float(), labels, ood)
    assert float(received) == float(expected)


@pytest.mark.parametrize('name', OOD_LOSSES.names())
def test_without_unknown_pixels_only_known_ones_count(name: str) -> None:
    """Ignored pixels have no gradient, whatever they show."""
    loss = create_loss(name, {**OPTIONS[name], **({'smoothness': 0.0} if name == 'pebal' else {})})
    logits, labels, _ = _pixels(loss.extra_outputs)
    if name == 'pebal':
        # Its reward is blurred, so that neighbours count: none is ignored here.
        labels = labels.clamp(max=CLASSES - 1)
    logits.requires_grad_()
    nothing = torch.zeros_like(labels, dtype=torch.bool)
    unknown = loss.unknown(logits, labels, nothing)
    total = loss.known(logits, labels, nothing) + unknown
    if name in ('energy', 'pebal'):
        # What is left is a hinge on known pixels.
        inside = [
            max(0.0, -_lse(logits[n, :CLASSES, y, x].tolist()) + 3.0) ** 2
            for n, y, x in _each(labels, nothing, 'known')
        ]
        factor = 0.1 if name == 'pebal' else 1.0
        assert float(unknown.detach()) == pytest.approx(factor * _mean(inside), rel=1e-10)
    elif name == 'energy_logistic':
        left = _logistic(logits.detach(), labels, nothing)
        assert float(unknown.detach()) == pytest.approx(left, rel=1e-10)
    else:
        assert float(unknown.detach()) == 0
    total.backward()
    assert logits.grad is not None
    moved = logits.grad.abs().sum(1) > 0
    assert torch.equal(moved, labels != 255)


@pytest.mark.parametrize('name', OOD_LOSSES.names())
def test_nothing_at_all_gives_zero_and_zero_gradients(name: str) -> None:
    loss = create_loss(name, {**OPTIONS[name], **({'smoothness': 0.0} if name == 'pebal' else {})})
    logits, labels, _ = _pixels(loss.extra_outputs)
    logits.requires_grad_()
    empty = torch.full_like(labels, 255), torch.zeros_like(labels, dtype=torch.bool)
    total = loss.known(logits, *empty) + loss.unknown(logits, *empty)
    assert float(total.detach()) == 0
    total.backward()
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == 0


@pytest.mark.parametrize('name', OOD_LOSSES.names())
def test_gradients_are_those_of_the_values(name: str) -> None:
    loss = create_loss(name, OPTIONS[name])
    logits, labels, ood = _pixels(loss.extra_outputs)
    logits = logits[:1, :, :2, :3].clone().requires_grad_()
    labels, ood = labels[:1, :2, :3], ood[:1, :2, :3]
    labels[0, 0] = torch.tensor([0, 3, 255])
    ood[0] = torch.tensor([[False, False, False], [True, True, False]])

    def total(values: Tensor) -> Tensor:
        return loss.known(values, labels, ood) + loss.unknown(values, labels, ood)

    assert torch.autograd.gradcheck(total, (logits,))


@pytest.mark.parametrize('name', OOD_LOSSES.names())
def test_huge_logits_stay_finite(name: str) -> None:
    loss = create_loss(name, OPTIONS[name])
    logits, labels, ood = _pixels(loss.extra_outputs)
    logits = (logits * 1e4).float().requires_grad_()
    total = loss.known(logits, labels, ood) + loss.unknown(logits, labels, ood)
    total.backward()
    assert bool(torch.isfinite(total.detach()))
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


def test_holding_against_loops() -> None:
    now, _, held = _pixels(seed=3)
    then = _pixels(seed=4)[0]
    divergence, square = hold_loss(now, then, held, 2.0)
    divergences, squares = [], []
    for n, y, x in _each(torch.zeros_like(held), held, 'unknown'):
        a, b = (v[n, :, y, x].numpy() / 2.0 for v in (then, now))
        p, q = (np.exp(v - _lse(v.tolist())) for v in (a, b))
        divergences.append(4.0 * float((p * np.log(p / q)).sum()))
        squares.append(_mean(((2 * a - 2 * b) ** 2).tolist()))
    assert float(divergence) == pytest.approx(_mean(divergences), rel=1e-10)
    assert float(square) == pytest.approx(_mean(squares), rel=1e-10)


def test_holding_what_has_not_moved_costs_nothing() -> None:
    logits, _, held = _pixels()
    divergence, square = hold_loss(logits, logits, held, 1.0)
    assert float(divergence) == pytest.approx(0, abs=1e-12)
    assert float(square) == 0
    assert float(hold_loss(logits, logits + 1, ~held & held, 1.0)[1]) == 0


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('topk_ovr', {'k': 0}, 'k is 0, expected at least 1'),
        ('topk_ovr', {'slope': 0.0}, 'slope is 0.0, expected more than 0'),
        ('topk_ovr', {'gamma': 1}, "topk_ovr cannot take {'gamma': 1}"),
        ('energy_logistic', {'hard_share': 0.0}, 'hard_share is 0.0, expected 0 to 1'),
        ('energy', {'m_in': 0.0, 'm_out': -1.0}, 'm_in 0.0 is more than m_out -1.0'),
        ('maxent', {'alpha': 2}, 'alpha is 2, expected 0 to 1'),
    ],
)
def test_bad_options_are_one_clear_sentence(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as error:
        create_loss(name, options)
    assert message in str(error.value)
    assert '\n' not in str(error.value)


def test_more_logits_than_classes_is_a_clear_error() -> None:
    with pytest.raises(RecipeError, match='received k = 6 for a segmenter of 5 classes'):
        create_loss('topk_ovr', {'k': 6}).unknown(*_pixels())
    with pytest.raises(KeyError, match='unknown OoD loss'):
        create_loss('hinge', {})
