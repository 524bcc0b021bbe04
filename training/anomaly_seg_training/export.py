# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a training run to a bundle: graph, weights, threshold, measured figures, card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
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
from anomaly_seg_ros.models import Segmenter, create_segmenter, load_weights
from anomaly_seg_ros.refinement.names import REFINEMENTS_DEFAULT
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_ros.size import Size
from anomaly_seg_training.calibrate import ReaderOptions, calibrate
from anomaly_seg_training.class_names import class_set
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.data import cityscapes
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.fold import fold_norms
from anomaly_seg_training.measure import SIZE, miou
from anomaly_seg_training.module import MEAN, STD
from anomaly_seg_training.pooling import Pooling
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


def write_run_bundle(
    run: Path, data: Path, out: Path, threads: int = 0, pooling: Pooling | None = None
) -> Bundle:
    """Export a run of any kind.

    See `write_segmenter_bundle`, `finetune.bundle` and `synboost.dissimilarity_run`.

    Args:
        run: Folder of the run.
        data: Folder of the data sets.
        out: The bundle's folder, replaced if it is a bundle.
        threads: Of the engine that measures; 0 = all cores.
        pooling: Of a second stream; None: the recipe's.

    Raises:
        AnomalySegError: The run or the data cannot be used, or the export is not exact.
    """
    about = read_run(run)
    if pooling is not None and about.get('kind') in (None, 'dissimilarity'):
        msg = f'received {pooling}, but {run} has no second stream: leave it out'
        raise LabError(msg)
    if 'kind' in about:
        from anomaly_seg_training.finetune.bundle import write_finetuned_bundle

        if about['kind'] == 'dissimilarity':
            from anomaly_seg_training.synboost.dissimilarity_run import write_synboost_bundle

            return write_synboost_bundle(run, data, out, threads)
        return write_finetuned_bundle(run, data, out, threads, pooling)
    return write_segmenter_bundle(run, data, out, threads)


def leave_out_weights(bundle: Bundle) -> Bundle:
    """Rewrite a bundle with its graph alone: half as large, and nothing for the engine torch.

    Raises:
        BundleError: It has no graph.
    """
    graph = bundle.file('graph')
    return write_bundle(bundle.path, replace(bundle.card, weights=None), {graph.name: graph})


def write_segmenter_bundle(run: Path, data: Path, out: Path, threads: int = 0) -> Bundle:
    """Export a distilled segmenter's averaged weights.

    Batch norm statistics are taken anew from whole training photographs first.

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
    classes = class_set(recipe.classes)
    segmenter = create_segmenter(recipe.segmenter, num_classes=len(classes), **options).eval()
    load_weights(segmenter, run / WEIGHTS)
    preprocessing, size = Preprocessing(MEAN, STD), Size.parse(recipe.input_size)
    kept = encoder_parts(segmenter) if recipe.encoder else []
    recalibrate(segmenter, photographs(recipe, data), preprocessing, size, kept)
    card = draft_card(
        name=recipe.name,
        description=(
            f'{recipe.segmenter} at {size} for {_described(recipe)} trained on labelled frames by '
            'the recipe below.'
        ),
        segmenter=SegmenterSpec(recipe.segmenter, options),
        classes=classes,
        preprocessing=preprocessing,
        input_size=size,
        licence=dict(recipe.licence),
        training={**about, 'recipe': recipe.as_dict()},
    )
    return write_calibrated_bundle(segmenter, card, recipe.shares, data, out, threads)


def _described(recipe: SegmenterRecipe) -> str:
    what = f'{len(recipe.classes)} classes' if recipe.classes else 'the 19 classes of Cityscapes'
    return f'{what}, distilled from {recipe.teacher} and' if recipe.teacher else what


def draft_card(**fields: Any) -> Card:
    """Return a card that offers every score with the standard refinements, not calibrated yet."""
    return Card(
        scores=tuple(SCORES),
        score='max_logit',
        refinements=REFINEMENTS_DEFAULT,
        graph=GraphFile(),
        weights=WeightsFile(),
        **fields,
    )


def write_calibrated_bundle(
    segmenter: Segmenter,
    card: Card,
    shares: Mapping[str, float],
    data: Path,
    out: Path,
    threads: int = 0,
    reader_options: ReaderOptions | None = None,
) -> Bundle:
    """Export a network, calibrate and measure it, and write the bundle.

    Class statistics, thresholds and the default score are those of ``calibrate.calibrate``.

    Args:
        segmenter: In evaluation mode; its weights are rounded to float16.
        card: As `draft_card` makes it.
        shares: Data sets of the recipe; the labelled ones calibrate, else its bags.
        data: Folder of the data sets.
        out: The bundle's folder, replaced if it is a bundle.
        threads: Of the engine that measures; 0 = all cores.
        reader_options: Of the recipe.

    Raises:
        AnomalySegError: The data cannot be used, or the export is not exact.
    """
    # Graph and weights are to agree, so both come from the float16 values.
    fold_norms(segmenter)
    state = as_half(segmenter.state_dict(), MIN_SIZE)
    segmenter.load_state_dict(state)
    detector = Detector(
        segmenter, card.preprocessing, card.input_size, card.scores, card.refinements,
        card.classes.drivable,
    )  # fmt: skip
    return write_detector_bundle(detector, state, card, shares, data, out, threads, reader_options)


def write_detector_bundle(
    detector: Detector,
    state: Mapping[str, torch.Tensor],
    card: Card,
    shares: Mapping[str, float],
    data: Path,
    out: Path,
    threads: int = 0,
    reader_options: ReaderOptions | None = None,
) -> Bundle:
    """Export a detector, calibrate and measure it, and write the bundle.

    IoU is measured where the data sets hold labelled frames of Cityscapes to validate on.

    Args:
        detector: In evaluation mode; its large weights are float16 values.
        state: All its tensors, as the bundle's weights file names them.
        card: Not calibrated.
        shares: Data sets of the recipe; the labelled ones calibrate, else its bags.
        data: Folder of the data sets.
        out: The bundle's folder, replaced if it is a bundle.
        threads: Of the engine that measures; 0 = all cores.
        reader_options: Of the recipe.

    Raises:
        AnomalySegError: The data cannot be used, or the export is not exact.
    """
    card = replace(card, graph=GraphFile(), weights=WeightsFile())
    with tempfile.TemporaryDirectory(prefix='anomaly-seg-lab-') as place:
        graph = Path(place, 'detector.onnx')
        export(detector, graph)
        store_halves(graph)
        weights = Path(place, 'weights.safetensors')
        save_file(as_half(state, MIN_SIZE), weights)
        files = {'detector.onnx': graph, 'weights.safetensors': weights}
        draft = write_bundle(Path(place, 'draft'), card, files)
        card = calibrate(draft, shares, data, threads, reader_options)
        if card.classes.names == CITYSCAPES.names and cityscapes.holds(data, split='val'):
            card = replace(
                card, measured={**_measured_miou(draft, data, threads), **card.measured}
            )
        return write_bundle(out, card, files)


def _measured_miou(draft: Bundle, data: Path, threads: int) -> dict[str, Any]:
    engine = load_engine('onnxruntime', draft, threads=threads)
    result, per_image = miou(engine, cityscapes.read(data, split='val'))
    engine.close()
    return {
        'cityscapes_mini/val': {
            'miou': round(result.miou, 4),
            'miou_per_image': round(per_image, 4),
            'size': str(SIZE),
            'engine': 'onnxruntime',
            'command': (
                'anomaly-seg-lab measure bundle --bundle BUNDLE --data DATA --out FILE.json'
            ),
        }
    }
