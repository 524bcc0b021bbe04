# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every score after every refinement, and fused, on every road-anomaly set at two sizes.

Class statistics, tail tables and fusion weights come from other data sets, at the size at which
the network then runs. The network sees each image once per pass; a killed run continues.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.bundle import Preprocessing
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.files import sha256_file, write_json
from anomaly_seg_ros.fusion import Fusion
from anomaly_seg_ros.models import create_segmenter, load_weights
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement import REFINEMENTS_DEFAULT, split_output
from anomaly_seg_ros.refinement.vde import VdeConfig
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import anomaly, camvid, cityscapes, pasted, video
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fusing import FITTED, fit_fusions, fused_name, sample_pixels, tail_tables
from anomaly_seg_training.maps import PASSES, ScoreMaps
from anomaly_seg_training.pooled import PooledScores
from anomaly_seg_training.refining import Refiner, take_statistics
from anomaly_seg_training.resizing import (
    fit_image,
    fit_labels,
    resize_image,
    resize_labels,
)  # fmt: skip

NATIVE = 'native'
STRIDE = 8
"""Sides of the network are multiples of it."""
STATISTICS = ('cityscapes', 'camvid', 'dashcam')
_FIGURES = ('auroc', 'ap', 'fpr95', 'images', 'pixels', 'anomalous_pixels')
MIXED = 'mixed'
"""The refinement of a score that is fused of several."""

_CAMVID_STEP = 30
_VIDEO_STEP = 60
# Weights of fusions are fitted on scenes and objects that nothing else sees.
_PASTED = (('cityscapes/train', 1), ('camvid/train', _CAMVID_STEP))


@dataclass(frozen=True)
class TableConfig:
    """What is measured.

    Args:
        scores: Names of scores.
        refinements: Names of refinements.
        sets: Of `anomaly.MASKS`.
        resolutions: ``native`` or sizes, for images, ground truth and network alike.
        passes: By resolution which of `maps.PASSES`; ``plain`` alone where it says nothing.
        statistics: Of `STATISTICS`: where class statistics come from.
        images: Of each set at most so many, to try things out.
        seed: Of pasted objects and drawn pixels.
        vde: Threshold and amounts of VDE.

    Raises:
        LabError: A name is unknown.
    """

    scores: tuple[str, ...] = ('max_softmax', 'entropy', 'max_logit', 'energy', 'max_min')
    refinements: tuple[str, ...] = REFINEMENTS_DEFAULT
    sets: tuple[str, ...] = tuple(anomaly.MASKS)
    resolutions: tuple[str, ...] = (NATIVE, '1024x512')
    passes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    statistics: tuple[str, ...] = ('cityscapes', 'camvid')
    images: int | None = None
    seed: int = 0
    vde: VdeConfig = field(default_factory=VdeConfig)

    def __post_init__(self) -> None:
        """Refuse unknown names before anything is computed."""
        for what, names, known in (
            ('set', self.sets, tuple(anomaly.MASKS)),
            ('source of statistics', self.statistics, STATISTICS),
            ('pass', tuple(p for ps in self.passes.values() for p in ps), PASSES),
        ):
            for name in names:
                if name not in known:
                    msg = f'received the {what} {name!r}, expected one of: {", ".join(known)}'
                    raise LabError(msg)
        for resolution in self.resolutions:
            if resolution != NATIVE:
                Size.parse(resolution)

    def passes_of(self, resolution: str) -> tuple[str, ...]:
        """Return the passes at a resolution."""
        return self.passes.get(resolution, PASSES[:1])


@dataclass(frozen=True)
class Network:
    """A segmenter by name, with its options, weights and preprocessing."""

    name: str
    options: dict[str, Any]
    weights: Path
    preprocessing: Preprocessing


