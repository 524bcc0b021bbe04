# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Message classes by their names."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any


def message_class(type_name: str) -> Any:
    """Return the class of ``package/msg/Name``, None when it is not installed here."""
    if re.fullmatch(r'[a-z]\w*/msg/[A-Z]\w*', type_name) is None:
        return None
    package, _, name = type_name.split('/')
    try:
        return getattr(import_module(f'{package}.msg'), name, None)
    except ImportError:
        return None
