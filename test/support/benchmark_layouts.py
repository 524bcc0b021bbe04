# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny data sets made here, in the layouts in which the real ones are unpacked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

SHAPE = (8, 12)

FRAMES = ('01_Hanns_Klemm_Str_45_000000_000080', '04_Maurener_Weg_8_000000_000030')
CITY_FRAMES = ('frankfurt_000000_000294', 'lindau_000001_000019')


def save(path: Path, image: np.ndarray) -> Path:
    """Write an RGB image or a label map."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return path


def picture(seed: int) -> np.ndarray:
    """An image of noise."""
    return np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), np.uint8)


def labels(values: Sequence[int]) -> np.ndarray:
    """A label map whose columns take the values in turn."""
    row = np.resize(np.array(values, np.uint8), SHAPE[1])
    return np.tile(row, (SHAPE[0], 1))


def road_anomaly_val(root: Path) -> None:
    """Three sets of two images each; the second of the first set has no anomaly."""
    sets = {'FS_LostFound_full': (0, 1, 255), 'RoadAnomaly': (0, 2), 'fs_static': (0, 1, 255)}
    for number, (name, values) in enumerate(sets.items()):
        for index in range(2):
            # OpenCV writes WebP without loss only when asked, which no test needs.
            save(root / name / 'images' / f'{2 * index}.webp', picture(10 * number + index))
            mask = labels((0, 255) if index and name == 'FS_LostFound_full' else values)
            save(root / name / 'labels_masks' / f'{2 * index}.png', mask)
    (root / 'README.md').write_text('not a set')


def folder(root: Path) -> None:
    """Two images and masks with values of their own."""
    for index, suffix in enumerate(('.png', '.jpg')):
        save(root / 'images' / f'frame{index}{suffix}', picture(index))
        save(root / 'masks' / f'frame{index}.png', labels((7, 9, 100)))
    (root / 'labels.yaml').write_text('normal: [7]\nanomaly: [9]\nignore: [100]\n')


def cityscapes(root: Path) -> None:
    """One image of each of two cities in val, and the test split without labels."""
    for index, frame in enumerate(CITY_FRAMES):
        city = frame.split('_')[0]
        save(root / 'leftImg8bit/val' / city / f'{frame}_leftImg8bit.png', picture(index))
        base = root / 'gtFine/val' / city
        save(base / f'{frame}_gtFine_labelIds.png', labels((7, 8, 26, 0, 4, 33)))
        save(base / f'{frame}_gtFine_color.png', picture(5))
        save(base / f'{frame}_gtFine_instanceIds.png', labels((7, 8, 26)).astype(np.uint16))
    save(root / 'leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png', picture(3))


def camvid(root: Path) -> None:
    """SegNet's split, two images each."""
    for split in ('train', 'val', 'test'):
        for index in range(2):
            save(root / split / f'0001TP_{index:06d}.png', picture(index))
            save(root / f'{split}annot' / f'0001TP_{index:06d}.png', labels(range(12)))


def lost_and_found(root: Path) -> None:
    """Two training frames and two test frames, one of them with children."""
    for split, frame in (
        ('train', FRAMES[0]),
        ('train', FRAMES[1]),
        ('test', '02_Hanns_Klemm_Str_44_000000_000020'),
        ('test', '15_Rechbergstr_Deckenpfronn_000000_000100'),
    ):
        place = frame[: -len('_000000_000000')]
        save(root / 'leftImg8bit' / split / place / f'{frame}_leftImg8bit.png', picture(1))
        base = root / 'gtCoarse' / split / place
        save(base / f'{frame}_gtCoarse_labelIds.png', labels((0, 1, 2, 31, 43)))
        save(base / f'{frame}_gtCoarse_labelTrainIds.png', labels((255, 1, 2)))


def fishyscapes_lost_and_found(root: Path) -> None:
    """Two label maps; one image lies in train of Lost and Found, the other in test."""
    for index, (frame, split) in enumerate(zip(FRAMES, ('train', 'test'), strict=True)):
        place = frame[: -len('_000000_000000')]
        save(root / 'leftImg8bit' / split / place / f'{frame}_leftImg8bit.png', picture(index))
        name = f'{index:04d}_{frame}_labels.png'
        save(root / 'fishyscapes_lostandfound' / name, labels((0, 1, 255)))


def fishyscapes_static(root: Path) -> None:
    """Versions 2 and 3 of two images; the difference of version v is 100 v in the first column."""
    for index, frame in enumerate(CITY_FRAMES):
        city = frame.split('_')[0]
        save(root / 'leftImg8bit/val' / city / f'{frame}_leftImg8bit.png', picture(index))
        for version in (2, 3):
            base = root / f'fs_val_v{version}'
            save(base / f'{index:04d}_{frame}_labels.png', labels((1, 0, 255)))
            overlay = np.zeros((*SHAPE, 3), np.int16)
            overlay[:, 0] = 100 * version
            overlay[:, 1] = -100
            np.savez(base / f'{index:04d}_{frame}_rgb.npz', rgb=overlay)


