# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading what is left of storage files that were cut short.

A recorder that loses power leaves an MCAP file without its index or an SQLite file without its
last pages. Both hold whole messages up to some point; these readers yield those and then stop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.storage_mcap import McapReader

from anomaly_seg_ros.bags.errors import BagError

Message = tuple[str, str, int, bytes]
"""Topic, type, time of recording in nanoseconds, CDR."""

_MCAP_MAGIC = b'\x89MCAP0\r\n'
_CHUNK_HEAD = 9


class SalvagedMcap:
    """An MCAP file without its end: all records up to the first one that is not whole.

    Raises:
        BagError: Not even the beginning is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = McapReader(path)
        try:
            reader.bio = path.open('rb')
            reader.data_start, reader.data_end = _whole_records(reader.bio)
            reader.meta_scan()
        except (OSError, ReaderError, ValueError, IndexError) as error:
            if reader.bio is not None:
                reader.bio.close()
            msg = f'{path} is damaged from its beginning on: {error}'
            raise BagError(msg) from error
        self._reader = reader
        counts = reader.statistics.channel_message_counts if reader.statistics else {}
        self.topics = [(c.topic, c.msgtype, counts.get(c.id, 0)) for c in reader.connections]

    def messages(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics in the order in which they were written."""
        wanted = [c for c in self._reader.connections if c.topic in topics]
        for connection, stamp, data in self._reader.messages_scan(wanted):
            yield connection.topic, connection.msgtype, stamp, data

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class SalvagedSqlite:
    """An SQLite bag without its last pages: all rows up to the first one that is not there.

    Raises:
        BagError: Not even the table of topics is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = sqlite3.connect(f'{path.absolute().as_uri()}?immutable=1', uri=True)
        try:
            # The one switch that lets SQLite open a file with fewer pages than its head says.
            self._database.execute('PRAGMA writable_schema=ON')
            rows = self._database.execute('SELECT id, name, type FROM topics').fetchall()
        except sqlite3.Error as error:
            self._database.close()
            msg = f'{path} is damaged from its beginning on: {error}'
            raise BagError(msg) from error
        self._names = {int(row): (str(name), str(kind)) for row, name, kind in rows}
        counts = dict.fromkeys(self._names, 0)
        for topic in self._until_damage('SELECT topic_id FROM messages ORDER BY id'):
            if topic[0] in counts:
                counts[topic[0]] += 1
        self.topics = [(*self._names[row], counts[row]) for row in self._names]

    def messages(self, topics: Collection[str]) -> Iterator[Message]:
        """Yield the messages of some topics in the order in which they were written."""
        query = 'SELECT topic_id, timestamp, data FROM messages ORDER BY id'
        for topic, stamp, data in self._until_damage(query):
            name, kind = self._names.get(topic, ('', ''))
            if name in topics:
                yield name, kind, int(stamp), bytes(data)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _until_damage(self, query: str) -> Iterator[tuple[int, int, bytes]]:
        try:
            yield from self._database.execute(query)
        except sqlite3.Error:
            return


def _whole_records(file: BinaryIO) -> tuple[int, int]:
    """Return where the first record of an MCAP file begins and the last whole one ends."""
    if file.read(len(_MCAP_MAGIC)) != _MCAP_MAGIC:
        msg = 'it does not begin like an MCAP file'
        raise ValueError(msg)
    size = file.seek(0, 2)
    position = len(_MCAP_MAGIC)
    start = 0
    while position + _CHUNK_HEAD <= size:
        file.seek(position)
        head = file.read(_CHUNK_HEAD)
        end = position + _CHUNK_HEAD + int.from_bytes(head[1:], 'little')
        # Opcode 15 ends the data; what follows is the index.
        if end > size or head[0] == 0x0F:
            break
        position = end
        start = start or position
    if not start:
        msg = 'it ends within its first record'
        raise ValueError(msg)
    return start, position
