# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a training run to a bundle: graph, weights, threshold, measured figures, card."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from anomaly_seg_ros.bundle import (
    Bundle,
    Card,
    GraphFile,
    Preprocessing,
    SegmenterSpec,
    WeightsFile,
    write_bundle,
)
from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_ros.detector import Detector, export
from anomaly_seg_ros.detector.half_storage import MIN_SIZE, store_halves
from anomaly_seg_ros.engines import load_engine
from anomaly_seg_ros.models import create_segmenter, load_weights
from anomaly_seg_ros.refinement.names import REFINEMENTS_DEFAULT
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_ros.size import Size
from anomaly_seg_training.calibrate import calibrate
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.data import cityscapes
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fold import fold_norms
from anomaly_seg_training.measure import SIZE, miou
from anomaly_seg_training.module import MEAN, STD
from anomaly_seg_training.pretrained import encoder_parts
from anomaly_seg_training.recalibrate import photographs, recalibrate
from anomaly_seg_training.training import RUN, WEIGHTS, as_half


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

    Every score comes with the standard refinements; class statistics, thresholds and the default
    score are those of ``calibrate.calibrate``.

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
    kept = encoder_parts(segmenter) if recipe.encoder else []
    recalibrate(segmenter, photographs(recipe, data), preprocessing, size, kept)
    # Graph and weights are to agree, so both come from the float16 values.
    fold_norms(segmenter)
    state = as_half(segmenter.state_dict(), MIN_SIZE)
    segmenter.load_state_dict(state)
    scores, refinements = tuple(SCORES), REFINEMENTS_DEFAULT
    detector = Detector(segmenter, preprocessing, size, scores, refinements, CITYSCAPES.drivable)
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
        scores=scores,
        score='max_logit',
        refinements=refinements,
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
        save_file(state, weights)
        files = {'detector.onnx': graph, 'weights.safetensors': weights}
        draft = write_bundle(Path(place, 'draft'), card, files)
        card = calibrate(draft, recipe, data, threads)
        engine = load_engine('onnxruntime', draft, threads=threads)
        result, per_image = miou(engine, cityscapes.read(data, split='val'))
        engine.close()
        measured = {
            'cityscapes_mini/val': {
                'miou': round(result.miou, 4),
                'miou_per_image': round(per_image, 4),
                'size': str(SIZE),
                'engine': 'onnxruntime',
                'command': (
                    'anomaly-seg-lab measure bundle --bundle BUNDLE --data DATA --out FILE.json'
                ),
            },
            **card.measured,
        }
        return write_bundle(out, replace(card, measured=measured), files)
