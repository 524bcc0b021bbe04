# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A second stream that lowers all logits of a trained segmenter where it sees the unknown.

The segmenter keeps its weights. The stream begins with the segmenter's own early features, has
the form of its later layers and gives one number u per pixel, the log odds that nothing known is
there. A multiple of it is taken from every logit. What is the same for all classes changes
neither their order nor their softmax, so that labels, confidence, entropy and mIoU stay as they
were, while the max logit, the energy, and what refines them, tell the unknown. (Leaving the
segmenter alone and learning a residual is the idea of Liu et al., Residual Pattern Learning, ICCV
2023; there the residual goes into features.)
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import torch

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError, Segmenter, create_segmenter

NAME = 'unknown_stream'
PRIOR = -3.0
"""Log odds at the beginning: one pixel in twenty shows nothing known."""


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


@SEGMENTERS.register(NAME)
class UnknownStream(Segmenter):
    """Logits z - gain u of a segmenter with logits z, (N, C, h / stride, w / stride).

    Args:
        num_classes: Outputs of the base network.
        base: Name of the base network in `SEGMENTERS`.
        base_options: Its options.
        gain: How far one unit of log odds moves the logits, more than 0. The max logit of the
            result is that of z less gain u: a small gain listens to the segmenter, a large one to
            the stream.

    Raises:
        ModelError: The base network cannot be built, or cannot be split.
    """

    def __init__(
        self,
        num_classes: int,
        base: str,
        base_options: Mapping[str, Any] | None = None,
        gain: float = 3.0,
    ) -> None:
        super().__init__()
        if not gain > 0:
            msg = f'received gain={gain}, expected more than 0'
            raise ModelError(msg)
        if base == NAME:
            msg = f'an {NAME} cannot be the base of another one: give its base'
            raise ModelError(msg)
        options = {'num_classes': num_classes, **(base_options or {})}
        self.base = create_segmenter(base, **options)
        if not isinstance(self.base, Splittable):
            msg = (
                f'the segmenter {base!r} cannot be split into shared and own layers: take erfnet, '
                'litenet or streetnet'
            )
            raise ModelError(msg)
        self.num_classes, self.stride = self.base.num_classes, self.base.stride
        self.gain = gain
        self.stream = stream_of(self.base)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits, lowered by as much for all classes."""
        base, stream = cast('Splittable', self.base), cast('Splittable', self.stream)
        features = base.begin(image)
        return base.finish(features) - self.gain * stream.finish(features)

    def log_odds(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to u alone, (N, 1, h / stride, w / stride)."""
        base, stream = cast('Splittable', self.base), cast('Splittable', self.stream)
        with torch.no_grad():
            features = base.begin(image)
        return stream.finish(features)

    def adopt(self, base: Segmenter) -> None:
        """Take over a trained base network; the stream begins as its copy, u = `PRIOR`."""
        self.base.load_state_dict(base.state_dict())
        self.stream = stream_of(self.base)


def stream_of(base: Segmenter) -> Segmenter:
    """Return a copy of the later layers of a segmenter with one output, `PRIOR` everywhere."""
    stream = copy.deepcopy(base)
    stream.num_classes = 1
    splittable = cast('Splittable', stream)
    splittable.forget_beginning()
    splittable.single_output(PRIOR)
    return stream
