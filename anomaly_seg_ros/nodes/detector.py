# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector node as a program; `detector_node` is what it runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from anomaly_seg_ros.interrupts import leave_at_once


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until the process is told to stop; return the exit code."""
    # Before all heavy imports, which take a second; `run_node` takes the signals over.
    leave_at_once(0, signal.SIGINT, signal.SIGTERM)
    from anomaly_seg_ros.nodes.detector_node import run

    return run(args)


if __name__ == '__main__':
    sys.exit(main())
