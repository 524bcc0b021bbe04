# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A second stream that says how much speaks for the classes at all."""

from __future__ import annotations

import torch

from anomaly_seg_ros.models.base import SEGMENTERS
from anomaly_seg_ros.models.two_streams import TwoStreams

NAME = 'evidence_stream'


@SEGMENTERS.register(NAME)
class EvidenceStream(TwoStreams):
    """Logits of a segmenter, raised or lowered until their energy is that of the stream.

    z + ln sum exp z' - ln sum exp z with the segmenter's logits z and the stream's z', which has
    the same classes. The stream can be fine-tuned by any loss on logits, and forget classes over
    it, while the labels stay the segmenter's. The energy is that of the fine-tuned network alone;
    the max logit also knows how sure the segmenter is.
    """

    def digest(self, said: torch.Tensor) -> torch.Tensor:
        """Return ln sum exp z'."""
        return said.logsumexp(1, keepdim=True)

    def join(self, logits: torch.Tensor, digest: torch.Tensor) -> torch.Tensor:
        """Return z + ln sum exp z' - ln sum exp z."""
        return logits + (digest - logits.logsumexp(1, keepdim=True))
