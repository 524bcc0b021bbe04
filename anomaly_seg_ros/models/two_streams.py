# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A trained segmenter beside which a stream with its early features and later layers runs.

The segmenter keeps its weights; what the stream says is put into its logits by as much for all
classes, so that their order and softmax stay: labels, confidence, entropy and mIoU are the
segmenter's, while the max logit, the energy, and what refines them, are the stream's. (Leaving the
segmenter alone and learning a residual is the idea of Liu et al., Residual Pattern Learning, ICCV
2023; there the residual goes into features.)

The stream may look at the picture in several octaves: at its size, at half of it, and so on. What
fills a quarter of the picture, an animal on the road ahead, is then seen at the size at which a
network of streets knows objects. Either the mean of what it says counts, so that single pixels
that are odd at one size only count less, or the size at which it doubts most counts more. What is
half as large costs a quarter, so there it may look at the mirrored picture too.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch.nn import functional

from anomaly_seg_ros.models.base import ModelError, Segmenter, create_segmenter

MAX_OCTAVES = 4


@runtime_checkable
class Splittable(Protocol):
    """A segmenter whose later layers can run on their own."""

    def begin(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, 3, h, w) to the features that both streams share."""
        ...

    def finish(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map what `begin` gives to logits (N, C, h / stride, w / stride)."""
        ...

    def forget_beginning(self) -> None:
        """Drop the layers of `begin`; from now on the network can only finish."""
        ...

    def single_output(self, value: float) -> None:
        """Replace the layer of the logits by one with one output that is `value` everywhere."""
        ...


class TwoStreams(Segmenter):
    """A segmenter, `base`, and a copy of its later layers, `stream`.

    Args:
        num_classes: Outputs of the base network.
        base: Name of the base network in `SEGMENTERS`.
        base_options: Its options.
        octaves: Sizes at which the stream sees the picture, each half of the one before, 1 to 4.
            The picture's sides should be multiples of what the base network asks for in the last.
        sharpness: How the octaves' digests d become one: -ln mean exp(-sharpness d) / sharpness.
            0: their mean; the larger, the nearer to their minimum.
        mirrored: Whether the digest of an octave from the second on is the mean of the picture's
            and the mirrored picture's.

    Raises:
        ModelError: The base network cannot be built, or cannot be split, or a number is out of
            range.
    """

    def __init__(
        self,
        num_classes: int,
        base: str,
        base_options: Mapping[str, Any] | None = None,
        octaves: int = 1,
        sharpness: float = 0.0,
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= sharpness < math.inf:
            msg = f'received sharpness={sharpness}, expected a finite number from 0'
            raise ModelError(msg)
        if octaves not in range(1, MAX_OCTAVES + 1):
            msg = f'received octaves={octaves}, expected 1 to {MAX_OCTAVES}'
            raise ModelError(msg)
        self.octaves, self.sharpness, self.mirrored = octaves, sharpness, mirrored
        self.base = create_segmenter(base, **{'num_classes': num_classes, **(base_options or {})})
        if not isinstance(self.base, Splittable):
            msg = (
                f'the segmenter {base!r} cannot be split into shared and own layers: take erfnet, '
                'litenet or streetnet'
            )
            raise ModelError(msg)
        self.num_classes, self.stride = self.base.num_classes, self.base.stride
        self.stream = self.new_stream()

    @abstractmethod
    def digest(self, said: torch.Tensor) -> torch.Tensor:
        """Return what of the stream's outputs speaks for the classes, (N, 1, h, w)."""

    @abstractmethod
    def join(self, logits: torch.Tensor, digest: torch.Tensor) -> torch.Tensor:
        """Put what the stream says into the segmenter's logits, (N, C, h / stride, w / stride)."""

    def new_stream(self) -> Segmenter:
        """Return a copy of the base network's later layers, all its outputs with it."""
        stream = copy.deepcopy(self.base)
        cast('Splittable', stream).forget_beginning()
        return stream

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits that differ from the segmenter's alike for all classes."""
        return self.combine(*self.listen(image))

    def listen(self, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Map (N, 3, h, w) to the segmenter's logits and what the stream says of each octave.

        If `mirrored`, what it says of the mirrored picture, mirrored back, follows what it says
        of the picture, from the second octave on.
        """
        base, stream = cast('Splittable', self.base), cast('Splittable', self.stream)
        features = base.begin(image)
        logits, said = base.finish(features), [stream.finish(features)]
        for _ in range(1, self.octaves):
            image = functional.avg_pool2d(image, 2)
            said.append(stream.finish(base.begin(image)))
            if self.mirrored:
                said.append(stream.finish(base.begin(image.flip(3))).flip(3))
        return logits, said

    def combine(self, logits: torch.Tensor, said: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map what `listen` gives to the logits of `forward`."""
        digests = [self.digest(octave) for octave in said]
        if self.mirrored:
            pairs = zip(digests[1::2], digests[2::2], strict=True)
            digests[1:] = [(straight + mirrored) / 2 for straight, mirrored in pairs]
        size = logits.shape[-2:]
        digests[1:] = [
            functional.interpolate(digest, size, mode='bilinear', align_corners=False)
            for digest in digests[1:]
        ]
        return self.join(logits, self._pooled(digests))

    def _pooled(self, digests: Sequence[torch.Tensor]) -> torch.Tensor:
        if not self.sharpness:
            return sum(digests[1:], digests[0]) / len(digests)
        against = torch.cat([-self.sharpness * digest for digest in digests], 1)
        total = against.logsumexp(1, keepdim=True)
        return (math.log(len(digests)) - total) / self.sharpness

    def said(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to what the stream alone gives at this size.

        Only the stream has gradients.
        """
        base, stream = cast('Splittable', self.base), cast('Splittable', self.stream)
        with torch.no_grad():
            features = base.begin(image)
        return stream.finish(features)

    def adopt(self, base: Segmenter) -> None:
        """Take over a trained base network; the stream begins anew as its copy."""
        self.base.load_state_dict(base.state_dict())
        self.stream = self.new_stream()
