# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a trained second stream pools what it says of several octaves: no weight depends on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Pooling:
    """How a second stream pools what it says, see `models.TwoStreams`; None: as it did.

    Args:
        octaves: Sizes at which it sees the picture.
        sharpness: How much the one that doubts most counts.
        mirrored: Whether it sees mirrored pictures too, from the second octave on.
    """

    octaves: int | None = None
    sharpness: float | None = None
    mirrored: bool | None = None

    def options(self) -> dict[str, int | float]:
        """Return what is to change, by its name in `models.TwoStreams`."""
        asked = asdict(self)
        return {name: value for name, value in asked.items() if value is not None}

    def __str__(self) -> str:
        """Return what is to change, for messages."""
        return ', '.join(f'{name}={value}' for name, value in self.options().items())
