# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Proxies out of files in COCO's format: unknown objects, or photographs without known ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.images import read_image
from anomaly_seg_training.data.coco_instances import Annotations, mask_of, read_annotations
from anomaly_seg_training.data.labelled import DataError
from anomaly_seg_training.proxies.base import Proxy, ProxyError
from anomaly_seg_training.recipe_file import Recipe, require

ALSO_CALLED = {
    'person': ('rider', 'pedestrian', 'bicyclist'),
    'bicycle': ('bicyclist', 'vehicle'),
    'car': ('vehicle',),
    'motorcycle': ('motorcyclist', 'vehicle'),
    'bus': ('car', 'truck', 'vehicle'),
    'truck': ('car', 'bus', 'vehicle'),
    'train': ('vehicle',),
    'stop sign': ('traffic sign', 'sign', 'sign symbol'),
    'potted plant': ('vegetation', 'tree'),
    'tree': ('vegetation',),
}
"""Category of a photograph -> classes of segmenters that hold it, or things much like it."""
OTHER_NAMES = {
    'person': (
        'man', 'woman', 'boy', 'girl', 'child', 'baby', 'people', 'pedestrian', 'cyclist',
        'bicyclist', 'motorcyclist', 'rider', 'human', 'human body', 'human head', 'human face',
        'human hair', 'human arm', 'human hand', 'human leg', 'human foot',
    ),
    'bicycle': ('bike', 'push bike'),
    'car': (
        'automobile', 'auto', 'vehicle', 'land vehicle', 'motor vehicle', 'suv', 'van', 'minivan',
        'jeep', 'taxi', 'cab', 'limousine', 'convertible', 'sports car', 'race car', 'formula 1',
        'passenger car', 'police car', 'police cruiser', 'ambulance', 'camper', 'caravan',
    ),
    'motorcycle': ('motorbike', 'scooter', 'motor scooter', 'moped', 'dirt bike'),
    'bus': ('minibus', 'school bus', 'coach', 'double decker'),
    'truck': (
        'pickup truck', 'pickup', 'heavy truck', 'lorry', 'fire truck', 'fire engine', 'tow truck',
        'trailer truck', 'garbage truck', 'dump truck',
    ),
    'train': (
        'tram', 'trolley', 'streetcar', 'bullet train', 'railcar', 'passenger car', 'freight car',
        'cabin car', 'locomotive',
    ),
    'traffic light': ('traffic lights', 'traffic signal', 'stoplight'),
    'stop sign': (
        'street sign', 'road sign', 'traffic sign', 'speed limit sign', 'crosswalk sign',
    ),
    'fire hydrant': ('fireplug', 'hydrant'),
    'potted plant': ('pottedplant', 'plant', 'houseplant', 'flowerpot'),
    'tree': ('palm tree', 'christmas tree', 'maple', 'willow'),
    'pole': ('street light', 'street lights', 'streetlight', 'lamppost', 'telephone pole'),
    'building': ('house', 'skyscraper', 'office building', 'convenience store', 'tower'),
}  # fmt: skip
"""Name of COCO or Cityscapes -> what LVIS, Objects365, Open Images and others call such things.

Too loose for labels, so it only tells what is not unknown: Objects365's trolley may be a cart.
"""
LIKE_STREET = ('fire hydrant', 'parking meter', 'bench', 'potted plant')
"""COCO's categories that streets hold things much like, whether or not a class names them."""

_ONE_PART = 0.95
_QUALIFIER = re.compile(r'[\s_]*\([^()]*\)\s*$')
"""What LVIS and Open Images add to a name: ``car_(automobile)``, ``Bat (Animal)``."""
_RING = np.ones((5, 5), np.uint8)


