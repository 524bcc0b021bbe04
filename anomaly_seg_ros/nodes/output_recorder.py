# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The outputs of a replay, written into a bag as they came."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from anomaly_seg_ros.bags.topics import IMAGE as IMAGE_TYPE
from anomaly_seg_ros.bags.writer import BagWriter
from anomaly_seg_ros.nodes.frame_book import Entry


class OutputRecorder:
    """Writes some messages of each frame; the bag appears when it is closed.

    Args:
        path: The bag folder to make; an existing bag is replaced.
        storage: ``'mcap'`` or ``'sqlite3'``.
        topics: Topic of each kind of message to write.

    Raises:
        BagError: The bag cannot be made.
    """

    def __init__(self, path: str, storage: str, topics: Mapping[str, str]) -> None:
        self._topics = dict(topics)
        self._writer = BagWriter(path, storage=storage, overwrite=True)
        self._writer.__enter__()

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of messages that are written."""
        return frozenset(self._topics)

    def do_without(self, kinds: Collection[str]) -> None:
        """Write some kinds no more."""
        for kind in kinds:
            self._topics.pop(kind, None)

    def write(self, entry: Entry) -> None:
        """Write a complete frame.

        Raises:
            BagError: The disk refuses.
        """
        for kind, topic in self._topics.items():
            self._writer.write(topic, IMAGE_TYPE, entry.stamp, entry.messages[kind])

    def close(self) -> None:
        """Finish the bag; one without a frame is not made.

        Raises:
            BagError: The disk refuses.
        """
        if self._writer.empty:
            self._writer.abort()
        else:
            self._writer.close()

    def abort(self) -> None:
        """Remove what was written."""
        self._writer.abort()
