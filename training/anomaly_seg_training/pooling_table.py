# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a stream of evidence is best heard, on data that may be tuned on.

Neither `top` nor `sharpness` of `models.EvidenceStream` is trained: one pass of the networks
serves all values.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
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
from anomaly_seg_ros.models import EvidenceStream
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_ros.refinement import needs_statistics, split_output, statistics_table
from anomaly_seg_ros.refinement.statistics import ClassStatistics
from anomaly_seg_training.calibrate import SOURCES, labelled
from anomaly_seg_training.data import Example
from anomaly_seg_training.data.anomaly import AnomalyExample
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.measure import SIZE
from anomaly_seg_training.resizing import resize_image, resize_labels
from anomaly_seg_training.tuning_sets import TUNING_SETS

_FIGURES = ('auroc', 'ap', 'fpr95')


@dataclass(frozen=True)
class Pooling:
    """Values of `models.EvidenceStream`."""

    top: int
    sharpness: float


def compare(
    bundles: Sequence[str],
    data: Path,
    *,
    tops: Sequence[int] = (0, 5),
    sharpnesses: Sequence[float] = (0.0, 0.5, 1.0),
    outputs: Sequence[str] = ('energy', 'max_logit+sml+suppress+smooth'),
    images: int | None = None,
    threads: int = 0,
) -> dict[str, Any]:
    """Measure outputs with every pair of values, one network after the other.

    What outputs standardise by is taken anew for every pair, of the labelled images that
    `calibrate` takes, and drawn together as the bundle's card says.

    Args:
        bundles: With a stream of evidence; of one recipe, with different seeds.
        data: Folder of the data sets.
        tops: Values of `top`.
        sharpnesses: Values of `sharpness`.
        outputs: Scores, refined or not.
        images: Of each set at most so many, to try it out.
        threads: Of PyTorch; 0 = its own choice.

    Returns:
        ``rows``: per bundle, pair, output and set AUROC, AP and FPR95 at `SIZE`, pixels pooled;
        ``best``: the pair with the highest AP - FPR95, averaged over sets, outputs and bundles;
        ``provenance``.

    Raises:
        AnomalySegError: A bundle or data set cannot be used, or an output is not offered.
    """
    if threads > 0:
        torch.set_num_threads(threads)
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(bundles):
        bundle = Bundle.open(name)
        listener = _Listener.of(bundle, tops, sharpnesses, outputs)
        if any(needs_statistics(output) for output in outputs):
            listener.take_statistics(labelled(dict.fromkeys(SOURCES, 1.0), data))
        about = {'bundle': number, 'name': bundle.card.name,
                 'seed': bundle.card.training.get('seed')}  # fmt: skip
        for place, read in TUNING_SETS.items():
            found = listener.measure(islice(read(data), images), place)
            rows += [{**about, 'set': place, **figures} for figures in found]
    content = {
        'kind': 'pooling',
        'outputs': list(outputs),
        'size': str(SIZE),
        'rows': rows,
    }
    pairs = [(top, sharpness) for top in tops for sharpness in sharpnesses]
    top, sharpness = max(pairs, key=lambda pair: _gap(content, pair))
    return {**content, 'best': {'top': top, 'sharpness': sharpness}, 'provenance': provenance()}


class _Heard(nn.Module):
    """A network whose streams ran before, so that only their words are combined."""

    def __init__(self, network: EvidenceStream) -> None:
        super().__init__()
        self.network = network
        self.words: tuple[torch.Tensor, list[torch.Tensor]] | None = None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.words is None:
            self.words = self.network.listen(image)
        return self.network.combine(*self.words)