@dataclass(frozen=True)
class ProxyRules(Recipe):
    """Which annotated objects may stand in for the unknown.

    An object counts as not occluded if it is no crowd, is in one part (what stands in front of an
    object often splits it), keeps `margin` pixels from the border of its photograph, and at most
    `contact` of the pixels around its outline, and of those inside it, belong to other annotated
    objects. Nothing says which of two that touch is in front, so both are left out.

    Args:
        classes: What the segmenter knows; categories of the same name, of one that `OTHER_NAMES`
            holds, or held by such a class as `ALSO_CALLED` tells, are dropped.
        also_drop: Names of further categories to drop.
        drop_ids: Category ids to drop, for files that name no categories, or not all.
        min_area: Pixels of an object in its photograph; smaller ones are blurs.
        min_side: Pixels of an object's shorter side.
        margin: Pixels between an object and its photograph's border.
        contact: Share of the surrounding, or inner, pixels that other objects may cover; 1 does
            not ask.
        one_part: Leave out objects whose largest part holds less than 0.95 of them.
        limit: Objects, or photographs, at most; 0 for all. Where there are more, photographs are
            taken in an order drawn from `seed`.
        seed: Of that order.
        trim: Pixels that are taken off around each object: outlines are drawn by hand, and what
            was behind the object would shine along its edge.
    """

    classes: list[str] = field(default_factory=lambda: list(CITYSCAPES.names))
    also_drop: list[str] = field(default_factory=lambda: list(LIKE_STREET))
    drop_ids: list[int] = field(default_factory=list)
    min_area: float = 1500.0
    min_side: int = 24
    margin: int = 2
    contact: float = 0.2
    one_part: bool = True
    trim: int = 1
    limit: int = 5000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.require_at_least(0, 'min_area', 'trim', 'limit', 'seed')
        self.require_at_least(1, 'min_side', 'margin')
        self.require_share('contact')
        for key in ('classes', 'also_drop'):
            good = all(isinstance(name, str) for name in getattr(self, key))
            require(good, key, getattr(self, key), 'names')

    def dropped(self, names: dict[int, str], what: str) -> frozenset[int]:
        """Return the category ids that are no stand-in for the unknown.

        Args:
            names: Category id -> name, as the file tells.
            what: The file, for the error message.

        Raises:
            ProxyError: Names are to be dropped but the file tells none.
        """
        if (self.classes or self.also_drop) and not names:
            msg = (
                f'{what} names no categories, so what the segmenter knows cannot be told apart: '
                'add them, or give drop_ids and leave classes and also_drop empty'
            )
            raise ProxyError(msg)
        known = {_plain(name) for name in self.classes}
        further = {_plain(name) for name in self.also_drop}
        found = set(self.drop_ids)
        for category, name in names.items():
            words = _names(name)
            holders = {holder for word in words for holder in ALSO_CALLED.get(word, ())}
            if (words | holders) & known or words & further:
                found.add(category)
        return frozenset(found)


def read_objects(
    annotations: Path,
    images: Path,
    rules: ProxyRules | None = None,
) -> list[Proxy]:
    """Cut out the objects of a COCO-format file that no class describes and nothing hides.

    Args:
        annotations: The file, ``instances_*.json``; outlines are polygons or runs.
        images: Folder of the photographs that it names.
        rules: Which objects; None for the defaults.

    Raises:
        DataError: The file is not in COCO's format, holds no outline or, where names decide, an
            object of a category that it does not list, or a photograph is missing or of another
            size.
        ProxyError: The rules leave no object.
        ImageError: A photograph is no image.
    """
    rules = rules or ProxyRules()
    content, dropped = _open(annotations, images, rules)

    def wanted(item: dict[str, Any]) -> bool:
        good = item['category_id'] not in dropped and item['area'] >= rules.min_area
        return good and bool(item['segmentation']) and not item['iscrowd']

    chosen_of = {
        name: chosen
        for name, items in content.objects.items()
        if (chosen := [index for index, item in enumerate(items) if wanted(item)])
    }
    found: list[Proxy] = []
    for name in _order(list(chosen_of), sum(map(len, chosen_of.values())), rules):
        if not rules.limit or len(found) < rules.limit:
            chosen = chosen_of[name]
            photograph = _photograph(images, name, content)
            found += _cut(photograph, content, name, chosen, rules, annotations)
    if not found:
        count = sum(map(len, content.objects.values()))
        msg = (
            f'none of the {count} objects of {annotations} is left: all are known, small, cut off '
            'or hidden by the rules; loosen the rules or take another file'
        )
        raise ProxyError(msg)
    return found[: rules.limit or None]


