# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A segmenter as the function that updates differentiate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.folding import fold_batch_norms
from anomaly_seg_training.mgu.update import Segment


def segment_function(start: Start, device: str, as_stored: bool = False) -> Segment:
    """Return the map from images (N, 3, h, w), 0 to 255, to logits of the same size.

    Logits that the network gives at a lower resolution are upsampled bilinearly, as the detector
    does it.

    Args:
        start: Its network is moved, and its weights are laid out anew, in place.
        device: Where it runs.
        as_stored: Not made faster. Otherwise batch norms are folded into convolutions, and
            channels come last: on a CPU, convolutions of both passes need no reordering of maps.
    """
    memory_format = torch.contiguous_format if as_stored else torch.channels_last
    network: nn.Module = start.network.to(device).eval().requires_grad_(False)
    if not as_stored:
        network = fold_batch_norms(network)
    network.to(memory_format=memory_format)

    def segment(images: Tensor) -> Tensor:
        pixels = start.normalise(images).contiguous(memory_format=memory_format)
        logits: Tensor = network(pixels).float()
        if logits.shape[-2:] == images.shape[-2:]:
            return logits
        return functional.interpolate(
            logits, images.shape[-2:], mode='bilinear', align_corners=False
        )

    return segment
