# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How pixels become a network's input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """Per-channel normalisation of RGB in [0, 1]: (rgb / 255 - mean) / std.

    Raises:
        ValueError: A standard deviation is not positive.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse what would divide by zero or turn colours around."""
        if min(self.std) <= 0:
            msg = f'expected positive standard deviations, received {self.std!r}'
            raise ValueError(msg)
