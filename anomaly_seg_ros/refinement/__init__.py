# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a score map to a better one: standardise, suppress boundaries, smooth, VDE.

Names and statistics need numpy only; the steps themselves are modules of PyTorch operators, which
the detector imports.
"""

from anomaly_seg_ros.refinement.names import (
    NONE,
    REFINEMENTS_DEFAULT,
    STEPS,
    RefinementError,
    join_steps,
    needs_statistics,
    output_name,
    output_names,
    parse_refinement,
    split_output,
)
from anomaly_seg_ros.refinement.shrinkage import NO_SHRINKAGE, Shrinkage
from anomaly_seg_ros.refinement.statistics import (
    ClassMoments,
    ClassStatistics,
    statistics_table,
)

__all__ = [
    'NONE',
    'NO_SHRINKAGE',
    'REFINEMENTS_DEFAULT',
    'STEPS',
    'ClassMoments',
    'ClassStatistics',
    'RefinementError',
    'Shrinkage',
    'join_steps',
    'needs_statistics',
    'output_name',
    'output_names',
    'parse_refinement',
    'split_output',
    'statistics_table',
]
