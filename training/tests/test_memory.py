# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Freed memory is used again without faulting it in."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from anomaly_seg_training.memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(8_000_000, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

asked = faults()
assert keep_memory()
np.ones(8_000_000, np.float32)
print(asked, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='this C library is not glibc')
def test_large_arrays_are_faulted_in_once() -> None:
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    before, after = map(int, done.stdout.split())
    # Huge pages may serve an array with few faults; kept memory needs none.
    assert before > 20
    assert after < before / 4
