# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmented crops from all data sets, each drawn from its own seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.size import Size
from anomaly_seg_training.crops import (
    Box,
    choose_box,
    crop_image,
    crop_labels,
    crop_map,
    exact_box,
)
from anomaly_seg_training.data import Example
from anomaly_seg_training.photometric import distort
from anomaly_seg_training.restyle import Style, restyle
from anomaly_seg_training.teacher import Lesson
from anomaly_seg_training.tensors import channels_first

T = TypeVar('T')

_POINTS = 200
"""Places remembered per class and image, enough for crops all over a class."""


@dataclass
class Source:
    """One data set in memory, with places of every class.

    Args:
        examples: Its images.
        lessons: The teacher's predictions, one per example or None.
        share: Share of the crops that come from here.
        places: Class -> (example, x, y), each (K,), x and y in fractions.
        styles: The colours of each example.
    """

    examples: Sequence[Example]
    lessons: Sequence[Lesson | None]
    share: float
    places: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    styles: list[Style] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find the places of every class in labels, or in what the teacher saw."""
        self.styles = [Style.of(example.image) for example in self.examples]
        rng = np.random.default_rng(0)
        found: dict[int, list[NDArray[np.float64]]] = {}
        for index, labels in enumerate(self.hard_labels()):
            for label in np.unique(labels[labels != IGNORE]).tolist():
                rows, columns = np.nonzero(labels == label)
                keep = rng.permutation(len(rows))[:_POINTS]
                x = (columns[keep] + 0.5) / labels.shape[1]
                y = (rows[keep] + 0.5) / labels.shape[0]
                place = np.stack((np.full(len(keep), index, float), x, y), 1)
                found.setdefault(label, []).append(place)
        self.places = {label: np.concatenate(parts) for label, parts in sorted(found.items())}

    def hard_labels(self) -> list[NDArray[np.uint8]]:
        """Return small label maps: ground truth, else the teacher's arg max, else ignore."""
        maps = []
        for example, lesson in zip(self.examples, self.lessons, strict=True):
            if example.labels is not None:
                maps.append(example.labels[2::4, 2::4])
            elif lesson is not None:
                maps.append(lesson.logits.float().argmax(0).numpy().astype(np.uint8))
            else:
                maps.append(np.full((1, 1), IGNORE, np.uint8))
        return maps


@dataclass(frozen=True)
class Cut:
    """One crop of size h x w.

    Args:
        rng: For all further draws.
        example: Where it was cut.
        lesson: The teacher's predictions there.
        box: The part of the example.
        image: (h, w, 3) uint8 RGB.
        plain: The same before light, colour and sharpness were changed.
        labels: (h, w) uint8, 255 = ignore.
        unknown: (h, w) bool, where the example is marked as unknown; None without marks.
    """

    rng: np.random.Generator
    example: Example
    lesson: Lesson | None
    box: Box
    image: NDArray[np.uint8]
    plain: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    unknown: NDArray[np.bool_] | None = None


