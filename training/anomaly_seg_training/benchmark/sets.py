# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a benchmark is made of: items with ground truth, sets of items, where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.images import read_image, read_label_map
from anomaly_seg_ros.registry import Registry
from anomaly_seg_training.data.labelled import DataError, check_labels, check_shapes, translate

NORMAL, ANOMALY = 0, 1


@dataclass(frozen=True)
class Meaning:
    """What the values in the label maps of a set mean; a map may hold no other value.

    Args:
        target: Value in the file -> 0 normal, 1 anomaly, 255 ignored.
        names: Value in the file -> what it stands for, for people.
        classes: Names of the classes that known pixels have; empty without class labels.
        labels: Value in the file -> index in `classes`, 255 where there is none.
    """

    target: Mapping[int, int]
    names: Mapping[int, str]
    classes: tuple[str, ...] = ()
    labels: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BenchmarkItem:
    """One image with ground truth.

    Args:
        name: ``set/image``, unique within its benchmark.
        image_path: The image.
        mask_path: The label map, or the file that holds it.
        meaning: Of the values in the label map.
    """

    name: str
    image_path: Path
    mask_path: Path
    meaning: Meaning = field(compare=False, repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the item is read from."""
        return (self.image_path, self.mask_path)

    def image(self) -> NDArray[np.uint8]:
        """Read the image: (H, W, 3) uint8, RGB.

        Raises:
            ImageError: The file is no image.
        """
        return read_image(self.image_path)

    def values(self) -> NDArray[np.uint8]:
        """Read the label map: (H, W) uint8 with the values of the file, all of them known.

        Raises:
            DataError: It holds a value that the set does not define.
            ImageError: The file is no image of one channel with 8 bits.
        """
        values = read_label_map(self.mask_path)
        check_labels(values, self.meaning.target, str(self.mask_path))
        return values

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the image (H, W, 3) uint8 RGB and its target (H, W) uint8.

        Returns:
            The target is 0 where the pixel is normal, 1 where it is anomalous, 255 where it does
            not count.

        Raises:
            DataError: A label value is not defined, or the sizes differ.
            ImageError: A file is no image, or the label map is coloured or has 16 bits.
        """
        return self._translated(self.meaning.target)

    def read_classes(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the image (H, W, 3) uint8 RGB and its classes (H, W) uint8, 255 = ignored.

        Raises:
            DataError: The set has no class labels; see also `read`.
            ImageError: See `read`.
        """
        if not self.meaning.classes:
            msg = f'{self.name} has no class labels: its masks tell only normal from anomalous'
            raise DataError(msg)
        return self._translated(self.meaning.labels)

    def _translated(self, table: Mapping[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels = translate(self.values(), table, str(self.mask_path))
        image = self.image()
        check_shapes(image, labels, str(self.image_path))
        return image, labels


@dataclass(frozen=True)
class BenchmarkSet:
    """Items that are measured together.

    Args:
        name: As results name it.
        version: SHA-256 of the sorted list of its files with their sizes, in hexadecimal: two
            runs on sets of one version saw the same files.
        items: In the order of their names; at least one.
        protocol: Name of the protocol by which figures on it are published.
        region: ``road`` where only the road counts, ``scene`` where the rest counts too; the two
            are not comparable.
        unknowns: Whether it is meant to hold anomalies; sets without serve for IoU and thresholds.
        default: Whether it is evaluated when sets are not chosen by name.
        published: Number of images of the published set; None where no number is known.
        notes: What a reader of figures should know.
    """

    name: str
    version: str
    items: tuple[BenchmarkItem, ...]
    protocol: str = 'fishyscapes'
    region: str = 'scene'
    unknowns: bool = True
    default: bool = True
    published: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def meaning(self) -> Meaning:
        """What the label values mean."""
        return self.items[0].meaning

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.items)

    def __iter__(self) -> Iterator[BenchmarkItem]:
        """Iterate over the items."""
        return iter(self.items)


def version_of(root: Path, items: Iterable[BenchmarkItem]) -> str:
    """Return the version of a set: a hash that does not depend on where the set lies.

    Args:
        root: Paths are taken relative to this folder.
        items: The items.
    """
    digest = hashlib.sha256()
    files = {file for item in items for file in item.files}
    lines = [f'{file.relative_to(root).as_posix()}\t{file.stat().st_size}\n' for file in files]
    for line in sorted(lines):
        digest.update(line.encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Archive:
    """A file to download.

    Args:
        url: Of the file, or of the page where one registers for it.
        name: Of the file.
        checksum: ``algorithm:hexadecimal`` of the file, empty where none is known.
    """

    url: str
    name: str
    checksum: str = ''


@dataclass(frozen=True)
class Benchmark:
    """A data set that can be measured on: where it comes from and how it is opened.

    Args:
        title: Name and source.
        archives: What to download.
        unpack: Commands, one per line, run in the folder that becomes the root.
        layout: Files as they must lie below the root.
        labels: What is normal, anomalous and ignored, in words.
        open: Takes the root, returns the sets below it.
    """

    title: str
    archives: tuple[Archive, ...]
    unpack: tuple[str, ...]
    layout: tuple[str, ...]
    labels: str
    open: Callable[[Path], list[BenchmarkSet]]


BENCHMARKS: Registry[Benchmark] = Registry('benchmark')


def open_benchmark(name: str, root: Path | str) -> list[BenchmarkSet]:
    """Find the sets of a benchmark; images are read later, one by one.

    Args:
        name: A name of `BENCHMARKS`.
        root: Folder of the data set.

    Raises:
        KeyError: There is no benchmark of that name; the message lists all.
        DataError: The root or a part is missing or empty, or images and label maps do not match.
    """
    benchmark = BENCHMARKS.get(name)
    root = Path(root)
    help_ = f'see `anomaly-seg-lab info --dataset {name}`'
    if not root.is_dir():
        msg = f'{root} is no folder, expected the root of {benchmark.title}: {help_}'
        raise DataError(msg)
    try:
        sets = benchmark.open(root)
    except OSError as error:
        msg = f'cannot read {error.filename or root}: {error.strerror or error}'
        raise DataError(msg) from error
    if not sets:
        found = sorted(p.name for p in root.iterdir() if not p.name.startswith('.'))
        msg = f'{root} holds {found[:6] or "nothing"}, expected {benchmark.layout[0]}: {help_}'
        raise DataError(msg)
    return sets


def folder_among(root: Path, *names: str) -> Path | None:
    """Return the first of the folders below `root` that exists; an empty name is root itself."""
    folders = [root / name for name in names]
    return next((folder for folder in folders if folder.is_dir()), None)


def known(labels: Mapping[int, int]) -> dict[int, int]:
    """Return the target of a map without anomalies: normal wherever there is a class."""
    return {value: IGNORE if label == IGNORE else NORMAL for value, label in labels.items()}
