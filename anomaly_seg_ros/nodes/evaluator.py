# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluator node as a program; `evaluator_node` is what it runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from anomaly_seg_ros.interrupts import leave_at_once


def main(args: Sequence[str] | None = None) -> int:
    """Evaluate one replay; return 0, 1 when outputs could not be recorded, 2 for bad paths."""
    # Before all heavy imports, which take a second; `run_node` takes the signals over.
    leave_at_once(0, signal.SIGINT, signal.SIGTERM)
    from anomaly_seg_ros.nodes.evaluator_node import run

    return run(args)


if __name__ == '__main__':
    sys.exit(main())
