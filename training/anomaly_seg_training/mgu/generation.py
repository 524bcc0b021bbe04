# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is generated, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.mgu.config import MguConfig
from anomaly_seg_training.mgu.frames import FrameSource


@dataclass(frozen=True)
class Generation:
    """What is generated.

    Args:
        source: The frames.
        config: How pixels move.
        per_class: Images per class, 300 in the paper.
        classes: Labels of the adversarial classes; None for all that occur.
        min_pixels: Pixels that a class must have in a frame, at the network's size. The paper
            names no limit.
        seed: Chooses the frames.
        batch: Jobs that go through the network together; it changes no choice.
        device: Where the network runs.
    """

    source: FrameSource
    config: MguConfig
    per_class: int = 300
    classes: tuple[int, ...] | None = None
    min_pixels: int = 200
    seed: int = 0
    batch: int = 8
    device: str = 'cpu'

    def settings(self, start: Start) -> dict[str, Any]:
        """Return what decides on the result."""
        source = self.source
        return {
            'weights': start.about.get('sha256'),
            'source': source.source,
            'reader_options': dict(source.options),
            'class_map': dict(source.class_map),
            'size': None if source.size is None else str(source.size),
            'pseudo_labels': source.pseudo_labels,
            'mgu': self.config.as_dict(),
            'per_class': self.per_class,
            'classes': None if self.classes is None else list(self.classes),
            'min_pixels': self.min_pixels,
            'seed': self.seed,
        }
