# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmenter, synthesis and a fresh dissimilarity network put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from anomaly_seg_ros.bundle import Bundle, Card, Preprocessing, ResynthesisSpec, SegmenterSpec
from anomaly_seg_ros.bundle.resynthesis import SCORE
from anomaly_seg_ros.classes import CITYSCAPES, ClassSet
from anomaly_seg_ros.detector import ResynthesisDetector
from anomaly_seg_ros.files import sha256_file
from anomaly_seg_ros.models import load_state, read_state_dict
from anomaly_seg_ros.models.resynthesis import Resynthesis
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.export import read_run
from anomaly_seg_training.finetune.start import Start, start_from
from anomaly_seg_training.finetune.stream import without_stream
from anomaly_seg_training.synboost.pretrained import TORCHVISION, load_vgg
from anomaly_seg_training.synboost.recipe import DissimilarityRecipe, SynthesisRecipe
from anomaly_seg_training.training import WEIGHTS

SCORES = (SCORE, 'entropy', 'max_logit')
"""What detectors offer beside labels: the score, and the segmenter's own to compare with."""


@dataclass(frozen=True)
class Parts:
    """What a dissimilarity network is trained behind.

    Args:
        start: The segmenter.
        synthesis: Folder of a run of `train synthesis`.
    """

    start: Start
    synthesis: Path

    @classmethod
    def open(cls, bundle: str, synthesis: Path) -> Parts:
        """Load the segmenter, and check that it has the classes that scenes are labelled with.

        A second stream beside it is left out: labels, softmax and entropy do not need it.

        Raises:
            AnomalySegError: The bundle cannot be used, or knows other classes.
        """
        start = without_stream(start_from(Bundle.open(bundle)))
        if start.classes.names != CITYSCAPES.names:
            msg = (
                f'the segmenter of {bundle} knows the {len(start.classes)} classes '
                f'{", ".join(start.classes.names)}, expected the {len(CITYSCAPES)} of Cityscapes, '
                'which synthesis is trained with'
            )
            raise LabError(msg)
        return cls(start, synthesis)

    def about(self) -> dict[str, Any]:
        """Return what rebuilds the segmenter and tells where parts come from, for run files."""
        return {**self.start.as_dict(), 'synthesis': sha256_file(self.synthesis / WEIGHTS)}


def assemble(parts: Parts, recipe: DissimilarityRecipe) -> ResynthesisDetector:
    """Return a detector whose dissimilarity network has still to learn.

    Raises:
        LabError: The folder holds no run of synthesis, one without a perceptual network, or
            weights cannot be downloaded.
        ModelError: Weights or sizes do not fit.
    """
    about = read_run(parts.synthesis)
    if about.get('kind') != 'synthesis':
        msg = f'{parts.synthesis} holds no run of anomaly-seg-lab train synthesis: train one first'
        raise LabError(msg)
    drawn = SynthesisRecipe.from_dict(about['recipe'])
    path = parts.synthesis / WEIGHTS
    state = read_state_dict(path)
    if not any(name.startswith('perceptual.') for name in state):
        msg = f'{path} has no perceptual network: train synthesis with --perceptual FILE'
        raise LabError(msg)
    framework = Resynthesis(
        ResynthesisSpec(
            classes=len(CITYSCAPES),
            synthesis_size=Size.parse(drawn.size),
            dissimilarity_size=Size.parse(recipe.dissimilarity_size),
            generator=drawn.generator,
            generator_options=drawn.generator_options,
            style_options=drawn.style_options,
            perceptual_options=drawn.perceptual_options,
            dissimilarity_options=recipe.options,
            weighting=recipe.weighting,
            normalisation=recipe.normalisation,
        )
    )
    for name in ('generator', 'style', 'perceptual'):
        network = getattr(framework, name)
        if network is not None:
            load_state(network, _part(state, f'{name}.'), f'{path}, {name}')
    if recipe.image_encoder == TORCHVISION:
        load_vgg(framework.dissimilarity.images, TORCHVISION, 16)
    elif recipe.image_encoder:
        load_state(framework.dissimilarity.images, _part(state, 'perceptual.'), str(path))
    start = parts.start
    return ResynthesisDetector(
        start.network, framework, start.preprocessing, Size.parse(recipe.size), SCORES, ('none',),
        start.classes.drivable,
    ).eval()  # fmt: skip


def start_of(about: Mapping[str, Any]) -> tuple[SegmenterSpec, Preprocessing, ClassSet]:
    """Return what `Parts.about` says of the segmenter."""
    entries = about['classes']
    colours = [(int(r), int(g), int(b)) for r, g, b in entries['palette']]
    classes = ClassSet(tuple(entries['names']), tuple(colours), tuple(entries['drivable']))
    preprocessing = Preprocessing(tuple(about['mean']), tuple(about['std']))
    return SegmenterSpec(about['segmenter'], dict(about['options'])), preprocessing, classes


def card_of(detector: ResynthesisDetector, about: Mapping[str, Any], **fields: Any) -> Card:
    """Return a card of a detector whose segmenter `Parts.about` describes."""
    spec, preprocessing, classes = start_of(about)
    return Card(
        segmenter=spec, classes=classes, preprocessing=preprocessing,
        input_size=detector.input_size, scores=SCORES, score=SCORE,
        resynthesis=detector.resynthesis.spec, **fields,
    )  # fmt: skip


def _part(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}
