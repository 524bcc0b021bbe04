# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The player node as a program; `player_node` is what it runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from anomaly_seg_ros.interrupts import leave_at_once


def main(args: Sequence[str] | None = None) -> int:
    """Play the bag; return 0, 1 when images were lost, 2 when the bag cannot be played."""
    # Before all heavy imports, which take a second; `run_node` takes the signals over.
    leave_at_once(0, signal.SIGINT, signal.SIGTERM)
    from anomaly_seg_ros.nodes.player_node import run

    return run(args)


if __name__ == '__main__':
    sys.exit(main())
