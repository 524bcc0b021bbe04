# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Muon: orthogonal updates, AdamW for the rest, state that survives."""

from __future__ import annotations

import pytest
import torch

from anomaly_seg_training.muon import Muon, orthogonalise


@pytest.mark.parametrize('shape', [(8, 8), (16, 90), (90, 16), (1, 5)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalise(matrix)
    rotated = u.T @ result @ v.T
    values = rotated.diagonal()
    assert float(values.min()) > 0.3
    assert float(values.max()) < 1.3
    torch.testing.assert_close(rotated, torch.diag(values), atol=1e-4, rtol=0)


def test_the_rest_is_updated_as_by_adamw() -> None:
    start = torch.randn(7, generator=torch.Generator().manual_seed(1))
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    first = Muon([{'params': [ours], 'muon': False, 'lr': 0.01, 'weight_decay': 0.1}])
    second = torch.optim.AdamW([theirs], 0.01, (0.9, 0.99), weight_decay=0.1)
    for step in range(5):
        for parameter, optimizer in ((ours, first), (theirs, second)):
            optimizer.zero_grad()
            ((parameter - step) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_it_solves_least_squares() -> None:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(64, 6, generator=generator)
    target = inputs @ torch.randn(6, 4, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(4, 6))
    optimizer = Muon([{'params': [weight], 'muon': True, 'lr': 0.1, 'weight_decay': 0.0}])
    losses = []
    for step in range(150):
        optimizer.param_groups[0]['lr'] = 0.1 * (1 - step / 150)
        optimizer.zero_grad()
        loss = ((inputs @ weight.T - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


def test_convolutions_are_matrices_of_their_outputs() -> None:
    weight = torch.nn.Parameter(torch.zeros(4, 3, 3, 3))
    optimizer = Muon([{'params': [weight], 'muon': True, 'lr': 1.0, 'weight_decay': 0.0}])
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))
    optimizer.step()
    values = torch.linalg.svdvals(weight.detach().flatten(1))
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3


def test_state_continues() -> None:
    def run(steps: int, weight: torch.nn.Parameter, optimizer: Muon) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            ((weight - 1) ** 4).sum().backward()
            optimizer.step()

    def fresh(start: torch.Tensor) -> tuple[torch.nn.Parameter, Muon]:
        weight = torch.nn.Parameter(start.clone())
        group = {'params': [weight], 'muon': True, 'lr': 0.01, 'weight_decay': 0.0}
        return weight, Muon([group])

    start = torch.randn(3, 5, generator=torch.Generator().manual_seed(4))
    whole, optimizer = fresh(start)
    run(6, whole, optimizer)
    first, optimizer = fresh(start)
    run(3, first, optimizer)
    second, other = fresh(first.detach())
    other.load_state_dict(optimizer.state_dict())
    run(3, second, other)
    assert torch.equal(whole, second)
