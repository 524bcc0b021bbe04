# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is generated, on disk: shards that are whole or absent, each with its own index.

A shard is a zip file without compression: ``index.json`` and, for item i, ``i.image.png``,
``i.labels.png`` and ``i.region.png``. Everything that is known of an item is in its shard, so a
killed run has nothing to repair.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.files import atomic_path, write_json
from anomaly_seg_ros.images import ImageError, decode_image, decode_label_map
from anomaly_seg_training.mgu.errors import MguError

MANIFEST = 'manifest.json'
FORMAT = 1
NOT, FLIPPED, NEVER, STILL = range(4)
"""Codes of a region map: outside of the region; was right and is wrong in the stored image; was
wrong from the start; still right."""
_MAX_INDEX = 16 * 2**20


@dataclass(frozen=True)
class Record:
    """What is known of one item.

    Args:
        name: Of the frame that it was made from.
        label: The adversarial class.
        pixels: Of the region.
        right: Pixels that were right at the start.
        flipped: Of these, wrong after the updates.
        kept: Of these, wrong in the stored image of 8 bits.
        iterations: Updates.
        l2: Root mean square over the pixels that were right of the Euclidean length, over three
            channels, of what they moved, in 8-bit steps; in the stored image.
        l_inf: Largest change of a channel there.
    """

    name: str
    label: int
    pixels: int
    right: int
    flipped: int
    kept: int
    iterations: int
    l2: float
    l_inf: float


@dataclass(frozen=True)
class Item:
    """A generated image.

    Args:
        record: Where it comes from.
        image: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8 labels of the frame, the region's included; 255 = ignore.
        region: (h, w) uint8, see `FLIPPED` and its like.
    """

    record: Record
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    region: NDArray[np.uint8]


@dataclass(frozen=True)
class Index:
    """The index of a shard: items, and jobs of which nothing could be made, with the reason."""

    items: tuple[Record, ...]
    rejected: tuple[tuple[str, int, str], ...]


def shard_path(folder: Path, number: int) -> Path:
    """Return where a shard lies."""
    return folder / f'shard-{number:05d}.zip'


def shards(folder: Path) -> list[Path]:
    """Return the shards of a folder, in the order in which they were written."""
    return sorted(folder.glob('shard-*.zip'))


def write_shard(
    path: Path, items: Sequence[Item], rejected: Sequence[tuple[str, int, str]]
) -> None:
    """Write a shard.

    Raises:
        MguError: The disk takes no more; what was there stays.
    """
    index = {
        'format': FORMAT,
        'items': [asdict(item.record) for item in items],
        'rejected': [list(entry) for entry in rejected],
    }
    try:
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, 'w') as archive:
            for number, item in enumerate(items):
                for name, values in (
                    ('image', item.image[..., ::-1]),
                    ('labels', item.labels),
                    ('region', item.region),
                ):
                    _, data = cv2.imencode('.png', np.ascontiguousarray(values))
                    archive.writestr(_entry(number, name), data.tobytes())
            archive.writestr('index.json', json.dumps(index))
    except OSError as error:
        msg = (
            f'cannot write {path}: {error.strerror or error}; free space there and run the same '
            'command again, which keeps what is written'
        )
        raise MguError(msg) from error


def save_json(path: Path, content: Any) -> None:
    """Write JSON as `write_shard` writes a shard.

    Raises:
        MguError: The disk takes no more.
    """
    try:
        write_json(path, content)
    except OSError as error:
        msg = (
            f'cannot write {path}: {error.strerror or error}; free space there and run the same '
            'command again, which keeps what is written'
        )
        raise MguError(msg) from error


def read_index(path: Path) -> Index:
    """Read what a shard holds.

    Raises:
        MguError: It is no shard.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(_member(archive, 'index.json', _MAX_INDEX))
        names = {entry.name: entry.type for entry in fields(Record)}
        if content['format'] != FORMAT:
            msg = f'format {content["format"]}, expected {FORMAT}'
            raise ValueError(msg)
        items = tuple(
            Record(**{name: entry[name] for name in names}) for entry in content['items']
        )
        rejected = tuple((str(n), int(c), str(why)) for n, c, why in content['rejected'])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        msg = f'{path} is no shard of generated images ({error}): remove it and generate again'
        raise MguError(msg) from error
    return Index(items, rejected)


def read_items(path: Path) -> Iterator[Item]:
    """Yield the items of a shard.

    Raises:
        MguError: It is no shard, or an image in it is damaged.
    """
    for number, record in enumerate(read_index(path).items):
        try:
            with zipfile.ZipFile(path) as archive:
                files = {
                    name: _member(archive, _entry(number, name))
                    for name in ('image', 'labels', 'region')
                }
            what = f'{path}, item {number}'
            image = decode_image(files['image'], what)
            labels, region = (decode_label_map(files[n], what) for n in ('labels', 'region'))
        except (OSError, zipfile.BadZipFile, KeyError, ImageError) as error:
            msg = f'{path} is damaged ({error}): remove it and generate again'
            raise MguError(msg) from error
        if not image.shape[:2] == labels.shape == region.shape:
            msg = f'{path}, item {number}: image, labels and region differ in size: remove it'
            raise MguError(msg)
        yield Item(record, image, labels, region)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a finished generation.

    Raises:
        MguError: There is none.
    """
    try:
        content: dict[str, Any] = json.loads((folder / MANIFEST).read_text('utf-8'))
        if not isinstance(content['classes'], list) or content['format'] != FORMAT:
            msg = f'another format than {FORMAT}'
            raise ValueError(msg)
    except (OSError, KeyError, TypeError, ValueError) as error:
        msg = (
            f'{folder} holds no {MANIFEST} of generated images ({error}): run `generate mgu` to '
            'its end first'
        )
        raise MguError(msg) from error
    return content


def _entry(number: int, name: str) -> str:
    return f'{number}.{name}.png'


def _member(archive: zipfile.ZipFile, name: str, limit: int = 256 * 2**20) -> bytes:
    """Read a file of an archive that nobody vouches for."""
    size = archive.getinfo(name).file_size
    if size > limit:
        msg = f'{name} declares {size} bytes, expected at most {limit}'
        raise ValueError(msg)
    return archive.read(name)
