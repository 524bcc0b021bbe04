# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Does the choice of known classes as unknowns decide on the result, and does MGU need none?"""
