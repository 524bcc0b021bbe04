# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look through a whole set before anything is computed on it: sizes, labels, what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_training.benchmark.sets import ANOMALY, NORMAL, BenchmarkItem, BenchmarkSet
from anomaly_seg_training.data.labelled import DataError, check_shapes


@dataclass(frozen=True)
class SetReport:
    """What a set holds.

    Args:
        name: Of the set.
        version: Of the set.
        protocol: By which figures on it are published.
        images: That could be read.
        published: Images of the published set, None where no number is known.
        sizes: Images by size, ``WIDTHxHEIGHT``.
        labels: Pixels by value in the label maps.
        names: What those values stand for.
        normal: Pixels that are normal.
        anomalous: Pixels that are anomalous.
        ignored: Pixels that do not count.
        without_anomaly: Names of the images without an anomalous pixel.
        problems: One sentence for each image that could not be read.
        notes: What a reader of figures should know.
    """

    name: str
    version: str
    protocol: str
    images: int
    published: int | None
    sizes: dict[str, int]
    labels: dict[int, int]
    names: dict[int, str]
    normal: int
    anomalous: int
    ignored: int
    without_anomaly: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON; label values become texts."""
        return {
            'set': self.name,
            'version': self.version,
            'protocol': self.protocol,
            'images': self.images,
            'published_images': self.published,
            'sizes': self.sizes,
            'labels': [
                {'value': value, 'name': self.names[value], 'pixels': pixels}
                for value, pixels in self.labels.items()
            ],
            'pixels': {
                'normal': self.normal,
                'anomalous': self.anomalous,
                'ignored': self.ignored,
            },
            'images_without_anomaly': list(self.without_anomaly),
            'problems': list(self.problems),
            'notes': list(self.notes),
        }


def inspect(benchmark_set: BenchmarkSet) -> SetReport:
    """Read every image and label map of a set and report what they hold.

    A file that cannot be used becomes a problem of the report; nothing is raised for it.
    """
    counts = np.zeros(256, np.int64)
    sizes: Counter[str] = Counter()
    without, problems = [], []
    meaning = benchmark_set.meaning
    anomalous = [value for value, meant in meaning.target.items() if meant == ANOMALY]
    for item in tqdm(benchmark_set, benchmark_set.name, unit='image', disable=None, leave=False):
        try:
            size, found = _look_at(item)
        except AnomalySegError as error:
            problems.append(str(error))
            continue
        counts += found
        sizes[size] += 1
        if not found[anomalous].any():
            without.append(item.name)

    def pixels(meant: int) -> int:
        return int(sum(counts[value] for value, m in meaning.target.items() if m == meant))

    return SetReport(
        benchmark_set.name,
        benchmark_set.version,
        benchmark_set.protocol,
        sum(sizes.values()),
        benchmark_set.published,
        dict(sizes.most_common()),
        {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()},
        dict(meaning.names),
        pixels(NORMAL),
        pixels(ANOMALY),
        pixels(IGNORE),
        tuple(without),
        tuple(problems),
        benchmark_set.notes,
    )


def check(benchmark_set: BenchmarkSet) -> SetReport:
    """Do the same as `inspect`, but accept no problem.

    Raises:
        DataError: A file cannot be used: the first sentence, and how many follow.
    """
    report = inspect(benchmark_set)
    if report.problems:
        raise DataError(first_of(report.problems))
    return report


def first_of(problems: tuple[str, ...]) -> str:
    """Return the first problem as one sentence that says how many there are."""
    more = len(problems) - 1
    return problems[0] + (f' (and {more} more of this kind or another)' if more else '')


def _look_at(item: BenchmarkItem) -> tuple[str, np.ndarray[Any, np.dtype[np.int64]]]:
    values = item.values()
    image = item.image()
    check_shapes(image, values, str(item.image_path))
    height, width = values.shape
    return f'{width}x{height}', np.bincount(values.ravel(), minlength=256).astype(np.int64)
