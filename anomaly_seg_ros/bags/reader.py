# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags as a stream of serialised messages, whatever their form and state."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, final

from rosbags.interfaces import ConnectionExtRosbag2, QosDurability
from rosbags.rosbag2 import Reader, ReaderError

from anomaly_seg_ros.bags.errors import BagError
from anomaly_seg_ros.bags.salvage import Message, SalvagedMcap, SalvagedSqlite
from anomaly_seg_ros.bags.topics import full_type

STORAGE_SUFFIXES = ('.mcap', '.db3')


class Topic(NamedTuple):
    """What a bag says about one topic."""

    name: str
    type_name: str
    messages: int
    latched: bool
    """Whether it was offered as transient local, so that late subscribers get the last one."""


class RawMessage(NamedTuple):
    """One recorded message."""

    topic: str
    type_name: str
    stamp: int
    """Time of recording in nanoseconds."""
    data: bytes
    """CDR."""


class _Part(Protocol):
    """One storage file, or one folder with its metadata."""

    topics: list[tuple[str, str, int]]

    def messages(self, topics: Collection[str]) -> Iterator[Message]: ...

    def close(self) -> None: ...


@final
class Bag:
    """A rosbag2 folder, or one of its ``.mcap`` or ``.db3`` files, with or without metadata.

    Use as a context manager. A truncated bag opens too: `damage` tells what is wrong, and
    `messages` yields everything before the damage and then raises.

    Args:
        path: The folder or file.

    Raises:
        BagError: There is no such bag, or nothing of it can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.damage: str | None = None
        self._latched: set[str] = set()
        self._parts: list[_Part] = []
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def topics(self) -> dict[str, Topic]:
        """All topics by name, in the bag's order."""
        found: dict[str, Topic] = {}
        for part in self._parts:
            for name, type_name, count in part.topics:
                before = found[name].messages if name in found else 0
                kind = full_type(type_name)
                found[name] = Topic(name, kind, before + count, name in self._latched)
        return found

    def of_type(self, *type_names: str) -> list[str]:
        """Return the names of the topics of some types that hold a message."""
        return [t.name for t in self.topics.values() if t.type_name in type_names and t.messages]

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Yield messages in the order of recording.

        Args:
            topics: Names of the topics to read; None for all.

        Raises:
            BagError: The bag is damaged; raised after the last message that could be read.
        """
        wanted = set(self.topics) if topics is None else set(topics)
        count = 0
        try:
            for part in self._parts:
                for topic, type_name, stamp, data in part.messages(wanted):
                    yield RawMessage(topic, full_type(type_name), stamp, data)
                    count += 1
        except _READ_ERRORS as error:
            msg = f'{self.path} is damaged after {count} messages: {error}'
            raise BagError(msg) from error
        if self.damage is not None:
            msg = f'{self.damage}; the {count} messages before that were read'
            raise BagError(msg)

    def close(self) -> None:
        """Close all files."""
        parts, self._parts = self._parts, []
        for part in parts:
            part.close()

    def __enter__(self) -> Bag:
        """Return the bag, which is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bag."""
        self.close()

    def _open(self) -> None:
        path = self.path
        if not path.exists():
            msg = f'{path} does not exist: expected a rosbag2 folder, .mcap or .db3 file'
            raise BagError(msg)
        if path.is_file() and path.suffix not in STORAGE_SUFFIXES:
            hint = '; convert it with rosbags-convert' if path.suffix == '.bag' else ''
            msg = f'{path} is no rosbag2 file: expected .mcap or .db3{hint}'
            raise BagError(msg)
        if path.is_dir() and (path / 'metadata.yaml').is_file():
            try:
                self._parts.append(_Intact(path, self._latched))
            except _READ_ERRORS as error:
                self.damage = f'{path} is damaged or incomplete: {error}'
            else:
                return
        files = [path] if path.is_file() else storage_files(path)
        if not files:
            msg = f'{path} is a folder without .mcap or .db3 files: expected a rosbag2 folder'
            raise BagError(msg)
        for file in files:
            self._parts.append(self._open_file(file))
            if isinstance(self._parts[-1], (SalvagedMcap, SalvagedSqlite)):
                # What follows a file that was cut short would leave a gap in the stream.
                break

    def _open_file(self, file: Path) -> _Part:
        try:
            return _Intact(file, self._latched)
        except _READ_ERRORS as error:
            self.damage = f'{file} is damaged or cut short: {error}'
        return SalvagedMcap(file) if file.suffix == '.mcap' else SalvagedSqlite(file)


def storage_files(folder: Path) -> list[Path]:
    """Return a folder's ``.mcap`` and ``.db3`` files, those of a split bag in their order."""
    files = [p for p in folder.iterdir() if p.suffix in STORAGE_SUFFIXES and p.is_file()]

    def order(path: Path) -> tuple[str, int]:
        head, _, number = path.stem.rpartition('_')
        return (head, int(number)) if number.isdigit() else (path.stem, -1)

    return sorted(files, key=order)


class _Intact:
    """What rosbags itself can open."""

    def __init__(self, path: Path, latched: set[str]) -> None:
        reader = Reader(path)
        reader.open()
        self._reader = reader
        self.topics = [(c.topic, c.msgtype, c.msgcount) for c in reader.connections]
        for connection in reader.connections:
            if isinstance(connection.ext, ConnectionExtRosbag2) and any(
                qos.durability == QosDurability.TRANSIENT_LOCAL
                for qos in connection.ext.offered_qos_profiles
            ):
                latched.add(connection.topic)

    def messages(self, topics: Collection[str]) -> Iterator[Message]:
        wanted = [c for c in self._reader.connections if c.topic in topics]
        if not wanted:
            return
        for connection, stamp, data in self._reader.messages(wanted):
            yield connection.topic, connection.msgtype, stamp, data

    def close(self) -> None:
        self._reader.close()


def _read_errors() -> tuple[type[Exception], ...]:
    import apsw

    # What rosbags lets through from its parsers when a file is damaged.
    return (
        ReaderError, OSError, EOFError, ValueError, TypeError, KeyError, IndexError,
        AssertionError, struct.error, apsw.Error, MemoryError, OverflowError,
    )  # fmt: skip


_READ_ERRORS = _read_errors()
