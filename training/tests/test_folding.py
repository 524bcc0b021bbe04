# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folding of batch norms: the same function, fewer layers, the network untouched."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from anomaly_seg_ros.models import create_segmenter
from anomaly_seg_training.mgu.folding import fold_batch_norms


def seasoned(network: nn.Module) -> nn.Module:
    """Give batch norms statistics and weights of their own."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
    return network.double().eval().requires_grad_(False)


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


class Shared(nn.Module):
    """One convolution before two norms, one whose result is read twice, one that is grouped."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.one, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.twice, self.third = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.grouped, self.fourth = nn.ConvTranspose2d(4, 4, 2, 2, groups=2), nn.BatchNorm2d(4)
        self.up, self.fifth = nn.ConvTranspose2d(4, 6, 2, 2), nn.BatchNorm2d(6, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(self.conv(x)) + self.other(self.conv(x)).relu()
        x = self.twice(x)
        x = x + self.third(x)
        return self.fifth(self.up(self.fourth(input=self.grouped(x))))


class Deciding(nn.Module):
    """What it computes depends on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return x if bool(x.sum() > 0) else -x


@pytest.mark.parametrize(
    ('network', 'left'),
    [
        (create_segmenter('erfnet', num_classes=4), 3),
        (create_segmenter('evidence_stream', num_classes=4, base='erfnet'), 4),
        (create_segmenter('evidence_stream', num_classes=4, base='erfnet', octaves=2), 4),
        (Shared(), 2),
    ],
    ids=['erfnet', 'stream', 'octaves', 'shared'],
)
def test_the_function_stays_and_norms_go(network: nn.Module, left: int) -> None:
    network = seasoned(network)
    before, count = copy.deepcopy(network.state_dict()), norms(network)
    folded = fold_batch_norms(network)
    x = torch.rand(2, 3, 32, 48, dtype=torch.float64, requires_grad=True)
    found, expected = folded(x), network(x)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    gradients = [torch.autograd.grad(y[:, 1].sum(), x)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-9)
    assert norms(folded) == left < count
    assert norms(network) == count
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_network_that_decides_by_its_input_stays_as_it_is() -> None:
    network = seasoned(Deciding())
    assert fold_batch_norms(network) is network
