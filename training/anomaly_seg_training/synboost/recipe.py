# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes of SynBoost's three trainings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anomaly_seg_ros.bundle.resynthesis import MEMBERS
from anomaly_seg_ros.models.resynthesis import GENERATORS, WEIGHTINGS
from anomaly_seg_training.data import READERS
from anomaly_seg_training.recipe_file import Recipe, require
from anomaly_seg_training.synboost.discriminators import DISCRIMINATORS
from anomaly_seg_training.synboost.scenes import SCENES

PRECISIONS = ('32-true', 'bf16-mixed')
ENCODERS = ('', 'perceptual', 'torchvision')


@dataclass(frozen=True)
class _Labelled(Recipe):
    """What all three share: labelled crops, a schedule.

    Args:
        shares: Data set -> share of the crops.
        reader_options: Data set -> options of its reader.
        size: Size of the crops, WIDTHxHEIGHT.
        scale: Lowest and highest zoom, relative to Cityscapes at 1024x512.
        batch: Crops per step.
        steps: Length of the schedule.
        epoch_steps: Steps between checkpoints, and validations.
        precision: ``32-true`` or ``bf16-mixed``.
    """

    shares: dict[str, float] = field(default_factory=lambda: {'cityscapes': 1.0})
    reader_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    size: str = '512x256'
    scale: list[float] = field(default_factory=lambda: [0.5, 0.6])
    batch: int = 4
    steps: int = 10000
    epoch_steps: int = 500
    precision: str = '32-true'

    def check_labelled(self, known: list[str]) -> None:
        """Refuse values that cannot be used; `known` are the data sets that there are."""
        self.require_shares(self.shares, self.reader_options, known)
        self.require_sizes('size')
        self.require_scales('scale')
        self.require_at_least(1, 'batch', 'steps', 'epoch_steps')
        require(self.precision in PRECISIONS, 'precision', self.precision,
                f'one of {list(PRECISIONS)}')  # fmt: skip


@dataclass(frozen=True)
class PerceptualRecipe(_Labelled):
    """A VGG that learns to label pixels, where none trained on ImageNet can be had.

    Args:
        options: Of `models.resynthesis.Vgg`.
        rate: Learning rate, lowered to nothing by a half cosine.
        weight_decay: Of AdamW.
    """

    options: dict[str, Any] = field(
        default_factory=lambda: {'depth': 16, 'tap': 'last', 'levels': 4, 'width': 0.25}
    )
    rate: float = 1e-3
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.check_labelled(READERS.names())
        self.require_positive('rate')
        self.require_at_least(0, 'weight_decay')


@dataclass(frozen=True)
class SynthesisRecipe(_Labelled):
    """A generator of images from labels.

    Args:
        generator: ``spade`` or ``ccfpse``.
        generator_options: Of its constructor; ``styles`` turns the style encoder on.
        style_options: Of the style encoder.
        discriminator: ``multiscale`` or ``pyramid``.
        discriminator_options: Of its constructor.
        perceptual_options: Of the network whose features are compared, here and later.
        perceptual: ``torchvision`` for its weights learnt on ImageNet; empty where a file is
            passed on the command line.
        rate: Learning rate of the generator.
        judge_rate: Learning rate of the discriminator.
        decay_from: Share of the schedule after which rates fall in a straight line to nothing.
        ema: Decay of the averaged weights.
        feature_weight: Weight of the feature-matching loss.
        perceptual_weight: Weight of the perceptual loss; 0 needs no perceptual weights.
        style_weight: Weight of the style's divergence.
        picture_steps: Steps between pages of pictures.
    """

    generator: str = 'spade'
    generator_options: dict[str, Any] = field(default_factory=dict)
    style_options: dict[str, Any] = field(default_factory=dict)
    discriminator: str = 'multiscale'
    discriminator_options: dict[str, Any] = field(default_factory=dict)
    perceptual_options: dict[str, Any] = field(
        default_factory=lambda: {'depth': 19, 'tap': 'first', 'levels': 5}
    )
    perceptual: str = 'torchvision'
    rate: float = 1e-4
    judge_rate: float = 4e-4
    decay_from: float = 0.5
    ema: float = 0.999
    feature_weight: float = 10.0
    perceptual_weight: float = 10.0
    style_weight: float = 0.05
    picture_steps: int = 1000

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.check_labelled(READERS.names())
        require(self.generator in GENERATORS, 'generator', self.generator,
                f'one of {GENERATORS.names()}')  # fmt: skip
        require(self.discriminator in DISCRIMINATORS, 'discriminator', self.discriminator,
                f'one of {list(DISCRIMINATORS)}')  # fmt: skip
        require(self.perceptual in ('', 'torchvision'), 'perceptual', self.perceptual,
                'torchvision, or nothing')  # fmt: skip
        self.require_positive('rate', 'judge_rate')
        self.require_share('decay_from', 'ema')
        self.require_at_least(0, 'feature_weight', 'perceptual_weight', 'style_weight')
        self.require_at_least(1, 'picture_steps')