def read_known_objects(
    annotations: Path, images: Path, classes: Sequence[str], rules: ProxyRules | None = None
) -> list[Proxy]:
    """Cut out the objects of a COCO-format file that the segmenter knows, with their labels.

    Args:
        annotations: As for `read_objects`.
        images: As for `read_objects`.
        classes: The segmenter's; an object belongs to the class of its category's name, or to the
            first that holds it as `ALSO_CALLED` tells. What streets hold things much like is left
            out.
        rules: Further rules; which categories are dropped is not asked for.

    Raises:
        DataError: As `read_objects`.
        ProxyError: No object is left, or the file names no categories.
        ImageError: A photograph is no image.
    """
    rules = rules or ProxyRules()
    content = read_annotations(annotations)
    if not content.names:
        msg = f'{annotations} names no categories, so no object has a known class: add them'
        raise ProxyError(msg)
    _require_listed(content, rules.drop_ids, annotations)
    places = {_plain(name): index for index, name in reversed(list(enumerate(classes)))}
    labels: dict[str, int] = {}
    others = [category for category in rules.drop_ids if category not in content.names]
    for category, name in content.names.items():
        plain = _plain(name)
        words = [word for word in (plain, *ALSO_CALLED.get(plain, ())) if word in places]
        if words and plain not in LIKE_STREET:
            labels[name] = places[words[0]]
        else:
            others.append(category)
    rules = replace(rules, classes=[], also_drop=[], drop_ids=others)
    objects = read_objects(annotations, images, rules)
    return [replace(proxy, label=labels[proxy.category]) for proxy in objects]


def read_photographs(
    annotations: Path,
    images: Path,
    rules: ProxyRules | None = None,
    *,
    min_side: int = 0,
) -> list[Proxy]:
    """Read the whole photographs of a COCO-format file that show nothing that the segmenter knows.

    Masks are 1 on all annotated objects, crowds included (Chan et al. 2021, MaxEnt). Of the rules
    only the categories, the limit and its seed count.

    Args:
        annotations: The file, ``instances_*.json``.
        images: Folder of the photographs that it names.
        rules: Which categories are known; None for the defaults.
        min_side: Least width and height of a photograph; the paper asks for its crop's, 480.

    Raises:
        DataError: As `read_objects`.
        ProxyError: No photograph is left.
        ImageError: A photograph is no image.
    """
    rules = rules or ProxyRules()
    content, dropped = _open(annotations, images, rules)
    unknown = [
        name
        for name, items in content.objects.items()
        if any(item['segmentation'] for item in items)
        and not any(item['category_id'] in dropped for item in items)
    ]
    found: list[Proxy] = []
    for name in _order(unknown, len(unknown), rules):
        if rules.limit and len(found) >= rules.limit:
            break
        items = [item for item in content.objects[name] if item['segmentation']]
        photograph = _photograph(images, name, content)
        if min(photograph.shape[:2]) < min_side:
            continue
        masks = [_mask(item, photograph.shape[:2], annotations, name) for item in items]
        mask = np.bitwise_or.reduce(masks)
        if mask.any():
            words = {content.names.get(item['category_id'], '') for item in items}
            found.append(Proxy(photograph, mask, name, ', '.join(sorted(words))))
    if not found:
        msg = (
            f'none of the {len(content.objects)} photographs of {annotations} is left: all show '
            f'known classes, no outlined object, or are smaller than {min_side}'
        )
        raise ProxyError(msg)
    return found


def _open(
    annotations: Path, images: Path, rules: ProxyRules
) -> tuple[Annotations, frozenset[int]]:
    content = read_annotations(annotations)
    if not images.is_dir():
        msg = f'there is no folder {images}, expected the photographs that {annotations} names'
        raise DataError(msg)
    items = [item for objects in content.objects.values() for item in objects]
    if items and not any(item['segmentation'] for item in items):
        msg = (
            f'{annotations} outlines none of its {len(items)} objects, expected polygons or runs: '
            'boxes alone are not enough'
        )
        raise DataError(msg)
    dropped = rules.dropped(content.names, str(annotations))
    if rules.classes or rules.also_drop:
        _require_listed(content, rules.drop_ids, annotations)
    return content, dropped


def _require_listed(content: Annotations, dropped: Sequence[int], annotations: Path) -> None:
    """Refuse objects of which nothing tells whether they are known.

    Args:
        content: Of the file.
        dropped: Ids that are left out without a name.
        annotations: The file, for the error message.

    Raises:
        DataError: An object's category is neither listed nor left out.
    """
    told = {*content.names, *dropped}
    for name, items in content.objects.items():
        for item in items:
            if item['category_id'] not in told:
                msg = (
                    f'{annotations}, image {name}: the annotation with the id {item["id"]} has '
                    f'the category_id {item["category_id"]!r}, which is none of the '
                    f'{len(content.names)} listed categories: list it, or add it to drop_ids'
                )
                raise DataError(msg)


