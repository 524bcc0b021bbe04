# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera infos that travel with the results of their images."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_KEPT = 64

Stamp = tuple[int, int]


def stamp_of(message: Any) -> Stamp:
    """Return a message's stamp as (seconds, nanoseconds)."""
    stamp = message.header.stamp
    return (int(stamp.sec), int(stamp.nanosec))


class CameraInfoRelay:
    """Pass a camera info on when results for the image of the same stamp went out.

    Results have the input's size, so the calibration holds for them unchanged. Whichever comes
    first, image or camera info, waits for the other; the latest 64 stamps are remembered.

    Args:
        publish: Called with each camera info to pass on, from any thread.
    """

    def __init__(self, publish: Callable[[Any], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._infos: OrderedDict[Stamp, Any] = OrderedDict()
        self._processed: OrderedDict[Stamp, None] = OrderedDict()

    def add_info(self, info: Any) -> None:
        """Take a camera info."""
        stamp = stamp_of(info)
        with self._lock:
            ready = self._processed.pop(stamp, False) is None
            if not ready:
                self._keep(self._infos, stamp, info)
        if ready:
            self._publish(info)

    def image_processed(self, stamp: Stamp) -> None:
        """Note that results for the image of that stamp were published."""
        with self._lock:
            info = self._infos.pop(stamp, None)
            if info is None:
                self._keep(self._processed, stamp, None)
        if info is not None:
            self._publish(info)

    def clear(self) -> None:
        """Forget everything, for instance when time went back."""
        with self._lock:
            self._infos.clear()
            self._processed.clear()

    @staticmethod
    def _keep(store: OrderedDict[Stamp, Any], stamp: Stamp, value: Any) -> None:
        store[stamp] = value
        while len(store) > _KEPT:
            store.popitem(last=False)
