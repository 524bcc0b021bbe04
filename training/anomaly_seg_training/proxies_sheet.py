# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One page of proxies: alone, in scenes after each alignment, or as each mixer uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import CITYSCAPES, IGNORE
from anomaly_seg_ros.images import read_image
from anomaly_seg_ros.render import contact_sheet
from anomaly_seg_training.alignment import ALIGNERS, TRAINED, StyleAligner, create_aligner
from anomaly_seg_training.data import cityscapes
from anomaly_seg_training.data.labelled import collect
from anomaly_seg_training.pages import check_name, save_page
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
class SheetSettings:
    """What a page shows.

    Args:
        data: Folder of the data sets; Cityscapes' scenes come from it.
        annotations: A file in COCO's format.
        images: Folder of the photographs that it names.
        show: ``aligners``, ``mixers`` or ``objects``.
        rows: Of pictures.
        seed: Of all draws.
        weights: File of each aligner that needs one; aligners without are left out.
        scenes: Folder of frames without labels, None for Cityscapes.
    """

    data: Path
    annotations: Path
    images: Path
    show: str = 'aligners'
    rows: int = 8
    seed: int = 0
    weights: Mapping[str, Path] = field(default_factory=dict)
    scenes: Path | None = None


@dataclass(frozen=True)
class Scene:
    """A street scene; labels are all 255 where there are none."""

    image: Image
    labels: Image


def write_sheet(settings: SheetSettings, out: Path) -> Path:
    """Write the page as an image.

    Returns:
        Its path.

    Raises:
        AnomalySegError: Data is missing or wrong, or the name is no image's.
    """
    check_name(out)
    return save_page(draw_sheet(settings), out)


def draw_sheet(settings: SheetSettings) -> Image:
    """Return the page, (H, W, 3) uint8 RGB; errors as for `write_sheet`."""
    rng = np.random.default_rng(settings.seed)
    place = settings.annotations, settings.images
    if settings.show == 'objects':
        return objects_sheet(read_objects(*place)[: 8 * settings.rows])
    scenes = read_scenes(settings.data, settings.scenes)
    if settings.show == 'aligners':
        aligners = make_aligners(settings.weights)
        return aligners_sheet(read_objects(*place), scenes, aligners, settings.rows, rng)
    found = {'objects': read_objects(*place), 'photographs': read_photographs(*place)}
    return mixers_sheet(found, scenes, settings.rows, rng)


def make_aligners(weights: Mapping[str, Path]) -> dict[str, StyleAligner]:
    """Make every aligner with its defaults, ``none`` first.

    Args:
        weights: File of each aligner in `TRAINED`; without one an aligner is left out.

    Raises:
        LabError: A file cannot be used.
    """
    aligners = {}
    for name in sorted(ALIGNERS, key=_none_first):
        if name not in TRAINED:
            aligners[name] = create_aligner(name)
        elif name in weights:
            aligners[name] = create_aligner(name, {'weights': str(weights[name])})
    return aligners


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
    return contact_sheet([cut_out(p) for p in proxies], 8, [p.category for p in proxies])


def aligners_sheet(
    proxies: Sequence[Proxy],
    scenes: Sequence[Scene],
    aligners: dict[str, StyleAligner],
    rows: int,
    rng: np.random.Generator,
) -> Image:
    """Show an object per row: alone, then in the same place of a scene by each aligner."""
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
    proxies: Mapping[str, Sequence[Proxy]],
    scenes: Sequence[Scene],
    rows: int,
    rng: np.random.Generator,
) -> Image:
    """Show each mixer's pictures, and beside each where it says what is unknown.

    Args:
        proxies: ``objects`` and ``photographs``.
        scenes: To mix them into.
        rows: Of pictures.
        rng: Source of all draws.
    """
    cells, captions = [], []
    for _ in range(rows):
        scene = scenes[int(rng.integers(len(scenes)))]
        height, width = (min(_CROP, side) for side in scene.labels.shape)
        top = int(rng.integers(scene.labels.shape[0] - height + 1))
        left = int(rng.integers(scene.labels.shape[1] - width + 1))
        box = (slice(top, top + height), slice(left, left + width))
        for name in MIXERS:
            mixer = create_mixer(name, proxies[MIXERS.get(name).reads], {'probability': 1.0})
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