class Crops(Dataset[dict[str, torch.Tensor]]):
    """Random crops; item i of epoch e depends on (seed, e, i) alone.

    Args:
        sources: Data sets by name.
        crop: Size of a crop.
        scale: Lowest and highest scale.
        rare_share: Share of crops around a class drawn uniformly.
        length: Items per epoch.
        seed: Of all draws.
        epoch: Chooses this epoch's draws.
        features: Channels of the teacher's features, for crops without a teacher.
        style_source: The data set whose colours other data sets take on.
        style_share: Share of the other data sets' crops that do.
        distorted: Whether light, colour and sharpness are changed.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        crop: Size,
        scale: tuple[float, float],
        rare_share: float,
        length: int,
        seed: int,
        epoch: int,
        features: int,
        style_source: str = '',
        style_share: float = 0.0,
        distorted: bool = True,
    ) -> None:
        self.sources = list(sources.values())
        self.style_source = sources.get(style_source)
        self.style_share = style_share
        self.distorted = distorted
        shares = np.array([source.share for source in self.sources])
        self.shares = shares / shares.sum()
        self.crop = crop
        self.scale = scale
        self.rare_share = rare_share
        self.length = length
        self.seed = seed
        self.epoch = epoch
        self.channels = features

    def __len__(self) -> int:
        """Return the items per epoch."""
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return one crop of size h x w.

        Returns:
            `image` (3, h, w) uint8 RGB, `labels` (h, w) int64, `guide` (h / 4, w / 4) int64 hard
            labels, `logits` (19, h / 4, w / 4), `features` (F, h / 8, w / 8) and `taught`
            (h / 4, w / 4), 1 where the teacher speaks, float32.
        """
        cut = self.cut(index)
        image, labels, lesson, box = cut.image, cut.labels, cut.lesson, cut.box
        quarter = Size(self.crop.width // 4, self.crop.height // 4)
        eighth = Size(self.crop.width // 8, self.crop.height // 8)
        guide = torch.from_numpy(labels[2::4, 2::4].astype(np.int64))
        if lesson is None:
            logits = torch.zeros((19, *quarter.shape))
            features = torch.zeros((self.channels, *eighth.shape))
            taught = torch.zeros(quarter.shape)
        else:
            logits = crop_map(lesson.logits, box, quarter)
            taught = torch.ones(quarter.shape)
            if lesson.sure is not None:
                taught = (crop_map(lesson.sure[None].half(), box, quarter)[0] > 0.99).float()
            features = crop_map(lesson.features, box, eighth)
            # Where the truth is known to be another, the teacher is silent.
            taught[(guide != IGNORE) & (guide != logits.argmax(0))] = 0
            guide = torch.where(guide == IGNORE, logits.argmax(0), guide)
        return {
            'image': channels_first(image),
            'labels': torch.from_numpy(labels.astype(np.int64)),
            'guide': guide,
            'logits': logits,
            'features': features,
            'taught': taught,
        }

    def cut(self, index: int) -> Cut:
        """Return the picture and the labels of one crop, and the state of its draws."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        source = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        number, centre = self._place(source, rng)
        example, lesson = source.examples[number], source.lessons[number]
        if example.exact:
            box = exact_box(rng, example.image.shape, self.crop, centre)
        else:
            box = choose_box(rng, example.view, self.crop, self.scale, centre)
        image = crop_image(example.image, box, self.crop)
        other = None if example.exact else self.style_source
        if other not in (None, source) and rng.random() < self.style_share:
            styles = other.styles
            image = restyle(image, source.styles[number], styles[int(rng.integers(len(styles)))])
        plain = image
        if self.distorted and not example.exact:
            image = distort(image, rng)
        labels = np.full(self.crop.shape, IGNORE, np.uint8)
        if example.labels is not None:
            labels = crop_labels(example.labels, box, self.crop)
        unknown = None
        if example.unknown is not None:
            unknown = crop_labels(example.unknown.astype(np.uint8), box, self.crop) > 0
        return Cut(rng, example, lesson, box, image, plain, labels, unknown)

    def _place(
        self, source: Source, rng: np.random.Generator
    ) -> tuple[int, tuple[float, float] | None]:
        if source.places and rng.random() < self.rare_share:
            label = list(source.places)[int(rng.integers(len(source.places)))]
            index, x, y = source.places[label][int(rng.integers(len(source.places[label])))]
            return int(index), (float(x), float(y))
        return int(rng.integers(len(source.examples))), None


def single_threaded_worker(worker: int) -> None:
    """Keep OpenCV and torch from starting threads in each loader process."""
    del worker
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def crop_loader(crops: Dataset[T], batch: int, workers: int) -> DataLoader[T]:
    """Return a loader of whole batches of crops, which are drawn at random already.

    Args:
        crops: Read in order.
        batch: Crops of a batch.
        workers: Processes with one thread each; 0 loads in this one.
    """
    return DataLoader(
        crops,
        batch,
        num_workers=workers,
        drop_last=True,
        worker_init_fn=single_threaded_worker if workers else None,
    )
