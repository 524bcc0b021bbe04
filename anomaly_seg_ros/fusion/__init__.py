# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several good scores made one: each becomes a tail probability on normal data, then they add up.

Scores have different units, so a sum of raw scores follows whichever is largest. On normal data
every score has a distribution of its own; how rare a value is in it is comparable (Fisher 1925,
"Statistical Methods for Research Workers"; Stouffer et al. 1949, "The American Soldier"). NumPy
only.
"""

from anomaly_seg_ros.fusion.errors import FusionError
from anomaly_seg_ros.fusion.fusion import METHODS, Fusion, Member, fuse_equally, fuse_logistic
from anomaly_seg_ros.fusion.logistic import fit_logistic
from anomaly_seg_ros.fusion.sketch import ScoreSketch
from anomaly_seg_ros.fusion.tail import TRANSFORMS, TailTable

__all__ = [
    'METHODS',
    'TRANSFORMS',
    'Fusion',
    'FusionError',
    'Member',
    'ScoreSketch',
    'TailTable',
    'fit_logistic',
    'fuse_equally',
    'fuse_logistic',
]
