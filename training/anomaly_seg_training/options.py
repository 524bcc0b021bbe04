# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of options that several commands have."""

from __future__ import annotations

import argparse

from anomaly_seg_training.errors import LabError


def check_at_least(arguments: argparse.Namespace, **least: int) -> None:
    """Refuse numbers that are too small, before anything is computed.

    Args:
        arguments: Parsed ones.
        least: The smallest allowed value of each option, by its name in `arguments`.

    Raises:
        LabError: One is smaller.
    """
    for key, minimum in least.items():
        value = getattr(arguments, key)
        if value < minimum:
            option = key.replace('_', '-')
            msg = f'received --{option} {value}, expected at least {minimum}'
            raise LabError(msg)
