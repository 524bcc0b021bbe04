# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OODMC against entropy and max logit on the same images, by samples and orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from tqdm import tqdm

from anomaly_seg_ros.metrics import AnomalyMetrics
from anomaly_seg_ros.oodmc import (
    FeatureSpec,
    PixelClassifier,
    Sampling,
    create_sampler,
    score_map,
    to_tensor,
)
from anomaly_seg_ros.oodmc.linear import LinearSampler
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_training.data import anomaly
from anomaly_seg_training.measure import SIZE
from anomaly_seg_training.oodmc_examples import fit_examples
from anomaly_seg_training.oodmc_fit import Network, Pixels, collect, fit_on, held_out, stacks
from anomaly_seg_training.resizing import resize_image, resize_labels

COUNTS = (16, 64, 128)
ORDERS = (1, 2, 3, 4)
BASELINES = ('entropy', 'max_logit')


@dataclass(frozen=True)
class Variant:
    """One column of the table.

    Args:
        samples: Stochastic forwards; 0: the exact moments.
        order: Highest order.
        kind: Of the classifier.
    """

    samples: int
    order: int
    kind: str = 'linear'

    @property
    def name(self) -> str:
        """How the table calls it."""
        kind = '' if self.kind == 'linear' else f', {self.kind}'
        return f'oodmc, {self.samples or "exact"}, order {self.order}{kind}'


def compare(
    network: Network,
    sampling: Sampling,
    data: Path,
    *,
    counts: Sequence[int] = COUNTS,
    step: int = 2,
    void: bool = True,
    proxies: bool = True,
    seed: int = 0,
    regularisation: float = 1.0,
    pixels: int = 2000,
) -> dict[str, Any]:
    """Fit on void pixels and pasted objects, measure on road-anomaly sets.

    The sets are read after all classifiers are fitted, and only to report on them.

    Args:
        network: The segmenter.
        sampling: Layers, rates, seed.
        data: Folder of the data sets; anomaly sets that are absent are left out.
        counts: Ascending numbers of samples; exact moments are added where they exist.
        step: Take every so many images of a set.
        void: Fit on void things.
        proxies: Fit on pasted objects.
        seed: Of the pasted objects and the chosen pixels.
        regularisation: scikit-learn's C.
        pixels: Known pixels per image, and as many unknown ones.

    Raises:
        AnomalySegError: A data set is missing or wrong, or the network gives no finite logits.
    """
    sampler = create_sampler(network.segmenter, sampling)
    linear = isinstance(sampler, LinearSampler)
    numbers = (*counts, 0) if linear else tuple(counts)
    begin = time.monotonic()
    examples = fit_examples(data, seed=seed, void=void, proxies=proxies)
    taken = collect(network, sampling, examples, numbers, pixels=pixels, seed=seed)
    by_count: dict[int, Pixels] = dict(zip(numbers, taken, strict=True))
    variants = [Variant(n, order) for n in numbers for order in ORDERS]
    variants += [Variant(counts[-1], ORDERS[-1], kind) for kind in ('nystroem', 'fourier')]
    classifiers: dict[Variant, tuple[FeatureSpec, PixelClassifier]] = {}
    judged = {}
    for variant in tqdm(variants, desc='fit', disable=None):
        spec = FeatureSpec(variant.order)
        options: dict[str, Any] = {'seed': seed, 'regularisation': regularisation}
        its_pixels = by_count[variant.samples]
        judged[variant.name] = held_out(its_pixels, spec, variant.kind, **options)
        classifiers[variant] = (spec, fit_on(its_pixels, spec, variant.kind, **options))
    fitted_after = time.monotonic() - begin
    content: dict[str, Any] = {
        'network': network.name,
        'weights_sha256': network.weights_sha256,
        'size': str(SIZE),
        'sampling': {'rates': dict(sampling.rates), 'seed': sampling.seed, 'pool': sampling.pool,
                     'coarse': sampling.coarse},
        'fit': {
            'on': [
                *(['cityscapes_mini/train void things (label ids 4 and 5)'] if void else []),
                *(['COCO objects pasted into cityscapes_mini/train and camvid/train']
                  if proxies else []),
            ],
            'images': int(taken[0].images.max()) + 1,
            'known_pixels': int((taken[0].targets == 0).sum()),
            'unknown_pixels': int((taken[0].targets == 1).sum()),
            'regularisation': regularisation,
            'held_out': judged,
        },
        'every': step,
        'sets': {},
    }  # fmt: skip
    for name in anomaly.MASKS:
        if (data / anomaly.FOLDER / name).is_dir():
            content['sets'][name] = _measure(
                network, replace(sampling, samples=counts[-1]), classifiers, numbers, data, name,
                step,
            )  # fmt: skip
    content['seconds'] = {
        'fit': round(fitted_after, 1),
        'measure': round(time.monotonic() - begin - fitted_after, 1),
    }
    return content


