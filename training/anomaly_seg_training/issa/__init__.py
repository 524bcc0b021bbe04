# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Style alignment by inversion of a generator (ISSA): networks, losses and recipe.

Written from the papers: Karras et al. 2020 (StyleGAN2), Li et al. 2023 (ISSA).
"""