@dataclass
class _Listener:
    """A detector that is asked the same with different values of its stream."""

    detector: Detector
    heard: _Heard
    bundle: Bundle
    pairs: list[Pooling]
    outputs: Sequence[str]
    tables: dict[Pooling, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        tops: Sequence[int],
        sharpnesses: Sequence[float],
        outputs: Sequence[str],
    ) -> _Listener:
        unknown = [name for name in outputs if name not in bundle.card.outputs]
        if unknown:
            msg = f'{bundle.path} offers no output {unknown[0]!r}'
            raise LabError(msg)
        detector = create_detector(bundle)
        network = detector.segmenter
        if not isinstance(network, EvidenceStream):
            msg = f'{bundle.path} has no stream of evidence: fine-tune one with trained: evidence'
            raise LabError(msg)
        for top in tops:
            if top not in range(network.num_classes + 1):
                msg = f'received the top {top}, expected 0 to {network.num_classes}'
                raise LabError(msg)
        for sharpness in sharpnesses:
            if not 0 <= sharpness < float('inf'):
                msg = f'received the sharpness {sharpness}, expected a finite number from 0'
                raise LabError(msg)
        detector.segmenter = heard = _Heard(network)
        pairs = [Pooling(top, sharpness) for top in tops for sharpness in sharpnesses]
        return cls(detector, heard, bundle, pairs, outputs)

    def take_statistics(self, examples: Iterable[Example]) -> None:
        """Take class statistics for every pair of values, of labelled pixels."""
        card = self.bundle.card
        scores = list(dict.fromkeys(split_output(name)[0] for name in self.outputs))
        found = {
            pair: {score: ClassStatistics(len(card.classes)) for score in scores}
            for pair in self.pairs
        }
        for example in tqdm(examples, desc='statistics', unit='image', disable=None):
            assert example.labels is not None
            for pair, maps in self._run(example.image, (LABELS, *scores)):
                for score, taken in found[pair].items():
                    taken.update(maps[score], maps[LABELS], example.labels == IGNORE)
        self.tables = {
            pair: torch.from_numpy(
                statistics_table(
                    {score: t.to_json() for score, t in taken.items()},
                    card.scores, len(card.classes), card.shrinkage,
                )
            )
            for pair, taken in found.items()
        }  # fmt: skip

    def measure(self, examples: Iterable[AnomalyExample], place: str) -> list[dict[str, Any]]:
        """Return the figures of every pair and output on one set."""
        metrics = {(pair, name): AnomalyMetrics() for pair in self.pairs for name in self.outputs}
        for example in tqdm(examples, desc=place, unit='image', disable=None):
            image, target = resize_image(example.image, SIZE), resize_labels(example.target, SIZE)
            for pair, maps in self._run(image, self.outputs):
                for name in self.outputs:
                    metrics[pair, name].update(maps[name], target)
        rows = []
        for (pair, name), metric in metrics.items():
            result = metric.compute().as_dict()
            figures = {key: result[key] for key in _FIGURES}
            rows.append({'top': pair.top, 'sharpness': pair.sharpness, 'output': name, **figures})
        return rows

    @torch.inference_mode()
    def _run(
        self, image: NDArray[Any], outputs: Sequence[str]
    ) -> Iterator[tuple[Pooling, dict[str, NDArray[Any]]]]:
        batch, self.heard.words = torch.from_numpy(image)[None], None
        for pair in self.pairs:
            self.heard.network.top, self.heard.network.sharpness = pair.top, pair.sharpness
            maps = self.detector.run(batch, outputs, self.tables.get(pair))
            yield pair, {name: values[0].numpy() for name, values in maps.items()}


def _at(content: Mapping[str, Any], key: str, **wanted: object) -> float:
    """Return a figure in percent, averaged over the rows that are wanted."""
    return statistics.fmean(
        100 * row[key]
        for row in content['rows']
        if all(row[name] == value for name, value in wanted.items())
    )


def _gap(content: Mapping[str, Any], pair: tuple[int, float]) -> float:
    top, sharpness = pair
    return _at(content, 'ap', top=top, sharpness=sharpness) - _at(
        content, 'fpr95', top=top, sharpness=sharpness
    )


def markdown(content: Mapping[str, Any]) -> str:
    """Return the content of `compare` as Markdown, figures in percent."""
    return '\n'.join(_lines(content)) + '\n'


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    rows, best = content['rows'], content['best']
    networks = dict.fromkeys((row['bundle'], row['name'], row['seed']) for row in rows)
    named = ', '.join(f'{name} (seed {seed})' for _, name, seed in networks)
    places = list(dict.fromkeys(row['set'] for row in rows))
    pairs = list(dict.fromkeys((row['top'], row['sharpness']) for row in rows))
    yield from ('# How a stream of evidence is heard', '')
    yield (
        f'{named}: images and ground truth at {content["size"]}, pixels pooled, mean over the '
        'networks. Nothing is trained between the rows. These sets are for choices; none is '
        'reported on.'
    )
    yield from ('', f'Made by `{content["provenance"]["command"]}`.', '')
    yield (
        f'The highest AP - FPR95 on average over sets, outputs and networks: top '
        f'{best["top"]}, sharpness {best["sharpness"]:g}.'
    )
    for output in content['outputs']:
        yield from ('', f'## {output}: AP / FPR95', '')
        yield f'| top | sharpness | {" | ".join(places)} | mean |'
        yield f'|---|---|{"---|" * len(places)}---|'
        for top, sharpness in pairs:
            cell = _cells(content, output=output, top=top, sharpness=sharpness)
            cells = [*(cell(set=place) for place in places), cell()]
            yield f'| {top} | {sharpness:g} | {" | ".join(cells)} |'


def _cells(content: Mapping[str, Any], **wanted: object) -> Callable[..., str]:
    def cell(**more: object) -> str:
        figures = (_at(content, key, **wanted, **more) for key in _FIGURES[1:])
        return ' / '.join(f'{figure:.1f}' for figure in figures)

    return cell
