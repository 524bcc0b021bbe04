# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one base class of every error that a user can cause and a user can mend."""

from __future__ import annotations


class AnomalySegError(Exception):
    """A user's input cannot be used.

    The message is one sentence: what was received, what was expected, what to do. Command lines
    print it and exit with 2, nodes log it and report it on ``/diagnostics``; neither shows a
    traceback. Each module that can fail derives its own class.
    """
