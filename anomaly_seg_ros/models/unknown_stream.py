# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A second stream that says how likely it is that a pixel shows nothing known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError, Segmenter
from anomaly_seg_ros.models.two_streams import Splittable, TwoStreams

NAME = 'unknown_stream'
PRIOR = -3.0
"""Log odds at the beginning: one pixel in twenty shows nothing known."""


@SEGMENTERS.register(NAME)
class UnknownStream(TwoStreams):
    """Logits z - gain u of a segmenter with logits z, (N, C, h / stride, w / stride).

    The stream has one output, u, the log odds that nothing known is there.

    Args:
        num_classes: Outputs of the base network.
        base: Name of the base network in `SEGMENTERS`.
        base_options: Its options.
        gain: How far one unit of log odds moves the logits, more than 0. The max logit of the
            result is that of z less gain u: a small gain listens to the segmenter, a large one to
            the stream.
        octaves: See `TwoStreams`.
        sharpness: See `TwoStreams`.
        mirrored: See `TwoStreams`.

    Raises:
        ModelError: The base network cannot be built, or cannot be split, or a number is out of
            range.
    """

    def __init__(
        self,
        num_classes: int,
        base: str,
        base_options: Mapping[str, Any] | None = None,
        gain: float = 3.0,
        octaves: int = 1,
        sharpness: float = 0.0,
        mirrored: bool = False,
    ) -> None:
        if not gain > 0:
            msg = f'received gain={gain}, expected more than 0'
            raise ModelError(msg)
        super().__init__(num_classes, base, base_options, octaves, sharpness, mirrored)
        self.gain = gain

    def digest(self, said: torch.Tensor) -> torch.Tensor:
        """Return -u."""
        return -said

    def join(self, logits: torch.Tensor, digest: torch.Tensor) -> torch.Tensor:
        """Return z - gain u."""
        return logits + self.gain * digest

    def new_stream(self) -> Segmenter:
        """Return a copy of the later layers with one output, `PRIOR` everywhere."""
        stream = super().new_stream()
        stream.num_classes = 1
        cast('Splittable', stream).single_output(PRIOR)
        return stream
