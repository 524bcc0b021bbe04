# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Player, detector and evaluator as child processes, without launch."""

from anomaly_seg_ros.pipeline.processes import Children, PipelineError
from anomaly_seg_ros.pipeline.replay import Replay, run_replay

__all__ = ['Children', 'PipelineError', 'Replay', 'run_replay']