class Table:
    """Makes the table.

    Args:
        config: What is measured.
        network: The network.
        data: Folder of the data sets.
        work: Folder of everything that a later run can use again.
    """

    def __init__(self, config: TableConfig, network: Network, data: Path, work: Path) -> None:
        self.config = config
        self.network = network
        self.data = data
        self.work = work
        self.sha256 = sha256_file(network.weights)
        self._segmenter = create_segmenter(network.name, **network.options)
        load_weights(self._segmenter, network.weights)
        self._segmenter.eval()
        self._settings: dict[tuple[Size, str], Setting] = {}

    def build(self) -> dict[str, Any]:
        """Measure everything and return it for JSON."""
        content: dict[str, Any] = {
            'network': {'segmenter': self.network.name, 'options': self.network.options,
                        'file': self.network.weights.name, 'sha256': self.sha256},
            'statistics_from': list(self.config.statistics),
            'vde': asdict(self.config.vde),
            'results': [],
            'fitted': {},
        }  # fmt: skip
        for resolution in self.config.resolutions:
            for passes in self.config.passes_of(resolution):
                for name in self.config.sets:
                    setting = self.setting(self.size(name, resolution), passes)
                    for row in setting.measure(name):
                        content['results'].append({'resolution': resolution, **row})
                    content['fitted'][f'{setting.size} {passes}'] = setting.fitted
        content['provenance'] = provenance(seed=self.config.seed)
        return content

    def maps(self, size: Size, passes: str) -> ScoreMaps:
        """Return the maps of the network at one size."""
        key = f'{self.network.name} {sorted(self.network.options.items())} {self.sha256}'
        folder = self.work / 'maps' / hashlib.sha256(key.encode()).hexdigest()[:12]
        return ScoreMaps(
            self._segmenter, self.network.preprocessing, size, self.config.scores, folder, passes
        )

    def setting(self, size: Size, passes: str) -> Setting:
        """Return what belongs to one size and pass."""
        return self._settings.setdefault((size, passes), Setting(self, size, passes))

    def size(self, name: str, resolution: str) -> Size:
        """Return the network's size for a set at ``native`` or WxH."""
        if resolution != NATIVE:
            return Size.parse(resolution)
        height, width = next(anomaly.read(self.data, name)).target.shape
        return Size(*(round(side / STRIDE) * STRIDE for side in (width, height)))


