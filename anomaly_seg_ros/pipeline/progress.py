# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bars."""

from __future__ import annotations

from types import TracebackType
from typing import Any, final

from tqdm import tqdm


@final
class ReplayBar:
    """A bar over the images of a replay, whose number is known only when it starts."""

    def __init__(self) -> None:
        self._bar: Any = tqdm(desc='replay', unit='frame')

    def played(self, sent: int, total: int) -> None:
        """Note how many images of how many were played."""
        if self._bar.total != total:
            self._bar.total = total
            # The nodes' start took seconds that say nothing about the pace.
            self._bar.unpause()
        self._bar.update(sent - self._bar.n)

    def __enter__(self) -> ReplayBar:
        """Return the bar, which shows already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        self._bar.close()
