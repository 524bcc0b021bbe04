# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``anomaly-seg-lab proxies``: pictures of proxies, before and after, to be looked at."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.images import read_image
from anomaly_seg_training.alignment import ALIGNERS, StyleAligner, create_aligner
from anomaly_seg_training.data import cityscapes, coco
from anomaly_seg_training.data.labelled import collect
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.proxies import (
    MIXERS,
    Proxy,
    create_mixer,
    read_objects,
    read_photographs,
)
from anomaly_seg_training.proxies.paste import Canvas, scaled

Image = NDArray[np.uint8]

_CELL = 240
_SCENES = 8
_CROP = 512


@dataclass(frozen=True)
class Scene:
    """A street scene; labels are all 255 where there are none."""

    image: Image
    labels: Image


def add_proxies_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``proxies``."""
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument('--out', type=Path, required=True, help='the picture to write, .png')
    parser.add_argument(
        '--show', choices=('aligners', 'mixers', 'objects'), default='aligners',
        help='objects in a scene by each alignment, pictures by each mixer, or objects alone '
        '(default: %(default)s)',
    )  # fmt: skip
    parser.add_argument('--rows', type=int, default=8, help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument(
        '--annotations', type=Path, metavar='FILE',
        help="a file in the format of COCO's instances (default: that of coco128 in --data)",
    )  # fmt: skip
    parser.add_argument(
        '--images', type=Path, metavar='DIR', help='the photographs that --annotations names'
    )
    parser.add_argument(
        '--scenes', type=Path, metavar='DIR',
        help='frames without labels (default: cityscapes_mini/train in --data)',
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the picture.

    Raises:
        LabError: Data is missing or wrong, or an argument cannot be used.
    """
    from anomaly_seg_ros.files import atomic_path

    if arguments.rows < 1:
        msg = f'received --rows {arguments.rows}, expected at least 1'
        raise LabError(msg)
    if (arguments.annotations is None) != (arguments.images is None):
        msg = 'received only one of --annotations and --images, expected both or none'
        raise LabError(msg)
    folder = arguments.data / coco.FOLDER
    annotations = arguments.annotations or folder / 'annotations' / 'instances_train2017.json'
    images = arguments.images or folder / 'images' / 'train2017'
    rng = np.random.default_rng(arguments.seed)
    if arguments.show == 'objects':
        sheet = objects_sheet(read_objects(annotations, images)[: 8 * arguments.rows])
    else:
        scenes = read_scenes(arguments.data, arguments.scenes)
        if arguments.show == 'aligners':
            aligners = {name: create_aligner(name) for name in sorted(ALIGNERS, key=_none_first)}
            sheet = aligners_sheet(
                read_objects(annotations, images), scenes, aligners, arguments.rows, rng
            )
        else:
            sheet = mixers_sheet(annotations, images, scenes, arguments.rows, rng)
    with atomic_path(arguments.out) as temporary:
        if not cv2.imwrite(str(temporary), sheet[..., ::-1]):
            msg = f'cannot write {arguments.out}, expected a name that ends in .png'
            raise LabError(msg)
    print(arguments.out)


def read_scenes(data: Path, folder: Path | None) -> list[Scene]:
    """Read the first frames, those of Cityscapes with labels.

    Raises:
        DataError: There are none.
        ImageError: A file is no image.
    """
    if folder is None:
        found = zip(cityscapes.read(data), range(_SCENES), strict=False)
        return [Scene(e.image, e.labels) for e, _ in found if e.labels is not None]
    images = [read_image(path) for path in list(collect(folder).values())[:_SCENES]]
    return [Scene(image, np.full(image.shape[:2], IGNORE, np.uint8)) for image in images]


def objects_sheet(proxies: Sequence[Proxy]) -> Image:
    """Show cut-outs, their background darkened."""
    from anomaly_seg_ros.render import contact_sheet

    return contact_sheet([cut_out(p) for p in proxies], 8, [p.category for p in proxies])


