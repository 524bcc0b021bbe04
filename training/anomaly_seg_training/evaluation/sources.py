# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sets to evaluate from benchmarks on disk and from bags."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import final

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources.bag import BagSource
from anomaly_seg_training.benchmark import BenchmarkItem, BenchmarkSet, open_benchmark
from anomaly_seg_training.benchmark.inspection import first_of
from anomaly_seg_training.data.labelled import DataError, check_shapes, replaced, translate
from anomaly_seg_training.evaluation.frames import EvaluationSet, Frame
from anomaly_seg_training.evaluation.image_size import declared_size

_READERS = 4
_KEPT = 1 << 27
"""Bytes of label maps that wait in memory between looking at them and measuring."""
BAG_PROTOCOL = 'fishyscapes'
"""What the evaluator node computes: pixels pooled, first threshold with enough recall."""


def benchmark_sets(
    dataset: str, root: Path | str, names: Sequence[str] | None = None
) -> list[EvaluationSet]:
    """Open the sets of a benchmark; images are read later, one by one.

    Args:
        dataset: A name of `benchmark.BENCHMARKS`.
        root: Folder of the data set.
        names: Of the sets; None takes those that are evaluated by default.

    Raises:
        KeyError: There is no benchmark of that name; the message lists all.
        DataError: The root or a part is missing or empty, images and label maps do not match, or
            there is no set of a name.
    """
    return [of_benchmark(found) for found in choose(open_benchmark(dataset, root), names, root)]


def choose(
    sets: Sequence[BenchmarkSet], names: Sequence[str] | None, root: Path | str
) -> list[BenchmarkSet]:
    """Return sets by name, each once; without names those that are evaluated by default.

    Raises:
        DataError: There is no set of a name.
    """
    if names is None:
        return [found for found in sets if found.default] or list(sets)
    known = {found.name: found for found in sets}
    unknown = [name for name in names if name not in known]
    if unknown:
        msg = f'{root} has no set {unknown[0]!r}, expected one of: {", ".join(known)}'
        raise DataError(msg)
    return [known[name] for name in dict.fromkeys(names)]


def bag_set(path: Path, topic: str | None = None) -> EvaluationSet:
    """Open a bag: its images, with the ground truth that was recorded along.

    Args:
        path: A rosbag2 folder, .mcap or .db3 file.
        topic: The image topic; None when the bag has only one, or `/camera/image`.

    Raises:
        AnomalySegError: It cannot be read, or there is no such topic.
    """
    source = BagSource(path, topic=topic)

    def frames(skip: Collection[str]) -> Iterator[Frame]:
        for frame in source:
            if frame.name not in skip:
                yield Frame(frame.name, frame.image, frame.anomaly, frame.labels)

    return EvaluationSet(
        name=path.resolve().stem,
        version=_version_of_bag(path),
        protocol=BAG_PROTOCOL,
        images=source.expected or 0,
        published=None,
        classes=None,
        notes=(source.description.replace(str(path), path.name),),
        frames=frames,
        check=lambda: None,
        doubts=lambda _: [],
    )


def of_benchmark(found: BenchmarkSet) -> EvaluationSet:
    """Return a set of a benchmark as an evaluation takes it."""
    maps = _LabelMaps(_KEPT)

    def frames(skip: Collection[str]) -> Iterator[Frame]:
        for item in found:
            if _name(item) in skip:
                maps.forget(item)
            else:
                yield _read(item, maps.take(item), found.unknowns)

    return EvaluationSet(
        name=found.name,
        version=found.version,
        protocol=found.protocol,
        images=len(found),
        published=found.published,
        classes=found.meaning.classes,
        notes=found.notes,
        frames=frames,
        check=lambda: _check(found, maps),
        doubts=lambda protocol: protocol.doubts(found),
    )


def _name(item: BenchmarkItem) -> str:
    return item.name.partition('/')[2]


@final
class _LabelMaps:
    """Label maps of a set, which are looked at before anything is computed and measured later.

    Decoding takes longer than everything else that is done to them, so those that fit into a
    little memory are decoded once.
    """

    def __init__(self, memory: int) -> None:
        self._free = memory
        self._lock = Lock()
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def look(self, item: BenchmarkItem) -> NDArray[np.uint8]:
        """Read a map, and keep it if there is room."""
        values = item.values()
        with self._lock:
            if values.nbytes <= self._free and item.name not in self._kept:
                self._free -= values.nbytes
                self._kept[item.name] = values
        return values

    def take(self, item: BenchmarkItem) -> NDArray[np.uint8]:
        """Return the map and keep it no longer; read it unless it was kept."""
        values = self.forget(item)
        return item.values() if values is None else values

    def forget(self, item: BenchmarkItem) -> NDArray[np.uint8] | None:
        """Return the map if it was kept, and keep it no longer."""
        with self._lock:
            values = self._kept.pop(item.name, None)
            self._free += 0 if values is None else values.nbytes
        return values


def _read(item: BenchmarkItem, values: NDArray[np.uint8], unknowns: bool) -> Frame:
    """Read an image and what its label map says."""
    image = item.image()
    check_shapes(image, values, str(item.image_path))
    meaning, what = item.meaning, str(item.mask_path)
    return Frame(
        _name(item),
        image,
        replaced(values, meaning.target) if unknowns else None,
        translate(values, meaning.labels, what) if meaning.classes else None,
    )


def _check(found: BenchmarkSet, maps: _LabelMaps) -> None:
    """Look at all label maps and at the sizes of all images, before hours of computing.

    Raises:
        DataError: A label map cannot be used: the first sentence, and how many follow.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        results = pool.map(lambda item: _problem(item, maps), found)
        problems = tuple(problem for problem in results if problem)
    if problems:
        raise DataError(first_of(problems))


def _problem(item: BenchmarkItem, maps: _LabelMaps) -> str:
    try:
        values = maps.look(item)
        height, width = values.shape
        size = declared_size(item.image_path)
        if size is None or type(item).image is not BenchmarkItem.image:
            check_shapes(item.image(), values, str(item.image_path))
        elif size != Size(width, height):
            # Decoding says which of both is wrong, if the file declares what it does not hold.
            check_shapes(item.image(), values, str(item.image_path))
    except AnomalySegError as error:
        return str(error)
    return ''


def _version_of_bag(path: Path) -> str:
    """Return the version of a bag as data sets have one: files with sizes, wherever they lie."""
    files = [file for file in path.rglob('*') if file.is_file()] if path.is_dir() else [path]
    base = path if path.is_dir() else path.parent
    lines = [f'{file.relative_to(base).as_posix()}\t{file.stat().st_size}\n' for file in files]
    return hashlib.sha256(''.join(sorted(lines)).encode()).hexdigest()
