# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines: what runs a bundle's detector."""

from anomaly_seg_ros.engines.base import DEVICES, Engine, EngineError
from anomaly_seg_ros.engines.load import ENGINES, load_engine

__all__ = ['DEVICES', 'ENGINES', 'Engine', 'EngineError', 'load_engine']
