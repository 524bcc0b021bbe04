# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that are whole or absent."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from types import TracebackType
from typing import final

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from anomaly_seg_ros.bags.errors import BagError
from anomaly_seg_ros.bags.messages import typestore

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}

_FOREVER = QosTime(2147483647, 4294967295)
RELIABLE = Qos(
    history=QosHistory.KEEP_LAST,
    depth=1,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.VOLATILE,
    deadline=_FOREVER,
    lifespan=_FOREVER,
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=_FOREVER,
    avoid_ros_namespace_conventions=False,
)


@final
class BagWriter:
    """Writes a rosbag2 folder beside its place and renames it into it when closed.

    Use as a context manager. When the block raises, nothing is left behind.

    Args:
        path: The folder to make.
        storage: ``'mcap'`` or ``'sqlite3'``.
        overwrite: Replace an existing bag, once the new one is complete.

    Raises:
        BagError: The path exists (or is something else than a bag), the storage is unknown or the
            disk refuses.
    """

    def __init__(
        self, path: Path | str, *, storage: str = 'mcap', overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        if storage not in STORAGES:
            msg = f'received the storage {storage!r}, expected one of: {", ".join(STORAGES)}'
            raise BagError(msg)
        if self.path.exists():
            if not overwrite:
                msg = f'{self.path} exists: remove it, or ask for it to be overwritten'
                raise BagError(msg)
            if not (self.path / 'metadata.yaml').is_file():
                msg = f'{self.path} is no bag, so it is not overwritten: choose another name'
                raise BagError(msg)
        self._storage = STORAGES[storage]
        self._connections: dict[str, Connection] = {}
        self._writer: Writer | None = None
        self._folder = Path()

    @property
    def empty(self) -> bool:
        """Whether nothing has been written yet."""
        return not self._connections

    def __enter__(self) -> BagWriter:
        """Open the bag beside its place."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            prefix = f'.{self.path.name}-'
            self._folder = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=prefix))
            # Files inside a bag carry its name, hence a folder of that name inside another.
            self._writer = Writer(
                self._folder / self.path.name, version=9, storage_plugin=self._storage
            )
            self._writer.open()
        except OSError as error:
            self._discard()
            msg = f'cannot write {self.path}: {error.strerror or error}'
            raise BagError(msg) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Rename the bag into its place, or remove what was written."""
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, topic: str, type_name: str, stamp: int, data: bytes | memoryview) -> None:
        """Write one message.

        Args:
            topic: Topic name.
            type_name: ``package/msg/Name``; the same for all messages of a topic.
            stamp: Time of recording in nanoseconds.
            data: The message as CDR.

        Raises:
            BagError: The type is unknown or the disk refuses.
        """
        if self._writer is None:
            msg = f'{self.path} is not open'
            raise BagError(msg)
        try:
            connection = self._connections.get(topic)
            if connection is None:
                if type_name not in typestore().types:
                    msg = f'cannot record {topic}: {type_name} is not a message type of ROS 2'
                    raise BagError(msg)
                connection = self._writer.add_connection(
                    topic, type_name, typestore=typestore(), offered_qos_profiles=[RELIABLE]
                )
                self._connections[topic] = connection
            self._writer.write(connection, stamp, data)
        except (OSError, sqlite3.Error) as error:
            msg = f'cannot write {self.path}: {error}'
            raise BagError(msg) from error

    def close(self) -> None:
        """Finish the bag and rename it into its place.

        Raises:
            BagError: Nothing was written or the disk refuses; nothing is left behind then.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            if not self._connections:
                msg = f'no message was written to {self.path}: a bag needs at least one'
                raise BagError(msg)
            writer.close()
            if self.path.exists():
                # Two renames: at no moment is there half a bag under the final name.
                self.path.rename(self._folder / 'replaced')
            (self._folder / self.path.name).rename(self.path)
        except (OSError, sqlite3.Error) as error:
            msg = f'cannot write {self.path}: {error}'
            raise BagError(msg) from error
        finally:
            self._discard()

    def abort(self) -> None:
        """Remove everything that was written."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abort()
            self._discard()

    def _discard(self) -> None:
        if self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)