def aligners_sheet(
    proxies: Sequence[Proxy],
    scenes: Sequence[Scene],
    aligners: dict[str, StyleAligner],
    rows: int,
    rng: np.random.Generator,
) -> Image:
    """Show an object per row: alone, then in the same place of a scene by each aligner."""
    from anomaly_seg_ros.render import contact_sheet

    cells, captions = [], []
    for index in rng.permutation(len(proxies))[:rows].tolist():
        scene = scenes[int(rng.integers(len(scenes)))]
        proxy = proxies[index]
        cells.append(cut_out(proxy))
        captions.append(proxy.category)
        side = scene.labels.shape[0] * float(rng.uniform(0.12, 0.35))
        thing = scaled(proxy, side / max(proxy.mask.shape))
        centre = _on_road(scene.labels, thing, rng)
        for name, aligner in aligners.items():
            canvas = Canvas.of(scene.image, scene.labels)
            canvas.put(thing, centre, 0.7, aligner, np.random.default_rng(0))
            cells.append(_around(canvas.image, centre, round(1.8 * max(thing.mask.shape))))
            captions.append(name)
    return contact_sheet(cells, 1 + len(aligners), captions)


def mixers_sheet(
    annotations: Path,
    images: Path,
    scenes: Sequence[Scene],
    rows: int,
    rng: np.random.Generator,
) -> Image:
    """Show each mixer's pictures, and beside each where it says what is unknown."""
    from anomaly_seg_ros.render import contact_sheet

    readers = {'objects': read_objects, 'photographs': read_photographs}
    found = {kind: reader(annotations, images) for kind, reader in readers.items()}
    cells, captions = [], []
    for _ in range(rows):
        scene = scenes[int(rng.integers(len(scenes)))]
        height, width = (min(_CROP, side) for side in scene.labels.shape)
        top = int(rng.integers(scene.labels.shape[0] - height + 1))
        left = int(rng.integers(scene.labels.shape[1] - width + 1))
        box = (slice(top, top + height), slice(left, left + width))
        for name in MIXERS:
            mixer = create_mixer(name, found[MIXERS.get(name).reads], {'probability': 1.0})
            mixed = mixer(scene.image[box].copy(), scene.labels[box].copy(), rng)
            cells += [mixed.image, _explained(mixed.labels, mixed.ood)]
            captions += [name, 'red: unknown, black: ignored']
    return contact_sheet(cells, 2 * len(MIXERS.names()), captions, cell_width=_CELL)


def cut_out(proxy: Proxy) -> Image:
    """Return an object in a cell, its background darkened."""
    image = np.where(proxy.mask[..., None] > 0, proxy.image, proxy.image // 4)
    factor = _CELL / max(proxy.mask.shape)
    size = tuple(max(1, round(side * factor)) for side in proxy.mask.shape[::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _none_first(name: str) -> bool:
    return name != 'none'


def _on_road(labels: Image, thing: Proxy, rng: np.random.Generator) -> tuple[int, int]:
    """Return a middle such that the object stands on the road, else in the lower half."""
    places = np.flatnonzero(np.isin(labels, CITYSCAPES.drivable))
    if len(places):
        row, column = divmod(int(places[rng.integers(len(places))]), labels.shape[1])
    else:
        row = int(rng.integers(labels.shape[0] // 2, labels.shape[0]))
        column = int(rng.integers(labels.shape[1]))
    return row - thing.mask.shape[0] // 2, column


def _around(image: Image, centre: tuple[int, int], side: int) -> Image:
    """Cut a square about a place, moved inside, and scale it to a cell."""
    side = min(side, *image.shape[:2])
    top, left = (
        min(max(middle - side // 2, 0), full - side)
        for middle, full in zip(centre, image.shape[:2], strict=True)
    )
    part = image[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > _CELL else cv2.INTER_CUBIC
    return cv2.resize(part, (_CELL, _CELL), interpolation=method).astype(np.uint8, copy=False)


def _explained(labels: Image, ood: NDArray[np.bool_]) -> Image:
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(CITYSCAPES)] = CITYSCAPES.palette
    picture = palette[labels] // 2
    picture[ood] = (255, 40, 40)
    return picture
