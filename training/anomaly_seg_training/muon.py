# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Muon: momentum whose update is made orthogonal, for the matrices inside a network.

K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". Convolutions are
taken as matrices of (outputs, inputs x height x width). In few steps it gets further than AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration x -> a x + b x^3 + c x^5, steep at 0; they are the authors'."""


def orthogonalise(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Bring all singular values of an (m, n) matrix near 1 by Newton-Schulz iterations.

    Values end between about 0.7 and 1.2, which serves as well as exactly 1.
    """
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x: torch.Tensor = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    result: torch.Tensor = x.T if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Muon for groups with ``muon=True``, AdamW for the others.

    Args:
        groups: Parameter groups with the keys ``params``, ``muon``, ``lr`` and ``weight_decay``;
            parameters of Muon have two or more dimensions.
        momentum: Of Muon, in Nesterov's form.
        betas: Of AdamW.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        super().__init__(groups, {'momentum': momentum, 'betas': betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group['muon'] else self._adam
            for parameter in group['params']:
                if parameter.grad is not None:
                    change = update(parameter, group)
                    parameter.mul_(1 - group['lr'] * group['weight_decay'])
                    parameter.add_(change, alpha=-group['lr'])
        return loss

    def _muon(self, parameter: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state['momentum'] = torch.zeros_like(parameter)
        momentum: torch.Tensor = state['momentum']
        momentum.lerp_(gradient, 1 - group['momentum'])
        update = gradient.lerp(momentum, group['momentum']).flatten(1)
        # Wide and tall matrices then change their outputs by as much.
        scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
        return orthogonalise(update).mul_(scale).view(parameter.shape)

    def _adam(self, parameter: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state['first'] = torch.zeros_like(parameter)
            state['second'] = torch.zeros_like(parameter)
            state['step'] = 0
        state['step'] += 1
        first, second = group['betas']
        state['first'].lerp_(gradient, 1 - first)
        state['second'].lerp_(gradient.square(), 1 - second)
        mean = state['first'] / (1 - first ** state['step'])
        root = (state['second'] / (1 - second ** state['step'])).sqrt()
        update: torch.Tensor = mean / (root + 1e-8)
        return update
