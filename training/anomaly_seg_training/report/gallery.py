# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The worst and best images of a result, with score maps that a page can threshold."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.metrics import PerImageMetrics
from anomaly_seg_ros.selection import select
from anomaly_seg_ros.size import Size
from anomaly_seg_training.benchmark import PROTOCOLS, Protocol
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.evaluation import EvaluationSet, Frame, Model
from anomaly_seg_training.report.levels import (
    Stop,
    codes,
    measured_rates,
    stops,
    stored_rates,
)
from anomaly_seg_training.report.planes import encode_plane
from anomaly_seg_training.resizing import resize_image, resize_labels

RANKS = ('ap', 'auroc', 'fpr95')
"""Figures of one image by which images are ranked."""
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 78, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
_RECALL = 0.95
_RATE = 0.01
_SAME = 1e-3
_MOST_PIXELS = 1 << 26

_Row = Mapping[str, Any]


@dataclass(frozen=True)
class GalleryConfig:
    """Which images a gallery shows.

    Args:
        count: Worst images, and as many best ones, of each set and model.
        rank: One of `RANKS`.
        output: Of the score that is shown, such as ``max_logit+sml``; '' takes for each set that
            with the best AP.
        width: Most pixels of a picture from left to right; larger ones are shrunk.
    """

    count: int = 3
    rank: str = 'ap'
    output: str = ''
    width: int = 1024


@dataclass(frozen=True)
class _Picture:
    """One image as the network gave it: what a tile is made of.

    Args:
        name: The image's.
        image: (H, W, 3) uint8 RGB, at the size of the evaluation.
        score: (H, W) float32, as the protocol ranks it.
        target: (H, W) uint8, as the protocol counts it.
    """

    name: str
    image: NDArray[np.uint8]
    score: NDArray[np.float32]
    target: NDArray[np.uint8]


def chosen_rows(rows: Sequence[_Row], output: str = '') -> list[int]:
    """Return which rows get a gallery: one of each set, model and file.

    Args:
        rows: Of the results, with figures of each image; others are passed over.
        output: See `GalleryConfig`.
    """
    best: dict[tuple[str, ...], int] = {}
    for index, row in enumerate(rows):
        if not row['per_image'] or row['ap'] is None or (output and row['output'] != output):
            continue
        key = (row['bundle'], row['model_hash'], row['set'], row['set_version'], row['size'])
        if key not in best or row['ap'] > rows[best[key]]['ap']:
            best[key] = index
    return sorted(best.values())


def chosen_images(row: _Row, config: GalleryConfig) -> list[tuple[str, str, int]]:
    """Return name, ``worst`` or ``best``, and place from 1 of the images of a gallery.

    Images without an anomaly, or without anything normal, have no figures and no rank.
    """
    sign = -1 if config.rank == 'fpr95' else 1
    ranked = sorted(
        (sign * image[config.rank], image['image'])
        for image in row['per_image']
        if image[config.rank] is not None
    )
    names = [name for _, name in ranked]
    worst = names[: min(config.count, math.ceil(len(names) / 2))]
    best = names[::-1][: min(config.count, len(names) - len(worst))]
    return [
        (name, kind, place)
        for kind, part in (('worst', worst), ('best', best))
        for place, name in enumerate(part, 1)
    ]