@torch.inference_mode()
def _measure(
    network: Network,
    sampling: Sampling,
    classifiers: dict[Variant, tuple[FeatureSpec, PixelClassifier]],
    numbers: Sequence[int],
    data: Path,
    name: str,
    step: int,
) -> dict[str, Any]:
    sampler = create_sampler(network.segmenter, sampling)
    metrics = {what: AnomalyMetrics() for what in (*BASELINES, *(v.name for v in classifiers))}
    images = 0
    chosen = (e for i, e in enumerate(anomaly.read(data, name)) if i % step == 0)
    for example in tqdm(chosen, desc=name, unit='image', disable=None):
        image, target = resize_image(example.image, SIZE), resize_labels(example.target, SIZE)
        x = to_tensor(image, network.preprocessing, network.input_size)
        logits = functional.interpolate(
            network.segmenter(x), SIZE.shape, mode='bilinear', align_corners=False
        )
        for score in BASELINES:
            metrics[score].update(SCORES.get(score)(logits)[0].numpy(), target)
        found = dict(zip(numbers, stacks(sampler, sampling, x, numbers, 4), strict=True))
        for variant, (spec, classifier) in classifiers.items():
            small = score_map(found[variant.samples], spec, classifier)[None, None]
            whole = functional.interpolate(small, SIZE.shape, mode='bilinear', align_corners=False)
            metrics[variant.name].update(whole[0, 0].numpy(), target)
        images += 1
    result: dict[str, Any] = {'images': images}
    for what, metric in metrics.items():
        figures = metric.compute()
        result[what] = {k: figures.as_dict()[k] for k in ('auroc', 'ap', 'fpr95')}
    return result


def table(content: dict[str, Any]) -> str:
    """Return the content of `compare` as Markdown, figures in percent."""
    sets: dict[str, Any] = content['sets']
    counts = ', '.join(f'{name} {part["images"]}' for name, part in sets.items())
    fit, origin = content['fit'], content.get('provenance', {})
    git = origin.get('git') or {}
    rates = ', '.join(f'{name} ({rate:g})' for name, rate in content['sampling']['rates'].items())
    changed = ' with changes' if git.get('dirty') else ''
    commit = f'{str(git.get("commit"))[:12]}{changed}'
    lines = [
        '# OODMC against entropy and max logit',
        '',
        f'Network {content["network"]}, images and ground truth at {content["size"]}, one image',
        f'in {content["every"]} of each set ({counts}), pooled pixels:',
        'AUROC / AP / FPR95 in percent.',
        'Moments of logits, entropy of the mean, linear support vector machine unless a kernel is',
        f'named. Active dropout: {rates}.',
        '',
        f'Fitted on {" and ".join(fit["on"])}:',
        f'{fit["images"]} images, {fit["known_pixels"]} known and {fit["unknown_pixels"]} unknown',
        'pixels. No image of the sets below was used to fit or to choose anything. Held out:',
        'AUROC / AP on the pixels of every fourth image of the fit, by a classifier fitted on the',
        'others; about half of those pixels are unknown.',
        '',
        f'`{origin.get("command", "")}`, seed {origin.get("seed")}, commit {commit}.',
        '',
        f'| score | {" | ".join(sets)} | held out |',
        f'|---|{"---|" * len(sets)}---|',
    ]
    rows = [key for key in next(iter(sets.values()), {}) if key != 'images']
    for row in rows:
        cells = [_cell(part[row], ('auroc', 'ap', 'fpr95')) for part in sets.values()]
        judged = fit['held_out'].get(row)
        cells.append(_cell(judged, ('auroc', 'ap')) if judged else '')
        lines.append(f'| {row} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _cell(figures: dict[str, float | None], keys: Sequence[str]) -> str:
    show: Callable[[float | None], str] = lambda v: '-' if v is None else f'{100 * v:.1f}'  # noqa: E731
    return ' / '.join(show(figures[key]) for key in keys)
