# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stochastic forwards of ERFNet that run its deterministic part once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_seg_ros.models.erfnet import ERFNet, NonBottleneck1d
from anomaly_seg_ros.oodmc.linear import LinearHead, LinearSampler
from anomaly_seg_ros.oodmc.masks import draw
from anomaly_seg_ros.oodmc.sampler import Sampler, check_layers

LAST = 'decoder.layers.5.dropout'
"""The dropout of the last residual block: behind it the network is linear."""


@dataclass(frozen=True)
class Tail:
    """One image before its first active dropout: the two inputs of that residual sum."""

    branch: Tensor
    shortcut: Tensor


class ErfnetTailSampler(Sampler[Tail]):
    """Repeats ERFNet from its first active dropout layer on.

    Args:
        segmenter: In evaluation mode.
        rates: Dropout rate by the name of the layer.
        pool: 2: average each 2x2 square of logits, which is linear and done in the last layer's
            weights; 1: all logits.

    Raises:
        OodmcError: A layer is no dropout layer, or a rate is out of range.
    """

    def __init__(self, segmenter: ERFNet, rates: Mapping[str, float], pool: int = 1) -> None:
        check_layers(segmenter, rates)
        self.rates = dict(rates)
        self.num_classes = segmenter.num_classes
        self.stride = pool
        self.initial = segmenter.encoder.initial_block
        self.layers: list[tuple[str, nn.Module]] = [
            (f'{part}.layers.{index}.dropout', layer)
            for part in ('encoder', 'decoder')
            for index, layer in enumerate(segmenter.get_submodule(part).layers)  # type: ignore[arg-type]
        ]
        self.first = next(i for i, (name, _) in enumerate(self.layers) if name in self.rates)
        self.weight, self.bias = output_weights(segmenter, pool)

    def prepare(self, image: Tensor) -> Tail:
        """Run everything before the first active dropout."""
        x = self.initial(image)
        for _, layer in self.layers[: self.first]:
            x = layer(x)
        block = self.layers[self.first][1]
        assert isinstance(block, NonBottleneck1d)
        return Tail(block.branch(x), x)

    def draw(self, prepared: Tail, seed: int, first: int, count: int) -> Tensor:
        """Run the rest of the network on `count` masks; see `Sampler.draw`."""

        def mask(name: str, channels: int) -> Tensor:
            masks = draw(seed, name, first, count, (channels, 1, 1), self.rates[name])
            return masks.to(prepared.branch)

        name = self.layers[self.first][0]
        masked = prepared.branch * mask(name, prepared.branch.shape[1])
        x = functional.relu_(masked.add_(prepared.shortcut))
        for name, layer in self.layers[self.first + 1 :]:
            if name in self.rates and isinstance(layer, NonBottleneck1d):
                y = layer.branch(x)
                x = functional.relu_(torch.addcmul(x, y, mask(name, y.shape[1])))
            else:
                x = layer(x)
        side = self.weight.shape[-1]
        return functional.conv_transpose2d(x, self.weight, self.bias, stride=side)


class ErfnetHeadSampler(LinearSampler):
    """Dropout in ERFNet's last residual block alone.

    The block gives relu(m y + x) with x >= 0, a channel's mask m being 0 or 1 / (1 - rate): either
    x or relu(y / (1 - rate) + x). So the masked features are the difference of the two, in which
    the last layer is linear.

    Args:
        segmenter: In evaluation mode.
        rate: Of the dropout; the published network was trained with 0 there.
        pool: 2: average each 2x2 square of logits; 1: all logits.
    """

    def __init__(self, segmenter: ERFNet, rate: float, pool: int = 2) -> None:
        super().__init__(LAST, rate)
        self._tail = ErfnetTailSampler(segmenter, {LAST: rate}, pool)
        self.num_classes = segmenter.num_classes
        self.stride = pool
        # (K, C, side, side) -> (C, R, K)
        self.weight = self._tail.weight.flatten(2).permute(1, 2, 0).contiguous()

    def prepare(self, image: Tensor) -> LinearHead:
        """Run everything before the dropout."""
        tail = self._tail.prepare(image)
        kept = functional.relu(tail.branch / (1 - self.rate) + tail.shortcut)
        # A mask is 1 / (1 - rate) where the channel is kept.
        features = (kept - tail.shortcut)[0].flatten(1) * (1 - self.rate)
        base = self.weight @ tail.shortcut[0].flatten(1) + self._tail.bias.view(-1, 1, 1)
        size = tail.branch.shape[2:]
        return LinearHead(base, features, self.weight, (size[0], size[1]))


def output_weights(segmenter: ERFNet, pool: int) -> tuple[Tensor, Tensor]:
    """Return weight (16, C, side, side) and bias (C,) of the last layer for the known classes.

    A transposed 2x2 convolution of stride 2 writes disjoint squares, so the average over each
    square is the 1x1 convolution with the averaged weights.
    """
    last = segmenter.decoder.output_conv
    known = segmenter.num_classes
    weight = last.weight[:, :known].detach()
    assert last.bias is not None
    bias = last.bias[:known].detach()
    if pool == 2:
        weight = weight.mean((2, 3), keepdim=True)
    return weight, bias
