# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a second stream pools its octaves best, on data that may be tuned on.

No weight depends on it: one pass of the network serves all ways.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product, starmap
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.detector import Detector, create_detector
from anomaly_seg_ros.engines.base import LABELS
from anomaly_seg_ros.metrics import AnomalyMetrics
from anomaly_seg_ros.models import TwoStreams
from anomaly_seg_ros.models.two_streams import MAX_OCTAVES
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement import needs_statistics, split_output, statistics_table
from anomaly_seg_ros.refinement.statistics import ClassStatistics
from anomaly_seg_training.calibrate import SOURCES, labelled
from anomaly_seg_training.data import Example
from anomaly_seg_training.data.anomaly import AnomalyExample
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.measure import SIZE
from anomaly_seg_training.pooling import Pooling
from anomaly_seg_training.resizing import resize_image, resize_labels
from anomaly_seg_training.tuning_sets import ROAD_SETS, TUNING_SETS

_FIGURES = ('auroc', 'ap', 'fpr95')
_WAY = ('octaves', 'sharpness', 'mirrored')


def compare(
    bundles: Sequence[str],
    data: Path,
    *,
    octaves: Sequence[int] = (),
    sharpnesses: Sequence[float] = (0.0, 0.5, 1.0, 2.0),
    mirrored: bool = False,
    outputs: Sequence[str] = ('energy', 'max_logit+sml+suppress+smooth'),
    images: int | None = None,
    threads: int = 0,
) -> dict[str, Any]:
    """Measure outputs pooled in every way, one network after the other.

    What outputs standardise by is taken anew for every way, of the labelled images that
    `calibrate` takes, and drawn together as the bundle's card says.

    Args:
        bundles: With weights and a second stream; of one recipe, with different seeds.
        data: Folder of the data sets.
        octaves: In how many the stream sees the picture; none: as each bundle says.
        sharpnesses: What octaves are pooled with, see `models.TwoStreams`.
        mirrored: Whether each way is measured a second time with mirrored pictures.
        outputs: Scores, refined or not.
        images: Of each set at most so many, to try it out.
        threads: Of PyTorch; 0 = its own choice.

    Returns:
        ``rows``: per bundle, pooling, output and set AUROC, AP and FPR95 at `SIZE`, pixels pooled;
        ``provenance``.

    Raises:
        AnomalySegError: A bundle or data set cannot be used, or an output is not offered.
    """
    if threads > 0:
        torch.set_num_threads(threads)
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(bundles):
        bundle = Bundle.open(name)
        listener = _Listener.of(bundle, octaves, sharpnesses, mirrored, outputs)
        if any(needs_statistics(output) for output in outputs):
            listener.take_statistics(labelled(dict.fromkeys(SOURCES, 1.0), data))
        about = {'bundle': number, 'name': bundle.card.name,
                 'seed': bundle.card.training.get('seed')}  # fmt: skip
        for place, read in (TUNING_SETS | ROAD_SETS).items():
            found = listener.measure(islice(read(data), images), place)
            rows += [{**about, 'set': place, **figures} for figures in found]
    return {
        'kind': 'pooling',
        'outputs': list(outputs),
        'size': str(SIZE),
        'rows': rows,
        'provenance': provenance(),
    }


