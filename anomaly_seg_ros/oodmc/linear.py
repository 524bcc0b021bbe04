# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dropout in front of a linear last layer: samples are one small matrix product per tile.

With channel masks m, features d and weights w, the logits of sample s are
base_c + sum_k m_sk w_ck d_k. Nothing of the network before the features is repeated, and the
samples of a tile of pixels live and die in the processor's cache. Since the m_k are independent
and their distribution is known, so are the cumulants of the logits, without drawing a sample.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_seg_ros.oodmc.errors import OodmcError
from anomaly_seg_ros.oodmc.masks import check_rate, draw
from anomaly_seg_ros.oodmc.moments import MAX_ORDER, Moments
from anomaly_seg_ros.oodmc.sampler import BATCH, Sampler, check_count

_TILE_VALUES = 400_000
"""Logits of a tile's batch of samples: 1.6 MB, about what a core's cache holds."""
_CHUNK = 32
"""Samples at a time within a tile."""
_BLOCK = 256
"""Samples whose masked weights are kept at a time: about 1 kB each for ERFNet."""


@dataclass(frozen=True)
class LinearHead:
    """One image before its last dropout.

    With R logits per position of the features (1, or 4 for a transposed 2x2 convolution):

    Args:
        base: What dropout does not touch, broadcastable to (C, R, h * w).
        features: (K, h * w), each row multiplied by its channel's mask.
        weight: (C, R, K).
        size: (h, w).
    """

    base: Tensor
    features: Tensor
    weight: Tensor
    size: tuple[int, int]

    @property
    def mean(self) -> Tensor:
        """The exact mean of the logits, (C, R, h * w): masks have mean 1."""
        return self.weight @ self.features + self.base


