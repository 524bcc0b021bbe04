# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images on which a segmenter is worst, before and after its fine-tuning, on one page."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.bundle import Bundle
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.metrics import PerImageMetrics
from anomaly_seg_ros.render import caption, contact_sheet, heat
from anomaly_seg_ros.size import Size
from anomaly_seg_training.benchmark import PROTOCOLS
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.evaluation import EvaluationSet
from anomaly_seg_training.evaluation.checkpoint import weights_bundle
from anomaly_seg_training.export import read_run
from anomaly_seg_training.finetune.config import FinetuneRecipe
from anomaly_seg_training.finetune.curves import target_picture
from anomaly_seg_training.finetune.finetuning import KIND, FinetuneRun
from anomaly_seg_training.finetune.finished import start_of_run
from anomaly_seg_training.resizing import resize_image, resize_labels
from anomaly_seg_training.training import WEIGHTS

_ENDS = (0.02, 0.995)
"""Quantiles of the shown scores that become the coldest and the hottest colour."""


@dataclass(frozen=True)
class Shown:
    """One image at the size at which it is measured.

    Args:
        name: The image's.
        image: (h, w, 3) uint8 RGB.
        target: (h, w) uint8: 0 normal, 1 anomaly, 255 ignored.
        before: (h, w) float32 scores of the start.
        ap: Average precision of `before` in this image alone.
    """

    name: str
    image: NDArray[np.uint8]
    target: NDArray[np.uint8]
    before: NDArray[np.float32]
    ap: float


def load_both(run: FinetuneRun, size: Size, device: str) -> tuple[Engine, Engine]:
    """Load the segmenter with which a run began and the one that came out.

    Args:
        run: The run's folder as `out`, and the start with which it began.
        size: At which both run.
        device: As `load_engine` takes it.

    Raises:
        AnomalySegError: The folder holds no fine-tuning, the start is another, or something
            cannot be read.
    """
    about = read_run(run.out)
    if about.get('kind') != KIND:
        msg = f'{run.out} holds no fine-tuning, expected the --out of train finetune'
        raise LabError(msg)
    recipe = FinetuneRecipe.from_dict(about['recipe'])
    # Octaves change what a fresh stream says, so what the training began with is not the start.
    start = run.open_start(recipe)
    if start.about['sha256'] != about['start']['sha256']:
        origin = about['start'].get('bundle') or about['start'].get('checkpoint')
        received = run.start_bundle or run.start_checkpoint
        msg = f'{received} is not what the run {run.out} began with, expected {origin}'
        raise LabError(msg)
    engines = []
    trained = start_of_run(about['start'], run.out / WEIGHTS)
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as place:
        for name, shown in (('before', start), ('after', trained)):
            bundle = weights_bundle(
                shown.network, name, f'{shown.spec.name} {name} fine-tuning', shown.spec,
                shown.classes, shown.preprocessing, size, Path(place) / name,
            )  # fmt: skip
            engine = load_engine('torch', Bundle.open(bundle), device=device, threads=run.threads)
            engines.append(engine)
    return engines[0], engines[1]


def worst_images(
    found: EvaluationSet, engine: Engine, score: str, size: Size, count: int
) -> list[Shown]:
    """Return the images with the lowest average precision, the lowest first.

    Args:
        found: A set with anomaly labels.
        engine: The segmenter at the start.
        score: Name of the score.
        size: To which images and labels are brought.
        count: How many.

    Raises:
        AnomalySegError: No image holds both normal and anomalous pixels, or one cannot be read.
    """
    protocol = PROTOCOLS.get(found.protocol)
    worst: list[Shown] = []
    frames = tqdm(
        found.frames(()), desc=found.name, total=found.images, unit='image', disable=None
    )
    for frame in frames:
        if frame.target is None:
            continue
        image = resize_image(frame.image, size)
        target = protocol.target(resize_labels(frame.target, size))
        scores = _run(engine, image, score)
        ap = _ap(scores, target)
        if ap is not None:
            worst.append(Shown(frame.name, image, target, scores, ap))
            worst = sorted(worst, key=lambda shown: shown.ap)[:count]
    if not worst:
        msg = f'{found.name} has no image with normal and anomalous pixels, expected one at least'
        raise LabError(msg)
    return worst


def draw_page(worst: Sequence[Shown], after: Engine, score: str, width: int) -> NDArray[np.uint8]:
    """Draw one row for each image: as it is, its labels, the scores before and after.

    All maps of one segmenter share one range of colours.

    Args:
        worst: What is shown.
        after: The fine-tuned segmenter.
        score: Name of the score.
        width: Of each picture, in pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    maps = [_run(after, shown.image, score) for shown in worst]
    before_range, after_range = _range([shown.before for shown in worst]), _range(maps)
    cells, captions = [], []
    for shown, values in zip(worst, maps, strict=True):
        cells += [
            shown.image,
            target_picture(shown.target),
            heat(shown.before, before_range),
            heat(values, after_range),
        ]
        changed = _ap(values, shown.target)
        captions += [
            shown.name,
            'labels: anomaly white, ignored grey',
            f'{score} before, AP {100 * shown.ap:.1f}',
            f'{score} after, AP {100 * (changed or 0.0):.1f}',
        ]
    sheet = contact_sheet(cells, 4, captions, cell_width=width)
    text = (
        f'dark to bright: before {before_range[0]:.2f} to {before_range[1]:.2f}, '
        f'after {after_range[0]:.2f} to {after_range[1]:.2f}'
    )
    return caption(sheet, text)


def _run(engine: Engine, image: NDArray[np.uint8], score: str) -> NDArray[np.float32]:
    values = engine.run(image[np.newaxis], (score,))[score][0]
    found: NDArray[np.float32] = values.astype(np.float32, copy=False)
    return found


def _ap(values: NDArray[np.float32], target: NDArray[np.uint8]) -> float | None:
    metrics = PerImageMetrics()
    metrics.update(values, target)
    return metrics.results[0].ap


def _range(maps: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    low, high = np.quantile(np.concatenate([values.ravel() for values in maps]), _ENDS)
    return float(low), max(float(high), float(low) + 1e-6)