class _Heard(nn.Module):
    """A network whose streams ran once, on all that any way pools, and are pooled in one."""

    def __init__(self, network: TwoStreams, ways: Sequence[Pooling]) -> None:
        super().__init__()
        self.network = network
        self.octaves = max(way.octaves or 1 for way in ways)
        self.mirrored = any(way.mirrored for way in ways)
        self.words: tuple[torch.Tensor, list[torch.Tensor]] | None = None

    def listen(self, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return what the streams say of everything."""
        self.network.octaves, self.network.mirrored = self.octaves, self.mirrored
        return self.network.listen(image)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        way = Pooling(self.network.octaves, self.network.sharpness, self.network.mirrored)
        self.words = self.words or self.listen(image)
        self.pool(way)
        logits, said = self.words
        smaller = said[1:]
        if self.mirrored and not self.network.mirrored:
            smaller = smaller[::2]
        count = (self.network.octaves - 1) * (2 if self.network.mirrored else 1)
        return self.network.combine(logits, [said[0], *smaller[:count]])

    def pool(self, way: Pooling) -> None:
        """Pool so from now on."""
        for name, value in way.options().items():
            setattr(self.network, name, value)


@dataclass
class _Listener:
    """A detector that is asked the same with different poolings of its stream."""

    detector: Detector
    heard: _Heard
    bundle: Bundle
    ways: Sequence[Pooling]
    outputs: Sequence[str]
    tables: dict[Pooling, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls, bundle: Bundle, octaves: Sequence[int], sharpnesses: Sequence[float],
        mirrored: bool, outputs: Sequence[str],
    ) -> _Listener:  # fmt: skip
        unknown = [name for name in outputs if name not in bundle.card.outputs]
        if unknown:
            msg = f'{bundle.path} offers no output {unknown[0]!r}'
            raise LabError(msg)
        for sharpness in sharpnesses:
            if not 0 <= sharpness < float('inf'):
                msg = f'received the sharpness {sharpness}, expected a finite number from 0'
                raise LabError(msg)
        for number in octaves:
            if number not in range(1, MAX_OCTAVES + 1):
                msg = f'received {number} octaves, expected 1 to {MAX_OCTAVES}'
                raise LabError(msg)
        detector = create_detector(bundle)
        network = detector.segmenter
        if not isinstance(network, TwoStreams):
            msg = f'{bundle.path} has no second stream: fine-tune one with trained: evidence'
            raise LabError(msg)
        flips = (False, True) if mirrored else (False,)
        ways = list(starmap(Pooling, product(octaves or [network.octaves], sharpnesses, flips)))
        detector.segmenter = heard = _Heard(network, ways)
        return cls(detector, heard, bundle, ways, outputs)

    def take_statistics(self, examples: Iterable[Example]) -> None:
        """Take class statistics for every pooling, of labelled pixels."""
        card = self.bundle.card
        scores = list(dict.fromkeys(split_output(name)[0] for name in self.outputs))
        found = {
            way: {score: ClassStatistics(len(card.classes)) for score in scores}
            for way in self.ways
        }
        for example in tqdm(examples, desc='statistics', unit='image', disable=None):
            assert example.labels is not None
            for way, maps in self._run(example.image, (LABELS, *scores)):
                for score, taken in found[way].items():
                    taken.update(maps[score], maps[LABELS], example.labels == IGNORE)
        self.tables = {
            way: torch.from_numpy(
                statistics_table(
                    {score: t.to_json() for score, t in taken.items()},
                    card.scores, len(card.classes), card.shrinkage,
                )
            )
            for way, taken in found.items()
        }  # fmt: skip

    def measure(self, examples: Iterable[AnomalyExample], place: str) -> list[dict[str, Any]]:
        """Return the figures of every pooling and output on one set."""
        metrics = {(way, name): AnomalyMetrics() for way in self.ways for name in self.outputs}
        for example in tqdm(examples, desc=place, unit='image', disable=None):
            image, target = resize_image(example.image, SIZE), resize_labels(example.target, SIZE)
            for way, maps in self._run(image, self.outputs):
                for name in self.outputs:
                    metrics[way, name].update(maps[name], target)
        rows = []
        for (way, name), metric in metrics.items():
            result = metric.compute().as_dict()
            figures = {key: result[key] for key in _FIGURES}
            rows.append({**way.options(), 'output': name, **figures})
        return rows

    @torch.inference_mode()
    def _run(
        self, image: NDArray[Any], outputs: Sequence[str]
    ) -> Iterator[tuple[Pooling, dict[str, NDArray[Any]]]]:
        batch, self.heard.words = torch.from_numpy(image)[None], None
        for way in self.ways:
            self.heard.pool(way)
            maps = self.detector.run(batch, outputs, self.tables.get(way))
            yield way, {name: values[0].numpy() for name, values in maps.items()}


def markdown(content: Mapping[str, Any]) -> str:
    """Return the content of `compare` as Markdown, figures in percent."""
    return '\n'.join(_lines(content)) + '\n'


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    rows = content['rows']
    networks = dict.fromkeys((row['bundle'], row['name'], row['seed']) for row in rows)
    named = ', '.join(f'{name} (seed {seed})' for _, name, seed in networks)
    places = list(dict.fromkeys(row['set'] for row in rows))
    yield from ('# Octaves of a second stream, pooled', '')
    yield (
        f'{named}: images and ground truth at {content["size"]}, pixels pooled, mean over the '
        'networks. Nothing is trained between the rows. These sets are for choices; none is '
        'reported on.'
    )
    yield from ('', f'Made by `{content["provenance"]["command"]}`.')
    for output in content['outputs']:
        yield from ('', f'## {output}: AP / FPR95', '')
        yield f'| octaves | sharpness | mirrored | {" | ".join(places)} |'
        yield f'|---|---|---|{"---|" * len(places)}'
        for way in dict.fromkeys(tuple(row[key] for key in _WAY) for row in rows):
            cells = [_cell(rows, (*way, output, place)) for place in places]
            octaves, sharpness, mirrored = way
            about = f'{octaves} | {sharpness:g} | {"too" if mirrored else "no"}'
            yield f'| {about} | {" | ".join(cells)} |'


def _cell(rows: Iterable[Mapping[str, Any]], wanted: tuple[Any, ...]) -> str:
    """Return AP / FPR95 of a way, an output and a set, averaged over bundles."""
    keys = (*_WAY, 'output', 'set')
    found = [row for row in rows if tuple(row[key] for key in keys) == wanted]
    return ' / '.join(
        f'{statistics.fmean(100 * r[key] for r in found):.1f}' for key in ('ap', 'fpr95')
    )