@dataclass(frozen=True)
class DissimilarityRecipe(_Labelled):
    """The dissimilarity network, and the ensemble with the uncertainty maps.

    `size` is the segmenter's; synthesis has the size of its own run.

    Args:
        name: Of the bundle.
        dissimilarity_size: Size at which the network runs.
        options: Of `models.resynthesis.DissimilarityNetwork`.
        image_encoder: Where its VGG-16 begins: ``torchvision``, ``perceptual`` for the weights
            of the perceptual network, which must be a VGG-16 of the same width, or nothing.
        weighting: Of the perceptual difference's levels.
        normalisation: ``dataset``, or ``image``, after which scores of different images cannot be
            compared.
        bounds_images: Examples from which the bounds of the uncertainty maps are taken.
        void_share: Share of examples whose anomalies are void regions with predicted labels; in
            the others instances have another class. 0 leaves the void regions out.
        least_area: Pixels of the smallest instance whose class is changed, at the scene's view.
        validation: Data set -> options of its reader, for the validation set, which the same
            generator makes. Never a benchmark.
        validation_items: Examples in it.
        selection: What chooses the weights: ``loss`` or ``ap`` on the validation set.
        ensemble: Weights of network, entropy, perceptual difference and distance; empty for a
            grid search on the validation set.
        ensemble_metric: What the search is for: ``fpr95``, lowest, or ``ap``, highest.
        learn_ensemble: Train the weights with the network instead (an ablation of the paper).
        rate: Learning rate.
        patience: Validations without a lower loss until the rate is lowered.
        factor: By which it is.
        licence: Texts for the card.
    """

    name: str = 'synboost'
    dissimilarity_size: str = '512x256'
    options: dict[str, Any] = field(default_factory=dict)
    image_encoder: str = 'torchvision'
    weighting: str = 'published'
    normalisation: str = 'dataset'
    bounds_images: int = 32
    void_share: float = 0.5
    least_area: int = 190
    validation: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {'synthetic': {'clips': 20, 'frames': 1, 'seed': 4000}}
    )
    validation_items: int = 40
    selection: str = 'loss'
    ensemble: list[float] = field(default_factory=list)
    ensemble_metric: str = 'fpr95'
    learn_ensemble: bool = False
    rate: float = 1e-4
    patience: int = 10
    factor: float = 0.5
    licence: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.check_labelled(SCENES.names())
        self.require_sizes('dissimilarity_size')
        shares = dict.fromkeys(self.validation, 1.0)
        self.require_shares(shares, self.validation, SCENES.names())
        for key, known in (
            ('image_encoder', ENCODERS), ('weighting', WEIGHTINGS),
            ('normalisation', ('dataset', 'image')), ('selection', ('loss', 'ap')),
            ('ensemble_metric', ('fpr95', 'ap')),
        ):  # fmt: skip
            value = getattr(self, key)
            require(value in known, key, value, f'one of {list(known)}')
        self.require_share('void_share')
        self.require_at_least(1, 'bounds_images', 'validation_items', 'patience')
        self.require_at_least(0, 'least_area')
        self.require_positive('rate')
        require(0 < self.factor < 1, 'factor', self.factor, 'more than 0 and less than 1')
        good = len(self.ensemble) == len(MEMBERS) and min(self.ensemble) >= 0
        require(not self.ensemble or (good and sum(self.ensemble) > 0), 'ensemble', self.ensemble,
                f'{len(MEMBERS)} weights of at least 0, not all 0, or none')  # fmt: skip
