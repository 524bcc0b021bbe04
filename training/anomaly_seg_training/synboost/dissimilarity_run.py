# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One run of the dissimilarity network: scenes, bounds, training, ensemble, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
from safetensors.torch import save_file

from anomaly_seg_ros.bundle import Bundle, ResynthesisSpec, WeightsFile, write_bundle
from anomaly_seg_ros.bundle.fields import Fields
from anomaly_seg_ros.detector import ResynthesisDetector
from anomaly_seg_ros.detector.create import detector_state
from anomaly_seg_ros.detector.half_storage import MIN_SIZE
from anomaly_seg_ros.files import atomic_path, write_json
from anomaly_seg_ros.models import Segmenter, create_segmenter
from anomaly_seg_ros.models.resynthesis import Resynthesis
from anomaly_seg_ros.models.weights import load_state, read_state_dict
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.export import read_run, write_detector_bundle
from anomaly_seg_training.fitting import fit
from anomaly_seg_training.run_settings import RunSettings
from anomaly_seg_training.synboost.assembly import SCORES, Parts, assemble, card_of, start_of
from anomaly_seg_training.synboost.dissimilarity_training import (
    DissimilarityTraining,
    Validate,
    found_bounds,
    frequency_weights,
)
from anomaly_seg_training.synboost.ensemble import Weights, search
from anomaly_seg_training.synboost.examples import (
    batches,
    training_examples,
    validation_examples,
)
from anomaly_seg_training.synboost.material import Material, gather
from anomaly_seg_training.synboost.recipe import DissimilarityRecipe
from anomaly_seg_training.training import RUN, Reporter, as_half

KIND = 'dissimilarity'
DETECTOR = 'detector.safetensors'
"""All networks of the detector with the best weights; there as soon as the run has ended."""
_COUNTED = 64
_OWN_EPOCH = 10**6
"""Of the draws that bounds and class weights are taken from: no epoch of training has them."""


def train_dissimilarity(
    recipe: DissimilarityRecipe, run: RunSettings, bundle: str, synthesis: Path,
    material: Material | None = None,
) -> Path:  # fmt: skip
    """Train by a recipe; write ``detector.safetensors`` and ``run.json`` into `run.out`.

    Args:
        recipe: What to train.
        run: Where and how long.
        bundle: The segmenter's bundle, with weights.
        synthesis: Folder of a run of `train_synthesis`.
        material: Its scenes, of `gather`; gathered here if None.

    Returns:
        The path of the detector's weights.

    Raises:
        AnomalySegError: The recipe, a bundle, the data or the checkpoint to resume cannot be used.
    """
    run.check()
    run.limit_threads()
    lightning.seed_everything(run.seed, verbose=False)
    parts = Parts.open(bundle, synthesis)
    detector = assemble(parts, recipe)
    if material is None:
        material = gather(detector, recipe, run)
    sources, framework = material.sources, detector.resynthesis
    held_out = validation_examples(material.held_out, recipe)
    validation = list(batches(held_out, len(held_out), recipe.batch))
    if recipe.normalisation == 'dataset':
        first = training_examples(sources, recipe, recipe.bounds_images, run.seed, _OWN_EPOCH)
        framework.spec = found_bounds(framework, batches(first, len(first), recipe.batch))
    counted = training_examples(sources, recipe, _COUNTED, run.seed, _OWN_EPOCH)
    weights = frequency_weights(batches(counted, len(counted), recipe.batch))
    module = DissimilarityTraining(
        recipe, framework, weights, validation, run.seed, run.max_minutes
    )
    about: dict[str, Any] = {
        'kind': KIND, 'recipe': recipe.as_dict(), 'seed': run.seed, 'start': parts.about(),
        'scenes': {name: len(items) for name, items in sources.items()},
        'class_weights': [round(w, 4) for w in weights],
    }  # fmt: skip
    fit(
        module, recipe, run,
        lambda items, epoch: training_examples(sources, recipe, items, run.seed, epoch),
        [Validate(), Reporter(run.out, about)],
    )  # fmt: skip
    return _finish(module, detector, recipe, run.out)


