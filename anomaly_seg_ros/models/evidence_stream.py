# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A second stream that says how much speaks for the classes at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError
from anomaly_seg_ros.models.two_streams import TwoStreams

NAME = 'evidence_stream'


@SEGMENTERS.register(NAME)
class EvidenceStream(TwoStreams):
    """Logits of a segmenter, raised or lowered until their energy is that of the stream.

    z + e(z') - ln sum exp z with the segmenter's logits z and the stream's z', which has the same
    classes; e(z') = ln sum exp z', or, with `top`, halfway between that and the mean of the `top`
    largest z'. The stream can be fine-tuned by any loss on logits, and forget classes over it,
    while the labels stay the segmenter's. The energy of the result is that of the fine-tuned
    network alone; its max logit also knows how sure the segmenter is.

    The energy hears little but the largest logit. Top-K OvR presses the K largest down where
    nothing known is (Zhang et al., Anomaly-Aware Semantic Segmentation via Style-Aligned OoD
    Augmentation, 2023, equation 1), so their mean hears all that it has trained there.

    Args:
        num_classes: Outputs of the base network.
        base: Name of the base network in `SEGMENTERS`.
        base_options: Its options.
        octaves: See `TwoStreams`.
        sharpness: See `TwoStreams`.
        top: How many of the largest logits count beside the energy, up to the number of classes;
            0: none.

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
        top: int = 0,
    ) -> None:
        super().__init__(num_classes, base, base_options, octaves, sharpness)
        if top not in range(self.num_classes + 1):
            msg = f'received top={top}, expected 0 to {self.num_classes}, the number of classes'
            raise ModelError(msg)
        self.top = top

    def digest(self, said: torch.Tensor) -> torch.Tensor:
        """Return e(z')."""
        energy = said.logsumexp(1, keepdim=True)
        return (energy + _mean_of_largest(said, self.top)) / 2 if self.top else energy

    def join(self, logits: torch.Tensor, digest: torch.Tensor) -> torch.Tensor:
        """Return z + e(z') - ln sum exp z."""
        return logits + (digest - logits.logsumexp(1, keepdim=True))


def _mean_of_largest(logits: torch.Tensor, count: int) -> torch.Tensor:
    """Return the mean of the largest logits, (N, 1, h, w).

    By a list that is kept in order while the classes' planes pass, since runtimes take three times
    as long for a selection along the strided axis of classes.
    """
    largest: list[torch.Tensor] = []
    for plane in logits.unbind(1):
        rest = plane
        for place, kept in enumerate(largest):
            largest[place], rest = torch.maximum(kept, rest), torch.minimum(kept, rest)
        if len(largest) < count:
            largest.append(rest)
    total = largest[0]
    for plane in largest[1:]:
        total = total + plane
    return total[:, None] / count
