# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets to measure on, read strictly, and the protocols by which figures are taken.

>>> from anomaly_seg_training.benchmark import BENCHMARKS, PROTOCOLS
>>> PROTOCOLS.names()
['fishyscapes', 'smiyc-anomaly', 'smiyc-obstacle', 'caos', 'lost-and-found']
"""

from __future__ import annotations

from anomaly_seg_training.benchmark import readers
from anomaly_seg_training.benchmark.inspection import SetReport, check, inspect
from anomaly_seg_training.benchmark.protocols import PROTOCOLS, Protocol
from anomaly_seg_training.benchmark.sets import (
    BENCHMARKS,
    Benchmark,
    BenchmarkItem,
    BenchmarkSet,
    Meaning,
    open_benchmark,
)

__all__ = [
    'BENCHMARKS',
    'PROTOCOLS',
    'Benchmark',
    'BenchmarkItem',
    'BenchmarkSet',
    'Meaning',
    'Protocol',
    'SetReport',
    'check',
    'inspect',
    'open_benchmark',
    'readers',
]
