# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights between those of the start and the trained ones."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Blend:
    """Bring trained weights a share of the way back to where they began (WiSE-FT).

    Networks fine-tuned on little data lose on pictures unlike it; between their weights and those
    of the start lie networks that lose less of either (Wortsman et al., Robust Fine-Tuning of
    Zero-Shot Models, CVPR 2022, equation 1; their mixing coefficient is 1 - share).

    Args:
        start: The network before any training; its weights are copied.
        share: Of the start, 0 to less than 1.
    """

    def __init__(self, start: nn.Module, share: float) -> None:
        self._blended = copy.deepcopy(start).requires_grad_(False).eval()
        self._start = [parameter.detach().clone() for parameter in start.parameters()]
        self._share = share

    def __call__(self, trained: nn.Module) -> nn.Module:
        """Return a network with blended weights; the same object each time, on `trained`'s device.

        Args:
            trained: Of the same architecture. Its buffers are taken as they are.
        """
        # Whatever moves to another device in inference mode could not be written to outside of it.
        with torch.inference_mode(mode=False), torch.no_grad():
            pairs = zip(trained.parameters(), self._start, strict=True)
            values = [own.lerp(begun.to(own.device), self._share) for own, begun in pairs]
            self._blended.to(values[0].device)
            for parameter, value in zip(self._blended.parameters(), values, strict=True):
                parameter.copy_(value)
            for buffer, current in zip(self._blended.buffers(), trained.buffers(), strict=True):
                buffer.copy_(current)
        return self._blended