def road_anomaly(root: Path) -> None:
    """Two frames, as the archive unpacks."""
    base = root / 'RoadAnomaly_jpg'
    names = ['animals01_bear.jpg', 'cones06_road.jpg']
    for index, name in enumerate(names):
        save(base / 'frames' / name, picture(index))
        stem = Path(name).stem
        save(base / 'frames' / f'{stem}.labels/labels_semantic.png', labels((0, 2)))
        save(base / 'frames' / f'{stem}.labels/labels_semantic_color.png', picture(9))
    (base / 'frame_list.json').write_text(json.dumps(names))


def road_anomaly21(root: Path) -> None:
    """Two validation images with labels and a test image without."""
    base = root / 'dataset_AnomalyTrack'
    for index, name in enumerate(('validation0000', 'validation0001', 'airplane0000')):
        save(base / 'images' / f'{name}.jpg', picture(index))
        if name != 'airplane0000':
            mask = labels((0, 1, 255))
            save(base / 'labels_masks' / f'{name}_labels_semantic.png', mask)
            save(base / 'labels_masks' / f'{name}_labels_semantic_color.png', picture(7))


def road_obstacle21(root: Path) -> None:
    """Two validation images, one that the benchmark leaves out, and test images without labels."""
    base = root / 'dataset_ObstacleTrack'
    names = ('validation_1', 'validation_2', 'validation_21', 'curvy-street_1', 'driveway_1')
    for index, name in enumerate(names):
        save(base / 'images' / f'{name}.webp', picture(index))
        if name.startswith('validation'):
            mask = labels((0, 1, 255))
            save(base / 'labels_masks' / f'{name}_labels_semantic.png', mask)


def street_hazards(root: Path) -> None:
    """One image of each split."""
    for archive, split, town, values in (
        ('train', 'training', 't1-3', range(1, 14)),
        ('train', 'validation', 't4', range(1, 14)),
        ('test', 'test', 't5', range(3, 15)),
    ):
        save(root / archive / 'images' / split / town / '1.png', picture(1))
        save(root / archive / 'annotations' / split / town / '1.png', labels(values))


def bdd_anomaly(root: Path) -> None:
    """Four images: without unknowns in train and val, with a motorcycle, with a bicycle."""
    for split, name, values in (
        ('train', '0004a4c0-d4dff0ad', (0, 10, 255)),
        ('train', '00054602-3bf57337', (0, 17, 255)),
        ('train', '00067cfb-e535423e', (0, 18)),
        ('val', '00091078-59817bb0', (0, 13)),
        ('val', '0010bf16-a457685b', (16, 0)),
    ):
        save(root / 'images/10k' / split / f'{name}.jpg', picture(1))
        save(root / 'labels/sem_seg/masks' / split / f'{name}.png', labels(values))


def coco(root: Path) -> None:
    """Two images: a person (known) with a dog (unknown) and a crowd; a plant (like known)."""

    def box(x0: int, y0: int, x1: int, y1: int) -> list[list[int]]:
        return [[x0, y0, x1, y0, x1, y1, x0, y1]]

    height, width = SHAPE
    crowd = {'size': [height, width], 'counts': [height * (width - 1), height]}
    objects: list[tuple[int, int, object, int]] = [
        (1, 1, box(0, 0, 4, 7), 0),
        (1, 18, box(2, 2, 4, 4), 0),
        (1, 1, crowd, 1),
        (2, 64, box(0, 0, 3, 3), 0),
    ]
    annotations = [
        {'id': number, 'image_id': image, 'category_id': category, 'segmentation': segmentation,
         'area': 35 if number == 0 else 8, 'iscrowd': is_crowd, 'bbox': [0, 0, 1, 1]}
        for number, (image, category, segmentation, is_crowd) in enumerate(objects)
    ]  # fmt: skip
    content = {
        'images': [
            {'id': number, 'file_name': f'{number:012d}.jpg', 'height': height, 'width': width}
            for number in (1, 2)
        ],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person'}, {'id': 18, 'name': 'dog'}],
    }
    for number in (1, 2):
        save(root / 'val2017' / f'{number:012d}.jpg', picture(number))
    (root / 'annotations').mkdir(parents=True)
    (root / 'annotations/instances_val2017.json').write_text(json.dumps(content))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    maker.__name__: maker
    for maker in (
        bdd_anomaly, camvid, cityscapes, coco, fishyscapes_lost_and_found, fishyscapes_static,
        folder, lost_and_found, road_anomaly, road_anomaly21, road_anomaly_val, road_obstacle21,
        street_hazards,
    )
}  # fmt: skip
"""Makers by the name of the benchmark; each fills a folder that need not exist."""
