# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning: a segmenter that knows its classes learns to say that a pixel is none of them."""
