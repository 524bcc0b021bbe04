# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a training run to a bundle: graph, weights, threshold, measured figures, card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from anomaly_seg_ros.bundle import (
    Bundle,
    Card,
    GraphFile,
    Preprocessing,
    SegmenterSpec,
    Threshold,
    WeightsFile,
    write_bundle,
)
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.detector import Detector, export
from anomaly_seg_ros.detector.half_storage import store_halves
from anomaly_seg_ros.engines import Engine, load_engine
from anomaly_seg_ros.models import create_segmenter, load_weights
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.synthetic import SceneConfig, StreetClip
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.data import READERS, Example, cityscapes
from anomaly_seg_training.data.anomaly import AnomalyExample
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fold import fold_norms
from anomaly_seg_training.measure import SIZE, anomaly_figures, miou, normal_scores
from anomaly_seg_training.module import MEAN, STD
from anomaly_seg_training.recalibrate import photographs, recalibrate
from anomaly_seg_training.training import RUN, WEIGHTS, as_half

QUANTILE = 0.995
DISPLAY = (0.05, 0.999)
CLIPS = 24
"""Generated clips with unknown objects that choose the default score; seeds from 5000."""


def read_run(folder: Path) -> dict[str, Any]:
    """Read what a training run wrote about itself.

    Raises:
        LabError: The folder holds no run.
    """
    try:
        content: dict[str, Any] = json.loads((folder / RUN).read_text('utf-8'))
    except (OSError, ValueError) as error:
        msg = f'{folder} holds no {RUN} of a training run ({error}): train first'
        raise LabError(msg) from error
    return content


def write_segmenter_bundle(run: Path, data: Path, out: Path, threads: int = 0) -> Bundle:
    """Export a run's averaged weights, calibrate and measure them, and write the bundle.

    Batch norm statistics are taken anew from whole training photographs first.

    The default score is the one with the best AUROC on generated clips with unknown
    objects. The threshold is the 99.5 % quantile of that score on labelled pixels of the labelled
    training images: about one normal pixel in 200 lies above it. The display range is from the
    5 % to the 99.9 % quantile.

    Args:
        run: Folder of the run.
        data: Folder of the data sets.
        out: The bundle's folder, replaced if it is a bundle.
        threads: Of the engine that measures; 0 = all cores.

    Raises:
        AnomalySegError: The run or the data cannot be used, or the export is not exact.
    """
    about = read_run(run)
    recipe = SegmenterRecipe.from_dict(about.pop('recipe'))
    options = dict(recipe.options)
    segmenter = create_segmenter(recipe.segmenter, num_classes=len(CITYSCAPES), **options).eval()
    load_weights(segmenter, run / WEIGHTS)
    preprocessing, size = Preprocessing(MEAN, STD), Size.parse(recipe.input_size)
    recalibrate(segmenter, photographs(recipe, data), preprocessing, size)
    # Graph and weights are to agree, so both come from the float16 values.
    fold_norms(segmenter)
    segmenter.load_state_dict(as_half(segmenter.state_dict()))
    detector = Detector(segmenter, preprocessing, size, tuple(SCORES))
    card = Card(
        name=recipe.name,
        description=(
            f'{recipe.segmenter} at {size} for the 19 classes of Cityscapes, distilled from '
            f'{recipe.teacher} and trained on labelled frames by the recipe below.'
        ),
        segmenter=SegmenterSpec(recipe.segmenter, options),
        classes=CITYSCAPES,
        preprocessing=preprocessing,
        input_size=size,
        scores=tuple(SCORES),
        score='max_logit',
        graph=GraphFile(),
        weights=WeightsFile(),
        licence=dict(recipe.licence),
        training={**about, 'recipe': recipe.as_dict()},
    )
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as place:
        graph = Path(place, 'detector.onnx')
        export(detector, graph)
        store_halves(graph)
        weights = Path(place, 'weights.safetensors')
        save_file(as_half(segmenter.state_dict()), weights)
        files = {'detector.onnx': graph, 'weights.safetensors': weights}
        draft = write_bundle(Path(place, 'draft'), card, files)
        engine = load_engine('onnxruntime', draft, threads=threads)
        card = calibrate(card, engine, recipe, data)
        result, per_image = miou(engine, cityscapes.read(data, split='val'))
        engine.close()
        measured = {
            'cityscapes_mini/val': {
                'miou': round(result.miou, 4),
                'miou_per_image': round(per_image, 4),
                'size': str(SIZE),
                'engine': 'onnxruntime',
                'command': 'anomaly-seg-lab measure bundle --bundle BUNDLE --data DATA --out FILE.json',
            },
            **card.measured,
        }
        return write_bundle(out, replace(card, measured=measured), files)


def calibrate(card: Card, engine: Engine, recipe: SegmenterRecipe, data: Path) -> Card:
    """Choose score, threshold and display range on training data and generated clips."""
    results = anomaly_figures(engine, unknown_objects(CLIPS), card.scores)
    # The clips hold unknown objects and normal pixels, so no figure is None.
    figures = {name: result.as_dict() for name, result in results.items()}
    score = max(card.scores, key=lambda name: figures[name]['auroc'])
    values = normal_scores(engine, labelled(recipe, data), (score,))[score]
    low, high = (float(v) for v in np.quantile(values, DISPLAY))
    threshold = Threshold(
        round(float(np.quantile(values, QUANTILE)), 5),
        f'{100 * QUANTILE:g} % quantile of {score} on labelled pixels of cityscapes_mini/train '
        'and camvid',
    )
    measured = {
        'synthetic clips with unknown objects (chose the score)': {
            name: {key: round(f[key], 4) for key in ('auroc', 'ap', 'fpr95')}
            for name, f in figures.items()
        }
    }
    return replace(
        card,
        score=score,
        threshold=threshold,
        score_range=(round(low, 5), round(high, 5)),
        measured=measured,
    )


def labelled(recipe: SegmenterRecipe, data: Path) -> Iterator[Example]:
    """Yield the recipe's labelled photographs, and every tenth frame of CamVid."""
    parts: list[Iterator[Example]] = []
    if recipe.shares.get('cityscapes'):
        parts.append(READERS.get('cityscapes')(data))
    if recipe.shares.get('camvid'):
        parts.append(READERS.get('camvid')(data, step=10))
    return chain(*parts) if parts else READERS.get('synthetic')(data, clips=CLIPS, frames=1)


def unknown_objects(clips: int, seed: int = 5000) -> Iterator[AnomalyExample]:
    """Yield one frame each of generated clips that show unknown objects."""
    for index in range(clips):
        config = SceneConfig(size=SIZE, seed=seed + index, frames=20, unknown_objects=10)
        frame = StreetClip(config)[10]
        yield AnomalyExample(f'synthetic/{seed + index}', frame.image, frame.anomaly)
