# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the C library hands out memory to the lab's processes."""

from __future__ import annotations

import ctypes

_M_MMAP_MAX = -4
_M_TRIM_THRESHOLD = -1


def keep_memory() -> bool:
    """Let glibc keep freed memory for the next arrays instead of giving it back each time.

    Networks on the CPU and full-size maps take and free hundreds of megabytes for every image. By
    default each of those is mapped anew and every page of it is faulted in again, which costs a
    fifth to a third of an evaluation's processor time.

    Returns:
        Whether the C library took it; others than glibc keep their ways.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
