# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choosing where torch computes."""

from __future__ import annotations


def torch_device(name: str) -> str:
    """Return a device's name; ``auto`` is a GPU of CUDA if there is one, else the CPU."""
    import torch

    if name != 'auto':
        return name
    return 'cuda' if torch.cuda.is_available() else 'cpu'
