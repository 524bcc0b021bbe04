# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of the papers that this project follows, as they print them.

>>> from anomaly_seg_training.papers import paper_rows
>>> [row.ap for row in paper_rows('RoadAnomaly') if row.method == 'Ours (Energy)']
[46.39, 46.39]
"""

from anomaly_seg_training.papers.reading import (
    PAPERS,
    PaperError,
    paper_rows,
    paper_tables,
    read_paper,
)
from anomaly_seg_training.papers.sets import OUR_SETS, PAPER_SETS
from anomaly_seg_training.papers.tables import METRICS, PaperRow, PaperTable

__all__ = [
    'METRICS',
    'OUR_SETS',
    'PAPERS',
    'PAPER_SETS',
    'PaperError',
    'PaperRow',
    'PaperTable',
    'paper_rows',
    'paper_tables',
    'read_paper',
]
