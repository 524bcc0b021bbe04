# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A segmenter's training recipe: one YAML file, one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anomaly_seg_ros.classes import CITYSCAPES
from anomaly_seg_training.data import READERS
from anomaly_seg_training.recipe_file import Recipe, RecipeError, require

__all__ = ['RecipeError', 'SegmenterRecipe']


@dataclass(frozen=True)
class SegmenterRecipe(Recipe):
    """How a segmenter is distilled from a teacher and labelled frames.

    Args:
        name: Name of the bundle that comes out.
        segmenter: A name of ``models.SEGMENTERS``.
        options: Options of that segmenter.
        licence: Texts by topic for the bundle's card: what the data and the teacher allow.
        teacher: A name of ``models.SEGMENTERS``; its checkpoint comes from the command line.
            Without one, labels alone teach.
        classes: Names of what the segmenter knows, from all names that its data sets have; what
            has another name is ignored. Empty for Cityscapes' classes, the only ones of a teacher.
        teacher_classes: Outputs of the teacher; the first 19 are Cityscapes' classes.
        input_size: Size at which the network runs in the bundle, WIDTHxHEIGHT.
        crop: Size of training crops, WIDTHxHEIGHT, multiples of 32.
        scale: Lowest and highest random scale, relative to each data set's view.
        shares: Data set -> share of the crops.
        reader_options: Data set -> options of its reader.
        batch: Crops per step and device.
        steps: Steps at most; the schedule ends here or when the time is up.
        epoch_steps: Steps between checkpoints.
        learning_rate: Peak of the schedule for the convolutions, by Muon.
        encoder: Package whose weights the encoder starts from, see ``pretrained.PACKAGES``; empty
            for fresh weights.
        frozen_blocks: With `encoder`: blocks after the stem that stay as they are.
        encoder_rate: With `encoder`: peak for its other parameters, by AdamW.
        head_rate: Peak for norms, biases and the outermost layers, by AdamW.
        weight_decay: On convolution weights only.
        ema: Decay of the averaged weights that are exported.
        temperature: Of the distillation on logits.
        label_weight: Weight of the cross entropy with ground truth.
        teacher_weight: Weight of the KL divergence to the teacher.
        feature_weight: Weight of the feature distillation.
        deep_weight: Weight of label and teacher loss on features at an eighth of the resolution.
        rare_share: Share of crops that are centred on a class drawn uniformly.
        mix_share: Share of crops that get classes of another crop pasted (ClassMix).
        style_source: Data set whose colours crops of the others take on; empty for none.
        style_share: Share of those crops.
        norm_images: Images per data set that give the exported batch norm statistics.
        precision: Lightning's precision, ``32-true`` or for GPUs ``16-mixed``, ``bf16-mixed``.
    """

    name: str
    segmenter: str
    shares: dict[str, float]
    teacher: str = ''
    classes: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    licence: dict[str, str] = field(default_factory=dict)
    reader_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    teacher_classes: int = 20
    input_size: str = '1024x512'
    crop: str = '512x384'
    scale: list[float] = field(default_factory=lambda: [0.75, 2.0])
    batch: int = 6
    steps: int = 6000
    epoch_steps: int = 100
    learning_rate: float = 0.02
    encoder: str = ''
    frozen_blocks: int = 3
    encoder_rate: float = 4e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.01
    ema: float = 0.998
    temperature: float = 1.5
    label_weight: float = 1.0
    teacher_weight: float = 1.0
    feature_weight: float = 0.5
    deep_weight: float = 0.4
    rare_share: float = 0.4
    mix_share: float = 0.4
    style_source: str = ''
    style_share: float = 0.0
    norm_images: int = 16
    precision: str = '32-true'

    def __post_init__(self) -> None:
        """Refuse values out of range, each in one sentence.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.require_sizes('input_size', 'crop')
        self.require_scales('scale')
        self.require_shares(self.shares, self.reader_options, READERS)
        self.require_at_least(1, 'batch', 'steps', 'epoch_steps', 'teacher_classes', 'norm_images')
        self.require_positive('learning_rate', 'head_rate', 'encoder_rate', 'temperature')
        self.require_share('ema', 'rare_share', 'mix_share', 'style_share')
        if not self.teacher:
            for key in ('teacher_weight', 'feature_weight'):
                require(getattr(self, key) == 0, key, getattr(self, key), '0 without a teacher')
        elif self.classes and tuple(self.classes) != CITYSCAPES.names:
            require(False, 'teacher', self.teacher, "none for other classes than Cityscapes'")
        self.require_at_least(
            0, 'frozen_blocks', 'weight_decay', 'label_weight', 'teacher_weight',
            'feature_weight', 'deep_weight',
        )  # fmt: skip
