# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images with label maps on disk: found in pairs, read strictly, values translated.

Every reader, of training data and of benchmarks, comes through here, so that nothing that does
not belong gets past one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.images import IMAGE_SUFFIXES, read_image, read_label_map
from anomaly_seg_training.errors import LabError


class DataError(LabError):
    """A data set is missing or does not hold what its reader expects."""


def collect(
    folder: Path,
    ending: str = '',
    suffixes: Collection[str] = IMAGE_SUFFIXES,
    *,
    deep: bool = False,
) -> dict[str, Path]:
    """Find the images or the label maps of a folder.

    Args:
        folder: Where they are.
        ending: What every name ends with before its suffix; files without it are passed over.
        suffixes: In lower case, with the dot.
        deep: They are in sub-folders of the folder, one level below.

    Returns:
        Files by name without ending and suffix, sorted; with `deep` ``sub-folder/name``. Hidden
        files are passed over.

    Raises:
        DataError: The folder is missing or holds none, or two files differ in their suffix only.
    """
    if not folder.is_dir():
        msg = f'there is no folder {folder}: pass the folder that holds the data sets'
        raise DataError(msg)
    found: dict[str, Path] = {}
    for file in sorted(folder.glob('*/*' if deep else '*')):
        if file.name.startswith('.') or file.suffix.lower() not in suffixes:
            continue
        if not file.stem.endswith(ending):
            continue
        stem = file.stem.removesuffix(ending)
        key = f'{file.parent.name}/{stem}' if deep else stem
        if key in found:
            msg = f'{found[key]} and {file} have the same name, expected one of them'
            raise DataError(msg)
        found[key] = file
    if not found:
        what = f'files like {"*/" if deep else ""}*{ending}{{{",".join(list(suffixes)[:4])}}}'
        msg = f'{folder} holds no image or label map, expected {what}'
        raise DataError(msg)
    return dict(sorted(found.items()))


def match(
    images: Mapping[str, Path], labels: Mapping[str, Path], expected: str
) -> list[tuple[str, Path, Path]]:
    """Put images and label maps of the same name together.

    Args:
        images: By name, as `collect` gives them.
        labels: By name.
        expected: Where the label map of the name ``{}`` is expected, for messages.

    Returns:
        (name, image, label map), in the order of `images`.

    Raises:
        DataError: An image has no label map, or a label map no image.
    """
    bare = [name for name in images if name not in labels]
    if bare:
        msg = f'{images[bare[0]]} has no label map {expected.format(bare[0])}{_more(bare)}'
        raise DataError(msg)
    strays = [name for name in labels if name not in images]
    if strays:
        msg = (
            f'the label map {labels[strays[0]]} has no image{_more(strays)}: remove one or add one'
        )
        raise DataError(msg)
    return [(name, image, labels[name]) for name, image in images.items()]


def pairs(images: Path, labels: Path, suffix: str = '.png') -> list[tuple[Path, Path]]:
    """Return (image, label map) files of the same stem, sorted.

    Raises:
        DataError: A folder is missing or empty, an image has no label map or the reverse.
    """
    found = match(collect(images), collect(labels, '', (suffix,)), f'{labels}/{{}}{suffix}')
    return [(image, target) for _, image, target in found]


def read_labelled(
    image_file: Path, label_file: Path, table: Mapping[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read an image and its label map, values translated.

    Args:
        image_file: The image.
        label_file: The label map.
        table: Value in the file -> value to return; it may hold no other.

    Returns:
        (H, W, 3) uint8 RGB and (H, W) uint8.

    Raises:
        DataError: Another value, or the sizes differ.
        ImageError: A file is no image, or the label map is coloured or has 16 bits.
    """
    labels = translate(read_label_map(label_file), table, str(label_file))
    image = read_image(image_file)
    check_shapes(image, labels, str(image_file))
    return image, labels


def translate(labels: NDArray[np.uint8], table: Mapping[int, int], what: str) -> NDArray[np.uint8]:
    """Return labels with every value replaced by its entry in the table.

    Raises:
        DataError: There are values without an entry.
    """
    check_labels(labels, table, what)
    return replaced(labels, table)


def replaced(labels: NDArray[np.uint8], table: Mapping[int, int]) -> NDArray[np.uint8]:
    """Return labels of which all values are known to be in the table as `translate` does."""
    lookup = np.zeros(256, np.uint8)
    lookup[list(table)] = list(table.values())
    # Five times as fast as indexing.
    return cv2.LUT(labels, lookup).astype(np.uint8, copy=False) if labels.size else labels


def check_labels(labels: NDArray[np.uint8], allowed: Collection[int], what: str) -> None:
    """Refuse label values that the data set does not define.

    Raises:
        DataError: There are others; the message lists them and what is defined.
    """
    if not labels.size:
        return
    # It tells which values occur in a quarter of the time of counting them.
    occurs = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel() > 0
    unknown = [value for value in np.flatnonzero(occurs).tolist() if value not in allowed]
    if unknown:
        counts = np.bincount(labels.ravel(), minlength=256)
        msg = (
            f'{what} holds the label values {unknown[:8]} ({counts[unknown].sum()} pixels), '
            f'expected only {spell(allowed)}'
        )
        raise DataError(msg)


def check_shapes(image: NDArray[np.uint8], labels: NDArray[np.uint8], what: str) -> None:
    """Refuse a label map of another size than its image.

    Raises:
        DataError: The sizes differ.
    """
    if image.shape[:2] != labels.shape:
        msg = (
            f'{what}: the image is {image.shape[1]}x{image.shape[0]} and its label map '
            f'{labels.shape[1]}x{labels.shape[0]}, expected equal sizes'
        )
        raise DataError(msg)


def spell(values: Iterable[int]) -> str:
    """Return values as people write them.

    >>> spell([0, 1, 2, 3, 255])
    '0-3, 255'
    """
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    texts = [f'{r[0]}-{r[-1]}' if len(r) > 2 else ', '.join(map(str, r)) for r in runs]
    return ', '.join(texts)


def _more(names: list[str]) -> str:
    return f' (nor have {len(names) - 1} others)' if len(names) > 1 else ''