class LinearSampler(Sampler[LinearHead]):
    """Draws from a `LinearHead`; subclasses make it.

    Args:
        layer: Name of the dropout layer, which the masks depend on.
        rate: Of the dropout.
    """

    def __init__(self, layer: str, rate: float) -> None:
        self.layer = layer
        self.rate = check_rate(rate, layer)

    @abstractmethod
    def prepare(self, image: Tensor) -> LinearHead:
        """Run everything before the dropout."""

    def draw(self, prepared: LinearHead, seed: int, first: int, count: int) -> Tensor:
        """Return whole logit maps; see `Sampler.draw`. `moments` needs none of them."""
        masked = self._masked_weights(prepared, seed, first, count)
        logits = masked @ prepared.features + prepared.base
        return torch.stack([_as_map(sample, prepared.size) for sample in logits])

    def moments(
        self,
        prepared: LinearHead,
        order: int,
        seed: int,
        count: int,
        *,
        first: int = 0,
        softmax: bool = False,
        batch: int = BATCH,
    ) -> Moments:
        """Return the moments of some samples' logits, tile by tile; see `Sampler.moments`."""
        del batch
        check_count(count)
        whole = self._block(prepared, order, seed, min(count, _BLOCK), first, softmax=softmax)
        for start in range(_BLOCK, count, _BLOCK):
            size = min(_BLOCK, count - start)
            whole.merge(self._block(prepared, order, seed, size, first + start, softmax=softmax))
        return whole

    def _block(
        self, prepared: LinearHead, order: int, seed: int, count: int, first: int, *, softmax: bool
    ) -> Moments:
        classes, per_position, channels = prepared.weight.shape
        # Of deviations from the exact mean, which keeps all digits of small variances.
        masked = self._masked_weights(prepared, seed, first, count)
        if not softmax:
            masked = masked - prepared.weight
        positions = prepared.features.shape[1]
        tile = max(64, _TILE_VALUES // (_CHUNK * classes * per_position))
        parts = []
        base = prepared.base.expand(classes, per_position, -1)
        for start in range(0, positions, tile):
            features = prepared.features[:, start : start + tile]
            moments = Moments(order)
            for low in range(0, count, _CHUNK):
                rows = masked[low : low + _CHUNK]
                samples = (rows.reshape(-1, channels) @ features).view(*rows.shape[:3], -1)
                if softmax:
                    its_base = base if base.shape[-1] == 1 else base[..., start : start + tile]
                    samples = (samples + its_base).softmax(1)
                moments.update(samples)
            parts.append(moments)
        whole = Moments.join(parts)
        if not softmax:
            whole.shift(prepared.mean)
        return whole.map(lambda values: _as_map(values, prepared.size))

    def exact(self, prepared: LinearHead, order: int) -> Tensor:
        """Return mean and central moments of infinitely many samples' logits.

        Cumulants of independent variables add (McCullagh, Tensor Methods in Statistics, 1987,
        section 2): the n-th cumulant of a logit is that of one mask times sum_k (w_k d_k)^n.

        Returns:
            (order, C, H / stride, W / stride).

        Raises:
            OodmcError: The order is out of range, or a logit is NaN or infinite.
        """
        if not 1 <= order <= MAX_ORDER:
            msg = f'received moments of order {order}, expected an order from 1 to {MAX_ORDER}'
            raise OodmcError(msg)
        p, q = self.rate, 1 - self.rate
        # Central moments of a mask: p / q above its mean with probability q, 1 below with p.
        second, third, fourth = p / q, p * (p - q) / q**2, p + p**4 / q**3
        cumulants = (second, third, fourth - 3 * second**2)
        rows = [prepared.mean]
        for n, cumulant in enumerate(cumulants[: order - 1], 2):
            rows.append(cumulant * (prepared.weight**n @ prepared.features**n))
        if order == 4:
            rows[3] += 3 * rows[1] ** 2
        result = torch.stack([_as_map(row, prepared.size) for row in rows])
        if not bool(torch.isfinite(result).all()):
            msg = "the logits are NaN or infinite: check the network's weights and its input"
            raise OodmcError(msg)
        return result

    def _masked_weights(self, head: LinearHead, seed: int, first: int, count: int) -> Tensor:
        """Return (count, C, R, K): one small matrix per sample, all of them a few 100 kB."""
        channels = head.weight.shape[2]
        masks = draw(seed, self.layer, first, count, (channels,), self.rate)
        return masks.to(head.weight)[:, None, None] * head.weight


class ClassifierSampler(LinearSampler):
    """For segmenters that end in channel dropout and a 1x1 convolution.

    Args:
        segmenter: Has ``features(image)['4']``, ``dropout`` (Dropout2d) and ``classifier``
            (1x1 convolution).
        rate: Of the dropout.
    """

    def __init__(self, segmenter: nn.Module, rate: float) -> None:
        super().__init__('dropout', rate)
        self.segmenter = segmenter
        self.num_classes = int(segmenter.num_classes)  # type: ignore[arg-type]
        self.stride = int(segmenter.stride)  # type: ignore[arg-type]

    @staticmethod
    def fits(segmenter: nn.Module) -> bool:
        """Tell whether the segmenter is such a one."""
        dropout, last = getattr(segmenter, 'dropout', None), getattr(segmenter, 'classifier', None)
        return (
            isinstance(dropout, nn.Dropout2d)
            and isinstance(last, nn.Conv2d)
            and last.kernel_size == (1, 1)
            and last.stride == (1, 1)
            and last.groups == 1
            and hasattr(segmenter, 'features')
        )

    def prepare(self, image: Tensor) -> LinearHead:
        """Run everything before the dropout."""
        features: Tensor = self.segmenter.features(image)['4'][0]  # type: ignore[operator]
        last = self.segmenter.classifier
        assert isinstance(last, nn.Conv2d)
        weight = last.weight[:, None, :, 0, 0]
        base = weight.new_zeros(1) if last.bias is None else last.bias
        return LinearHead(
            base.view(-1, 1, 1),
            features.flatten(1).contiguous(),
            weight,
            (features.shape[1], features.shape[2]),
        )


def _as_map(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring (C, R, h * w) to (C, r h, r w), with R = r^2 logits in each square."""
    classes, per_position = values.shape[:2]
    values = values.reshape(1, classes * per_position, *size)
    side = 2 if per_position == 4 else 1
    return functional.pixel_shuffle(values, side)[0]
