# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stochastic forwards of ERFNet that run its deterministic part once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from anomaly_seg_ros.models.erfnet import ERFNet, NonBottleneck1d, Upsampler
from anomaly_seg_ros.oodmc.linear import LinearHead, LinearSampler
from anomaly_seg_ros.oodmc.masks import draw
from anomaly_seg_ros.oodmc.moments import Moments
from anomaly_seg_ros.oodmc.sampler import Sampler, check_layers

LAST = 'decoder.layers.5.dropout'
"""The dropout of the last residual block: behind it the network is linear."""
LAST_TRAINED = 'encoder.layers.14.dropout'
"""The last dropout that the network was trained with, at an eighth of the resolution."""


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


@dataclass(frozen=True)
class CoarseTail:
    """One image before the encoder's last dropout, at half the resolution of the features.

    Args:
        branch: (1, 128, h / 16, w / 16), what the dropout acts on.
        shortcut: The same shape, what the masked branch is added to.
        logits: (1, C, h / 2, w / 2), the deterministic forward of the whole network.
        coarse: (1, C, h / 4, w / 4), the deterministic forward of the coarse features.
    """

    branch: Tensor
    shortcut: Tensor
    logits: Tensor
    coarse: Tensor


class ErfnetCoarseSampler(Sampler[CoarseTail]):
    """Repeats ERFNet's decoder on features averaged over 2x2, which costs about a sixth.

    What dropout in the encoder's last block changes is smooth: it drops channels of features that
    each see several hundred pixels. So spread and higher moments are taken from coarse forwards,
    and the coarse samples' mean only corrects the mean of one forward at full resolution (a
    control variate): mean = logits + coarse mean - coarse logits.

    Args:
        segmenter: In evaluation mode.
        rate: Of the dropout.
    """

    def __init__(self, segmenter: ERFNet, rate: float) -> None:
        self._tail = ErfnetTailSampler(segmenter, {LAST_TRAINED: rate}, pool=2)
        self.rate = rate
        self.num_classes = segmenter.num_classes
        self.stride = 4
        self._layers = [_folded(layer) for _, layer in self._tail.layers[self._tail.first + 1 :]]
        self._weight = self._tail.weight.contiguous(memory_format=torch.channels_last)

    def prepare(self, image: Tensor) -> CoarseTail:
        """Run the whole network once, and the decoder on coarse features."""
        tail = self._tail.prepare(image)
        logits = self._decode(functional.relu(tail.branch + tail.shortcut))
        branch = functional.avg_pool2d(tail.branch, 2, ceil_mode=True)
        shortcut = functional.avg_pool2d(tail.shortcut, 2, ceil_mode=True)
        return CoarseTail(
            branch, shortcut, logits, self._decode(functional.relu(branch + shortcut))
        )

    def draw(self, prepared: CoarseTail, seed: int, first: int, count: int) -> Tensor:
        """Return coarse logits, (count, C, h / 4, w / 4); see `Sampler.draw`."""
        shape = (prepared.branch.shape[1], 1, 1)
        masks = draw(seed, LAST_TRAINED, first, count, shape, self.rate).to(prepared.branch)
        return self._decode(functional.relu_((prepared.branch * masks).add_(prepared.shortcut)))

    def finish(self, prepared: CoarseTail, moments: Moments, *, softmax: bool = False) -> Tensor:
        """Return moments at half the image's resolution; see `Sampler.finish`."""
        fine, coarse = prepared.logits.float(), prepared.coarse[0].float()
        if softmax:
            fine, coarse = fine.softmax(1), coarse.softmax(0)
        stack = moments.stack()
        stack[0] -= coarse
        height, width = fine.shape[2:]
        # Where a side is odd, the last coarse square reaches beyond the image.
        stack = functional.interpolate(
            stack, scale_factor=2.0, mode='bilinear', align_corners=False
        )[..., :height, :width]
        stack[0] += fine[0]
        if softmax:
            stack[0].clamp_(min=0)
        return stack

    def _decode(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in self._layers:
            x = layer(x)
        return functional.conv_transpose2d(x, self._weight, self._tail.bias)


class _FoldedBlock(nn.Module):
    """A residual block without dropout, its batch norms folded into its convolutions."""

    def __init__(self, block: NonBottleneck1d) -> None:
        super().__init__()
        self.first = copy.deepcopy(block.conv3x1_1)
        self.second = fuse_conv_bn_eval(block.conv1x3_1, block.bn1)
        self.third = copy.deepcopy(block.conv3x1_2)
        self.fourth = fuse_conv_bn_eval(block.conv1x3_2, block.bn2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same shape."""
        y = functional.relu_(self.first(x))
        y = functional.relu_(self.second(y))
        y = functional.relu_(self.third(y))
        return functional.relu_(self.fourth(y).add_(x))


class _FoldedUpsampler(nn.Module):
    """An upsampling layer with its batch norm folded into its convolution."""

    def __init__(self, layer: Upsampler) -> None:
        super().__init__()
        self.conv = fuse_conv_bn_eval(layer.conv, layer.bn, transpose=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, h, w) to (N, outputs, 2 h, 2 w)."""
        return functional.relu_(self.conv(x))


def _folded(layer: nn.Module) -> nn.Module:
    """Return a layer of the decoder as fast as PyTorch runs it, with weights of its own."""
    if isinstance(layer, NonBottleneck1d):
        folded: nn.Module = _FoldedBlock(layer)
    else:
        assert isinstance(layer, Upsampler)
        folded = _FoldedUpsampler(layer)
    return folded.eval().requires_grad_(False).to(memory_format=torch.channels_last)


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
