# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of one frame, brought together by their exact stamp."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass
class Entry:
    """What has arrived of one frame.

    Args:
        stamp: Header stamp in nanoseconds.
        messages: Serialised messages by kind.
        times: Times of arrival in seconds by kind.
    """

    stamp: int
    messages: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)


class FrameBook:
    """Bounded buffers that pair messages of equal stamps and count what finds no partner.

    Args:
        required: Kinds that make a frame complete.
        limit: Incomplete frames to keep; the oldest gives way and is counted as unmatched.
    """

    def __init__(self, required: Collection[str], limit: int = 32) -> None:
        self.required = set(required)
        self.unmatched: Counter[str] = Counter()
        """Frames given up, by the first kind that was missing."""
        self.duplicates = 0
        self._limit = limit
        self._pending: OrderedDict[int, Entry] = OrderedDict()
        self._done: deque[int] = deque(maxlen=4 * limit)

    def __len__(self) -> int:
        """Return the number of incomplete frames."""
        return len(self._pending)

    def add(self, kind: str, stamp: int, data: bytes, time: float) -> Entry | None:
        """Note a message.

        Args:
            kind: What it is.
            stamp: Header stamp in nanoseconds.
            data: The message; empty when only its arrival matters.
            time: Time of arrival in seconds.

        Returns:
            The frame when this message completed it, otherwise None.
        """
        if stamp in self._done:
            self.duplicates += kind in self.required
            return None
        entry = self._pending.get(stamp)
        if entry is None:
            entry = self._pending[stamp] = Entry(stamp)
        if kind in entry.times:
            self.duplicates += 1
            return None
        entry.messages[kind] = data
        entry.times[kind] = time
        if self.required <= entry.times.keys():
            del self._pending[stamp]
            self._done.append(stamp)
            return entry
        if len(self._pending) > self._limit:
            self._give_up(next(iter(self._pending)))
        return None

    def require(self, kinds: Collection[str]) -> list[Entry]:
        """Change what makes a frame complete; return those that are now."""
        self.required = set(kinds)
        complete = [e for e in self._pending.values() if self.required <= e.times.keys()]
        for entry in complete:
            del self._pending[entry.stamp]
            self._done.append(entry.stamp)
        return complete

    def waits_only_for(self, kinds: Collection[str]) -> bool:
        """Tell whether some frame lacks nothing but some of these kinds."""
        return any(self.required - e.times.keys() <= set(kinds) for e in self._pending.values())

    def give_up(self) -> None:
        """Count all incomplete frames as unmatched."""
        for stamp in list(self._pending):
            self._give_up(stamp)

    def _give_up(self, stamp: int) -> None:
        entry = self._pending.pop(stamp)
        self._done.append(stamp)
        missing = sorted(self.required - entry.times.keys())
        self.unmatched[missing[0] if missing else 'nothing'] += 1
