# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of discriminators that several recipes share."""

from __future__ import annotations

import torch
from torch.nn import functional


def hinge_discriminator_loss(real: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Return the hinge loss of logits (N,) each, high for frames."""
    return functional.relu(1 - real).mean() + functional.relu(1 + drawn).mean()