def _order(names: list[str], count: int, rules: ProxyRules) -> Iterable[str]:
    """Return photographs in their file's order, or in a drawn one where some are left out."""
    if 0 < rules.limit < count:
        order = np.random.default_rng(rules.seed).permutation(len(names))
        names = [names[index] for index in order]
    bar: Iterable[str] = tqdm(names, desc='proxies', unit='image', disable=None)
    return bar


def _photograph(images: Path, name: str, content: Annotations) -> NDArray[np.uint8]:
    inside = PurePosixPath(name)
    if inside.is_absolute() or '..' in inside.parts:
        msg = f'received the file name {name!r}, expected one inside the folder {images}'
        raise DataError(msg)
    photograph = read_image(images / name)
    told = content.shapes.get(name, photograph.shape[:2])
    if told != photograph.shape[:2]:
        msg = (
            f'{images / name} is {photograph.shape[1]}x{photograph.shape[0]}, its annotations say '
            f'{told[1]}x{told[0]}: take the photographs that they were made for'
        )
        raise DataError(msg)
    return photograph


def _mask(
    item: dict[str, Any], shape: tuple[int, ...], annotations: Path, name: str
) -> NDArray[np.uint8]:
    try:
        return mask_of(item, (shape[0], shape[1]))
    except (ValueError, TypeError, KeyError) as error:
        msg = f'{annotations}, image {name}: an outline is not in the format of COCO ({error})'
        raise DataError(msg) from error


def _cut(
    photograph: NDArray[np.uint8],
    content: Annotations,
    name: str,
    chosen: list[int],
    rules: ProxyRules,
    annotations: Path,
) -> Iterator[Proxy]:
    items = content.objects[name]

    def draw(index: int) -> NDArray[np.uint8]:
        return _mask(items[index], photograph.shape, annotations, name)

    covering = _covering(draw, len(items)) if rules.contact < 1 else None
    for index in chosen:
        mask = draw(index)
        if not mask.any() or _is_cut_off(mask, rules.margin):
            continue
        if covering is not None and _contact(mask, covering) > rules.contact:
            continue
        if rules.trim:
            mask = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=rules.trim).astype(
                np.uint8, copy=False
            )
        if rules.one_part and _largest_part(mask) < _ONE_PART:
            continue
        left, top, width, height = cv2.boundingRect(mask)
        if min(width, height) >= rules.min_side:
            box = (slice(top, top + height), slice(left, left + width))
            category = content.names.get(items[index]['category_id'], '')
            yield Proxy(photograph[box].copy(), mask[box].copy(), f'{name}/{index}', category)


def _covering(draw: Callable[[int], NDArray[np.uint8]], count: int) -> NDArray[np.int16]:
    """Count the objects on each pixel."""
    total = draw(0).astype(np.int16)
    for index in range(1, count):
        total += draw(index)
    return total


def _is_cut_off(mask: NDArray[np.uint8], margin: int) -> bool:
    rows, columns = mask[margin:-margin, margin:-margin].shape
    return (
        rows <= 0
        or columns <= 0
        or int(mask.sum()) > int(mask[margin:-margin, margin:-margin].sum())
    )


def _largest_part(mask: NDArray[np.uint8]) -> float:
    """Return the share of an object that hangs together; 1 for an empty mask."""
    sizes = cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA]
    return float(sizes.max() / sizes.sum()) if len(sizes) else 1.0


def _contact(mask: NDArray[np.uint8], covering: NDArray[np.int16]) -> float:
    """Return the larger share of others' pixels, inside an object and in the ring around it."""
    ring = cv2.dilate(mask, _RING) > mask
    inside = float((covering[mask > 0] > 1).mean())
    return max(inside, float((covering[ring] > 0).mean()))


def _plain(name: str) -> str:
    """Return a name in lower case, words apart by spaces, without a qualifier in brackets.

    >>> _plain('Bus_(vehicle)'), _plain('traffic-light'), _plain('Street  Sign')
    ('bus', 'traffic light', 'street sign')
    """
    bare = _QUALIFIER.sub('', name) or name
    return ' '.join(bare.lower().replace('_', ' ').replace('-', ' ').split())


def _names(name: str) -> frozenset[str]:
    """Return a category's plain name, and those of COCO or Cityscapes for such things."""
    plain = _plain(name)
    return frozenset((plain, *(own for own, others in OTHER_NAMES.items() if plain in others)))