def _finish(
    module: DissimilarityTraining, detector: ResynthesisDetector, recipe: DissimilarityRecipe,
    out: Path,
) -> Path:  # fmt: skip
    module.use_best()
    module.eval()
    _, members, target = module.measure()
    choices: list[Weights] | None = None
    if recipe.learn_ensemble:
        a, b, c, d = (float(v) for v in module.mixing.detach().softmax(0))
        choices = [(a, b, c, d)]
    elif recipe.ensemble:
        a, b, c, d = (v / sum(recipe.ensemble) for v in recipe.ensemble)
        choices = [(a, b, c, d)]
    ensemble, found = search(members, target, recipe.ensemble_metric, choices)
    _, alone = search(members, target, recipe.ensemble_metric, [(1.0, 0.0, 0.0, 0.0)])
    # The card wants a sum of 1 to a millionth; a softmax in float32 is no better than that.
    total = sum(ensemble)
    a, b, c, d = (weight / total for weight in ensemble)
    network = detector.resynthesis
    network.spec = replace(network.spec, ensemble=(a, b, c, d))
    detector.eval().cpu()
    assert isinstance(detector.segmenter, Segmenter)
    state = as_half(detector_state(detector.segmenter, network), MIN_SIZE)
    with atomic_path(out / DETECTOR) as temporary:
        save_file(state, temporary)
    content = read_run(out)
    content['resynthesis'] = network.spec.to_json()
    content['chosen'] = {
        'ensemble': {name: round(v, 5) for name, v in found.items()},
        'network': {name: round(v, 5) for name, v in alone.items()},
    }
    write_json(out / RUN, content)
    return out / DETECTOR


def read_detector(run: Path) -> tuple[ResynthesisDetector, dict[str, Any]]:
    """Return the detector that a finished run has trained, and what the run says of itself.

    Raises:
        AnomalySegError: The folder holds no finished run, or its weights do not fit.
    """
    about = read_run(run)
    if about.get('kind') != KIND or 'resynthesis' not in about:
        msg = (
            f'{run} holds no finished run of anomaly-seg-lab train dissimilarity: finish it first'
        )
        raise LabError(msg)
    spec, preprocessing, classes = start_of(about['start'])
    recipe = DissimilarityRecipe.from_dict(about['recipe'])
    network = Resynthesis(
        ResynthesisSpec.from_fields(Fields(json.loads(json.dumps(about['resynthesis'])), RUN))
    )
    segmenter = create_segmenter(spec.name, **{'num_classes': len(classes), **spec.options})
    path = run / DETECTOR
    state = read_state_dict(path)
    for prefix, part in (('segmenter.', segmenter), ('resynthesis.', network)):
        own = {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}
        load_state(part, own, f'{path}, {prefix[:-1]}')
    detector = ResynthesisDetector(
        segmenter, network, preprocessing, Size.parse(recipe.size), SCORES, ('none',),
        classes.drivable,
    )  # fmt: skip
    return detector.eval(), about


def write_weights_bundle(run: Path, out: Path, ensemble: Weights | None = None) -> Bundle:
    """Write a bundle without a graph, for the engine torch: quick, and not calibrated.

    Args:
        run: Folder of a finished run.
        out: The bundle's folder.
        ensemble: Weights instead of those that the run has chosen.

    Raises:
        AnomalySegError: See `read_detector`.
    """
    detector, about = read_detector(run)
    if ensemble is not None:
        network = detector.resynthesis
        network.spec = replace(network.spec, ensemble=ensemble)
    card = card_of(
        detector, about['start'], name=about['recipe']['name'],
        description='Weights of a run, to be measured.', weights=WeightsFile(),
    )  # fmt: skip
    return write_bundle(out, card, {'weights.safetensors': run / DETECTOR})


def write_synboost_bundle(run: Path, data: Path, out: Path, threads: int = 0) -> Bundle:
    """Export, calibrate and measure the detector of a finished run.

    Args:
        run: Folder of the run.
        data: Folder of the data sets.
        out: The bundle's folder, replaced if it is a bundle.
        threads: Of the engine that measures; 0 = all cores.

    Raises:
        AnomalySegError: The run or the data cannot be used, or the export is not exact.
    """
    detector, about = read_detector(run)
    recipe = DissimilarityRecipe.from_dict(about.pop('recipe'))
    start = about['start']
    card = card_of(
        detector, start,
        name=recipe.name,
        description=(
            f'SynBoost around {start["bundle"]} ({start["segmenter"]}) at {detector.input_size}: '
            'synthesis from labels, dissimilarity network and uncertainty maps by the recipe '
            'below; the segmenter is untouched.'
        ),
        licence={**start['licence'], **recipe.licence},
        training={**about, 'recipe': recipe.as_dict()},
    )  # fmt: skip
    assert isinstance(detector.segmenter, Segmenter)
    state = detector_state(detector.segmenter, detector.resynthesis)
    return write_detector_bundle(detector, state, card, recipe.shares, data, out, threads)
