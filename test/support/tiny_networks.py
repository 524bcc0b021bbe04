# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options of segmenters that train and run in seconds."""

from __future__ import annotations

from typing import Any

STREETNET: dict[str, Any] = {
    'widths': [8, 8, 16, 16], 'depths': [1, 1, 1, 1], 'neck': 8, 'head': 8,
}  # fmt: skip
MASK2FORMER: dict[str, Any] = {
    'backbone_config': {
        'embed_dim': 12, 'depths': [1, 1, 1, 1], 'num_heads': [1, 1, 2, 2], 'window_size': 4,
        'out_features': ['stage1', 'stage2', 'stage3', 'stage4'],
    },
    'feature_size': 32, 'mask_feature_size': 32, 'hidden_dim': 32, 'num_attention_heads': 2,
    'encoder_feedforward_dim': 32, 'dim_feedforward': 16, 'encoder_layers': 1,
    'decoder_layers': 2, 'num_queries': 6,
}  # fmt: skip