def gallery(
    row: _Row,
    found: EvaluationSet,
    model: Model,
    config: GalleryConfig,
    progress: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Run the network on the worst and best images of a result.

    Args:
        row: The result, with figures of each image.
        found: Its set, of the same version.
        model: Its model, of the same hash.
        config: Which images are shown.
        progress: Called with the name of each image.

    Returns:
        For JSON: ``stops`` of the slider, ``marks`` with their names, ``tiles`` and ``notes``
        about figures that are not those of the results.

    Raises:
        KeyError: The protocol is unknown.
        AnomalySegError: An image cannot be read, is not in the set, or the network fails.
    """
    protocol = PROTOCOLS.get(row['protocol'])
    chosen = chosen_images(row, config)
    pictures = {}
    for picture in _pictures(row, found, model, protocol, {name for name, _, _ in chosen}):
        pictures[picture.name] = picture
        progress(picture.name)
    missing = [name for name, _, _ in chosen if name not in pictures]
    if missing:
        msg = f'{found.name} has no image {missing[0]!r}, which the results name'
        raise LabError(msg)
    marks = _marks(row, model)
    places = _stops(row, list(pictures.values()), [value for _, value in marks])
    thresholds = [stop.threshold for stop in places]
    notes: list[str] = []
    tiles = [
        _tile(pictures[name], kind, place, row, thresholds, config.width, notes)
        for name, kind, place in chosen
    ]
    return {
        'stops': [asdict(stop) for stop in places],
        'marks': [
            {'name': name, 'stop': thresholds.index(float(np.float32(value)))}
            for name, value in marks
        ],
        'tiles': tiles,
        'notes': notes,
    }


def _pictures(
    row: _Row, found: EvaluationSet, model: Model, protocol: Protocol, names: Collection[str]
) -> Iterator[_Picture]:
    size = None if row['size'] == 'native' else Size.parse(row['size'])
    if size is not None and size.width * size.height > _MOST_PIXELS:
        msg = f'the results say that images have {size} pixels, expected at most {_MOST_PIXELS}'
        raise LabError(msg)
    others = {image['image'] for image in row['per_image']} - set(names)
    for frame in found.frames(others):
        if frame.name in names and frame.target is not None:
            yield _picture(frame, frame.target, row['output'], model, protocol, size)


def _picture(
    frame: Frame,
    target: NDArray[np.uint8],
    output: str,
    model: Model,
    protocol: Protocol,
    size: Size | None,
) -> _Picture:
    image = resize_image(frame.image, size)
    try:
        score = model.engine.run(image[np.newaxis], (output,))[output][0]
    except AnomalySegError as error:
        msg = f'{frame.name}: {error}'
        raise LabError(msg) from error
    score = protocol.score(score).astype(np.float32, copy=False)
    return _Picture(frame.name, image, score, protocol.target(resize_labels(target, size)))


def _marks(row: _Row, model: Model) -> list[tuple[str, float]]:
    """Return thresholds with a name, for masks that are score > threshold, ascending."""
    found: list[tuple[str, float]] = []
    if row['best_f1_threshold'] is not None:
        below = np.nextafter(np.float32(row['best_f1_threshold']), np.float32(-math.inf))
        found.append(('best F1 of the set', float(below)))
    if row['curves'] is not None:
        rates = stored_rates(row['curves']['roc'])
        recalled = np.flatnonzero(rates.tpr >= _RECALL)
        if recalled.size:
            found.append(('TPR 95 %', float(rates.thresholds[recalled[0]])))
        quiet = np.flatnonzero(rates.fpr <= _RATE)
        if quiet.size:
            found.append(('FPR 1 %', float(rates.thresholds[quiet[-1]])))
    selection = None
    if row['score'] in model.engine.card.scores:
        selection = select(model.engine.card, row['score'], row['refinement'])
    if selection is not None and selection.threshold is not None:
        found.append(("the bundle's threshold", selection.threshold))
    return sorted(found, key=lambda mark: mark[1])


def _stops(row: _Row, pictures: Sequence[_Picture], extra: Sequence[float]) -> list[Stop]:
    maps = [(picture.score, picture.target) for picture in pictures]
    counted = [score[target != 255] for score, target in maps]
    # At the last stop nothing is left of the masks.
    highest = max((float(values.max()) for values in counted if values.size), default=0.0)
    known = row['curves'] is not None
    rates = stored_rates(row['curves']['roc']) if known else measured_rates(maps)
    if rates is None:
        msg = f'the images chosen of {row["set"]} hold no anomaly, or nothing normal'
        raise LabError(msg)
    return stops(rates, [*extra, highest], known)


def _tile(
    picture: _Picture,
    kind: str,
    place: int,
    row: _Row,
    thresholds: Sequence[float],
    width: int,
    notes: list[str],
) -> dict[str, Any]:
    stored = next(image for image in row['per_image'] if image['image'] == picture.name)
    _compare(picture, stored, notes)
    full = Size(picture.image.shape[1], picture.image.shape[0])
    size = full
    if full.width > width:
        size = Size(width, max(round(full.height * width / full.width), 1))
    rows, columns = _sampled(full.height, size.height), _sampled(full.width, size.width)
    sampled = np.ix_(rows, columns)
    truth = picture.target[sampled]
    return {
        'image': picture.name,
        'kind': kind,
        'place': place,
        'width': size.width,
        'height': size.height,
        'full': str(full),
        'photo': _jpeg(resize_image(picture.image, size if size != full else None)),
        'codes': encode_plane(codes(picture.score[sampled], thresholds)),
        # Small values are compressed better than 255.
        'truth': encode_plane(np.where(truth > 1, np.uint8(2), truth)),
        'auroc': stored['auroc'],
        'ap': stored['ap'],
        'fpr95': stored['fpr95'],
    }


def _compare(picture: _Picture, stored: _Row, notes: list[str]) -> None:
    """Note it when the image's figures are not those that were stored."""
    metrics = PerImageMetrics()
    metrics.update(picture.score, picture.target)
    ap = metrics.results[0].ap
    if ap is None or stored['ap'] is None or abs(ap - stored['ap']) > _SAME:
        here = 'none' if ap is None else f'{100 * ap:.2f} %'
        there = 'none' if stored['ap'] is None else f'{100 * stored["ap"]:.2f} %'
        notes.append(
            f'{picture.name}: AP is {here} here and {there} in the results; another engine, '
            'device or number of threads computes other scores'
        )


def _sampled(count: int, kept: int) -> NDArray[np.int64]:
    """Return the indices of evenly spaced pixels: scores are picked, never averaged."""
    return ((np.arange(kept) + 0.5) * count / kept).astype(np.int64)


def _jpeg(image: NDArray[np.uint8]) -> str:
    bgr = np.ascontiguousarray(image[..., ::-1])
    done, content = cv2.imencode('.jpg', bgr, _JPEG)
    if not done:
        msg = 'OpenCV cannot write JPEG'
        raise LabError(msg)
    return base64.b64encode(content.tobytes()).decode('ascii')