class Setting:
    """One size and pass: statistics and fusions are fitted once, then sets are measured.

    Args:
        table: Runs the network.
        size: Of images and network.
        passes: Of `maps.PASSES`.
        config: Another than that of the table.
    """

    def __init__(
        self, table: Table, size: Size, passes: str, config: TableConfig | None = None
    ) -> None:
        self.table = table
        self.config = config or table.config
        self.size = size
        self.passes = passes
        self.maps = table.maps(size, passes)

    @cached_property
    def statistics(self) -> dict[str, dict[str, list[Any]]]:
        """The class statistics."""
        images = (maps for maps, _ in self._normal(self.config.statistics))
        return take_statistics(images, self.config.scores, len(CITYSCAPES))

    @cached_property
    def refiner(self) -> Refiner:
        """Refines the maps."""
        config = self.config
        return Refiner(config.scores, config.refinements, self.statistics, CITYSCAPES, config.vde)

    @cached_property
    def fusions(self) -> dict[str, Fusion]:
        """The fusions by the name of their output."""
        outputs = self.refiner.outputs
        normal = ((self.refiner.refine(maps), labels)
                  for maps, labels in self._normal(('cityscapes', 'camvid')))  # fmt: skip
        tables = tail_tables(normal, outputs)
        samples, target = sample_pixels(self._with_objects(), outputs, self.config.seed)
        origin = {
            'normal': ['cityscapes', 'camvid'],
            'anomalous': [f'COCO objects pasted on {base}' for base, _ in _PASTED],
            'seed': self.config.seed,
            'pixels': len(target),
        }
        config = self.config
        return fit_fusions(tables, config.scores, config.refinements, samples, target, origin)

    @property
    def fitted(self) -> dict[str, Any]:
        """What was fitted, for JSON: statistics of the max logit and weights of fusions."""
        return {
            'statistics': self.statistics,
            'weights': {
                name: {member.output: member.weight for member in fusion.members}
                for name, fusion in self.fusions.items()
            },
        }

    def measure(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of one set."""
        outputs = (*self.refiner.outputs, *self.fusions)
        file = self.table.work / 'figures' / self._key() / f'{name}.json'
        if file.is_file():
            rows: list[dict[str, Any]] = json.loads(file.read_text('utf-8'))
            return rows
        pooled = PooledScores(file.with_suffix('.pixels'), outputs)
        done = set(pooled.names())
        examples = islice(anomaly.read(self.table.data, name), self.config.images)
        for example in tqdm(examples, desc=f'{name} {self.size} {self.passes}', unit='image',
                            total=self._count(name), disable=None):  # fmt: skip
            stem = Path(example.name).name
            if stem not in done:
                image = resize_image(example.image, self.size)
                target = resize_labels(example.target, self.size)
                scores = self.refiner.refine(self.maps.get(example.name, image))
                for output, fusion in self.fusions.items():
                    scores[output] = fusion.combine(scores)
                pooled.add(stem, scores, target)
        rows = [self._row(name, output, pooled) for output in tqdm(
            outputs, desc=f'figures of {name}', unit='score', disable=None)]  # fmt: skip
        write_json(file, rows)
        pooled.remove()
        return rows

    def _row(self, name: str, output: str, pooled: PooledScores) -> dict[str, Any]:
        score, refinement = split_output(output)
        result = pooled.result(output).as_dict()
        return {
            'set': name,
            'size': str(self.size),
            'passes': self.passes,
            'score': score,
            'refinement': MIXED if score == fused_name(FITTED) else refinement,
            **{key: result[key] for key in _FIGURES},
        }

    def _count(self, name: str) -> int:
        folder = self.table.data / anomaly.FOLDER / name / 'labels_masks'
        count = len(list(folder.glob('*.png')))
        return count if self.config.images is None else min(count, self.config.images)

    def _key(self) -> str:
        """Return a name for all that figures depend on besides the set."""
        config = self.config
        fusions = {name: fusion.to_json() for name, fusion in self.fusions.items()}
        everything = (self.table.sha256, self.passes, str(self.size), config.scores,
                      config.refinements, config.images, asdict(config.vde),
                      self.statistics, fusions)  # fmt: skip
        digest = hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
        return f'{self.size}-{self.passes}-{digest[:12]}'

    def _normal(
        self, sources: tuple[str, ...]
    ) -> Iterator[tuple[dict[str, NDArray[Any]], NDArray[np.uint8] | None]]:
        """Yield maps and labels of normal images."""
        for source in sources:
            if source == 'cityscapes':
                examples = cityscapes.read(self.table.data, split='train')
            elif source == 'camvid':
                examples = camvid.read(self.table.data, splits=('train',), step=_CAMVID_STEP)
            else:
                examples = video.read(self.table.data, step=_VIDEO_STEP)
            for example in tqdm(examples, desc=f'{source} {self.size}', unit='image',
                                disable=None):  # fmt: skip
                maps = self.maps.get(example.name, fit_image(example.image, self.size))
                labels = example.labels
                yield (
                    maps,
                    labels if labels is None else fit_labels(labels, self.size),
                )

    def _with_objects(self) -> Iterator[tuple[dict[str, NDArray[np.float32]], NDArray[np.uint8]]]:
        """Yield refined maps and targets of scenes with pasted objects."""
        seed = self.config.seed
        for base, step in _PASTED:
            examples = pasted.read(self.table.data, base=base, step=step, seed=seed)
            for example in tqdm(examples, desc=f'pasted on {base} {self.size}', unit='image',
                                disable=None):  # fmt: skip
                image = fit_image(example.image, self.size)
                maps = self.maps.get(f'pasted{seed}/{example.name}', image)
                target = fit_labels(example.target, self.size)
                yield self.refiner.refine(maps), target
