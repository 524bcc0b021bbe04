# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recipe for fine-tuning in seconds."""

from __future__ import annotations

from typing import Any

from support.tiny_networks import STREETNET

RECIPE: dict[str, Any] = {
    'name': 'tiny', 'segmenter': 'streetnet', 'options': STREETNET,
    'shares': {'cityscapes': 0.7, 'video': 0.3}, 'reader_options': {'video': {'step': 3}},
    'pseudo_labels': 0.05, 'input_size': '128x64', 'crop': '64x64', 'scale': [0.2, 0.3],
    'mixer_options': {'probability': 0.7}, 'loss_options': {'k': 5}, 'ood_weight': 0.5,
    'hold_weight': 1.0, 'hold_logits_weight': 0.1, 'hold_margin': 1, 'dropout': True,
    'batch': 2, 'steps': 6, 'epoch_steps': 2, 'learning_rate': 0.01, 'ema': 0.5, 'distort': True,
    'validation_frames': 2, 'validation_size': '128x64', 'validation_epochs': 3,
}  # fmt: skip
