# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All scores of a stream in bounded memory: sorted runs, the older ones on disk.

Exact figures need every score: a later anomalous pixel can ask how many of the earlier normal
ones lie above it. A full buffer is therefore sorted and written as one run; figures are read off
a merge of the runs, interval by interval, see `anomaly_seg_ros.metrics.sweep`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.metrics.errors import MetricError

SAMPLE = 512
"""Of a run on disk every value of so many is kept in memory, to find places in the run."""
_PORTION = SAMPLE << 10
_BYTES = 4


class Run(Protocol):
    """Ascending float32 values that never change."""

    @property
    def size(self) -> int:
        """The number of values."""

    @property
    def sample(self) -> NDArray[np.float32]:
        """Every `SAMPLE`-th value, the first among them."""

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the values start .. stop - 1."""

    def around(self, value: np.float32) -> tuple[int, int]:
        """Return how many values are lower than `value`, and how many are not higher."""


class MemoryRun:
    """Values in memory.

    Args:
        values: Ascending, without NaN; not copied.
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values = values
        self.size = int(values.size)
        self.sample = values[::SAMPLE]

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return a view of the values start .. stop - 1."""
        return self.values[start:stop]

    def around(self, value: np.float32) -> tuple[int, int]:
        """Return how many values are lower than `value`, and how many are not higher."""
        left = int(np.searchsorted(self.values, value, side='left'))
        right = int(np.searchsorted(self.values, value, side='right'))
        return left, right


class FileRun:
    """Values in a part of a file, read when they are needed.

    Args:
        source: An open file, which stays open, or a path, which is opened for each reading.
        offset: Bytes before the first value.
        size: The number of values, ascending, without NaN.
        sample: Every `SAMPLE`-th value; read from the file when None.
    """

    def __init__(
        self,
        source: BinaryIO | Path,
        offset: int,
        size: int,
        sample: NDArray[np.float32] | None = None,
    ) -> None:
        self.source = source
        self.offset = offset
        self.size = size
        self.sample = self._sampled() if sample is None else sample

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the values start .. stop - 1.

        Raises:
            MetricError: The file cannot be read or is shorter than it should be.
        """
        try:
            if isinstance(self.source, Path):
                with self.source.open('rb', buffering=0) as file:
                    return self._read(file.fileno(), start, stop)
            return self._read(self.source.fileno(), start, stop)
        except OSError as error:
            msg = f'cannot read scores back from {self.name}: {error}'
            raise MetricError(msg) from error

    def around(self, value: np.float32) -> tuple[int, int]:
        """Return how many values are lower than `value`, and how many are not higher."""
        # The place lies behind the last sampled value before it and not behind the next one.
        first, last = (
            int(np.searchsorted(self.sample, value, side)) for side in ('left', 'right')
        )
        start = max(first - 1, 0) * SAMPLE
        values = self.read(start, min(first * SAMPLE, self.size))
        left = start + int(np.searchsorted(values, value, 'left'))
        if last != first:
            start = (last - 1) * SAMPLE
            values = self.read(start, min(last * SAMPLE, self.size))
        return left, start + int(np.searchsorted(values, value, 'right'))

    def _sampled(self) -> NDArray[np.float32]:
        """Read the sample, a portion of the values at a time."""
        sample = np.empty(-(-self.size // SAMPLE), np.float32)
        for start in range(0, self.size, _PORTION):
            portion = self.read(start, min(start + _PORTION, self.size))
            first = start // SAMPLE
            sample[first : first + _PORTION // SAMPLE] = portion[::SAMPLE]
        return sample

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return str(self.source if isinstance(self.source, Path) else 'a temporary file')

    def _read(self, handle: int, start: int, stop: int) -> NDArray[np.float32]:
        values = np.empty(stop - start, np.float32)
        rest = values.view(np.uint8).data
        position = self.offset + _BYTES * start
        while rest:
            done = os.preadv(handle, [rest], position)
            if not done:
                msg = (
                    f'{self.name} ends {len(rest)} bytes early, expected {self.size} scores: it '
                    'was cut short, make it again'
                )
                raise MetricError(msg)
            rest, position = rest[done:], position + done
        return values


class SpillFile:
    """An unnamed temporary file that grows; the system removes it with the process.

    Args:
        folder: Where it lies; None for the system's folder of temporary files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._file: BinaryIO | None = None
        self._size = 0

    def append(self, values: NDArray[np.float32]) -> FileRun:
        """Write ascending values and return the run of them.

        Raises:
            MetricError: They cannot be written; nothing is added then.
        """
        try:
            if self._file is None:
                # Kept open by the runs in it, hence no context manager.
                self._file = tempfile.TemporaryFile(  # noqa: SIM115
                    dir=self._folder, prefix='anomaly-metrics-', buffering=0
                )
            rest, position = values.view(np.uint8).data, self._size
            while rest:
                done = os.pwrite(self._file.fileno(), rest, position)
                rest, position = rest[done:], position + done
        except OSError as error:
            msg = (
                f'cannot keep {values.size} scores in {self._folder}: {error}; free space there, '
                'or choose another folder with TMPDIR'
            )
            raise MetricError(msg) from error
        run = FileRun(self._file, self._size, values.size, values[::SAMPLE].copy())
        self._size = position
        return run


class ScoreRuns:
    """A multiset of scores: a buffer in memory and sorted runs on disk.

    Args:
        capacity: Values to hold in memory before they are written to disk.
        folder: Of the temporary file; None for the system's.
    """

    def __init__(self, capacity: int, folder: Path | None = None) -> None:
        self.capacity = capacity
        self._folder = folder
        self._spill = SpillFile(folder)
        self._runs: list[Run] = []
        # Allocated whole at first use; the system provides pages only as they are written.
        self._buffer: NDArray[np.float32] = np.empty(0, np.float32)
        self._filled = 0
        self._sorted = 0

    @property
    def size(self) -> int:
        """The number of values."""
        return self._filled + sum(run.size for run in self._runs)

    @property
    def buffered(self) -> int:
        """The number of values in memory."""
        return self._filled

    def reserve(self, count: int) -> None:
        """Make room for `count` values, so that adding them cannot fail.

        Raises:
            MetricError: The disk does not take what must make room; nothing is lost then.
        """
        if self._filled + count <= self._buffer.size:
            return
        if self._filled and self._filled + count > self.capacity:
            self._sort()
            self._runs.append(self._spill.append(self._buffer[: self._filled]))
            self._filled = self._sorted = 0
        size = max(self.capacity, count)
        if self._filled or self._buffer.size != size:
            buffer = np.empty(size, np.float32)
            buffer[: self._filled] = self._buffer[: self._filled]
            self._buffer = buffer

    def add(self, values: NDArray[np.float32]) -> None:
        """Add values without NaN.

        Raises:
            MetricError: They do not fit into memory and the disk does not take what is there.
        """
        self.reserve(values.size)
        self._buffer[self._filled : self._filled + values.size] = values
        self._filled += values.size

    def attach(self, runs: Iterable[Run]) -> None:
        """Add runs as they are, without a copy."""
        self._runs.extend(run for run in runs if run.size)

    def merge(self, other: ScoreRuns) -> None:
        """Add everything that `other` holds; runs on disk are shared, they never change."""
        filled = other._filled
        self.reserve(filled)
        self._runs.extend(list(other._runs))
        self.add(other._buffer[:filled])

    def runs(self) -> list[Run]:
        """Return everything as runs; valid until values are added."""
        self._sort()
        memory: list[Run] = [MemoryRun(self._buffer[: self._filled])] if self._filled else []
        return [*self._runs, *memory]

    def __getstate__(self) -> dict[str, Any]:
        """Return the values themselves: another process has neither the file nor the buffer."""
        parts = [run.read(0, run.size) for run in self.runs()]
        return {'capacity': self.capacity, 'folder': self._folder, 'parts': parts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state['capacity'], state['folder'])  # type: ignore[misc]
        for part in state['parts']:
            self.add(part)

    def _sort(self) -> None:
        if self._sorted < self._filled:
            self._buffer[: self._filled].sort()
            self._sorted = self._filled
