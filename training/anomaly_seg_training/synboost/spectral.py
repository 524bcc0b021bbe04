# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spectral normalisation (Miyato et al. 2018) for training only."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from anomaly_seg_ros.models.resynthesis import Spade


def add_spectral_norm(network: nn.Module) -> None:
    """Divide the weight of every convolution outside of SPADE layers by its spectral norm."""
    for child in network.children():
        if isinstance(child, nn.Conv2d):
            spectral_norm(child)
        elif not isinstance(child, Spade):
            add_spectral_norm(child)


def plain_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return a network's tensors with divided weights, as the same network without norms has them.

    The norms are not removed from a copy: copies share their class, which would lose the weight.

    Args:
        network: In evaluation mode, in which reading a weight does not move its norm.
    """
    state = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if '.parametrizations.' not in name
    }
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module, 'weight'):
            state[f'{name}.weight'] = module.weight.detach()
    return state
