# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SynBoost: training of synthesis and dissimilarity, its data, its ensemble, its ablation.

Written from the papers: Di Biase et al. 2021 (SynBoost), Lis et al. 2019 (image re-synthesis),
Park et al. 2019 (SPADE), Liu et al. 2019 (CC-FPSE), Wang et al. 2018 (pix2pixHD).
"""
