# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The distillation as a Lightning module: losses, averaged weights, a schedule by time."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from anomaly_seg_ros.models import PyramidSegmenter, Segmenter
from anomaly_seg_training.config import SegmenterRecipe
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.losses import feature_loss, label_loss, teacher_loss
from anomaly_seg_training.mixing import Batch, class_mix
from anomaly_seg_training.muon import Muon
from anomaly_seg_training.pretrained import encoder_parts
from anomaly_seg_training.timed import TimedModule

MEAN = (127 / 255,) * 3
STD = (128 / 255,) * 3
"""Of RGB in [0, 1], as EfficientNet-Lite was trained; the card carries them into the graph."""

_WARM_UP = 0.03
_LAST = 0.01
_ENCODER = ('student.stem.', 'student.blocks.')


def schedule(progress: float) -> float:
    """Return the learning rate's factor: linear warm-up, then a cosine down to 1 %.

    Args:
        progress: Done share of the run, 0 to 1.
    """
    if progress < _WARM_UP:
        return max(progress / _WARM_UP, 0.02)
    phase = min((progress - _WARM_UP) / (1 - _WARM_UP), 1.0)
    return _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * phase))


class Distillation(TimedModule):
    """Teach a segmenter by labels and by a teacher's logits and features.

    Args:
        recipe: Weights, rates and shares.
        student: The segmenter; a ``PyramidSegmenter`` when features are distilled.
        class_weights: (C,) weights of the classes.
        teacher_features: Mean and deviation of each of the teacher's features, (F,) each; F is 0
            when it gives none.
        seed: Of the mixing.
        max_minutes: The schedule ends here or after ``recipe.steps``, whichever comes first.

    Raises:
        LabError: Features shall be distilled but the student or the teacher has none.
    """

    weights: torch.Tensor
    feature_mean: torch.Tensor
    feature_std: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        recipe: SegmenterRecipe,
        student: Segmenter,
        class_weights: torch.Tensor,
        teacher_features: tuple[torch.Tensor, torch.Tensor],
        seed: int,
        max_minutes: float | None,
    ) -> None:
        super().__init__(recipe.steps, seed, max_minutes, recipe.ema)
        self.recipe = recipe
        self.student = student.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(student).requires_grad_(False).eval()
        for part in self._encoder()[: 1 + recipe.frozen_blocks]:
            part.requires_grad_(False)
        self.projector: nn.Module | None = None
        self.deep: nn.Module | None = None
        teacher_channels = len(teacher_features[0])
        if recipe.deep_weight and isinstance(student, PyramidSegmenter):
            self.deep = nn.Conv2d(student.neck, student.num_classes, 1)
        if recipe.feature_weight:
            if not isinstance(student, PyramidSegmenter) or not teacher_channels:
                msg = (
                    'feature_weight is not 0, but only a litenet or streetnet taught by an erfnet '
                    'has features to compare: set feature_weight to 0'
                )
                raise LabError(msg)
            self.projector = nn.Conv2d(student.neck, teacher_channels, 1)
        self.register_buffer('weights', class_weights)
        self.register_buffer('feature_mean', teacher_features[0].view(1, -1, 1, 1))
        self.register_buffer('feature_std', teacher_features[1].view(1, -1, 1, 1))
        self.register_buffer('mean', torch.tensor(MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer('std', torch.tensor(STD).view(1, 3, 1, 1) * 255)

    @property
    def trained(self) -> nn.Module:
        """The student."""
        return self.student

    @property
    def exported(self) -> nn.Module:
        """The student with averaged weights."""
        return self.average

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Return the loss of one batch of crops."""
        del index
        recipe = self.recipe
        generator = torch.Generator().manual_seed(self.seed_step())
        batch = class_mix(batch, recipe.mix_share, generator)
        image = ((batch['image'].float() - self.mean) / self.std).contiguous(
            memory_format=torch.channels_last
        )
        losses: dict[str, torch.Tensor] = {}
        if isinstance(self.student, PyramidSegmenter):
            features = self.student.features(image)
            logits = self.student.classify(features['4'])
            if self.projector is not None:
                # Standardised: what all places share would make every cosine large.
                target = (batch['features'] - self.feature_mean) / self.feature_std
                losses['feature'] = recipe.feature_weight * feature_loss(
                    self.projector(features['8']), target, batch['taught'][:, ::2, ::2]
                )
            if self.deep is not None:
                losses['deep'] = (
                    recipe.deep_weight
                    * self._supervised(
                        nn.functional.interpolate(
                            self.deep(features['8']), scale_factor=2.0, mode='bilinear'
                        ),
                        batch,
                    )['both']
                )
        else:
            logits = self.student(image)
            logits = nn.functional.interpolate(
                logits, batch['logits'].shape[-2:], mode='bilinear', align_corners=False
            )
        outputs = self._supervised(logits, batch)
        losses['label'], losses['teacher'] = outputs['label'], outputs['teacher']
        loss = torch.stack(list(losses.values())).sum()
        self.log_dict(losses, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(image))
        return loss

    def _supervised(self, logits: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the weighted losses against labels and teacher, and the sum of `both`."""
        recipe = self.recipe
        label = recipe.label_weight * label_loss(logits, batch['labels'], self.weights)
        teacher = torch.zeros_like(label)
        if recipe.teacher_weight:
            teacher = recipe.teacher_weight * teacher_loss(
                logits, batch['logits'], batch['taught'], self.weights, recipe.temperature
            )
        return {'label': label, 'teacher': teacher, 'both': label + teacher}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Muon for inner convolutions; the other parameters get AdamW, without decay.

        An encoder with pretrained weights gets AdamW throughout: Muon's orthogonal steps would
        soon overwrite what it has learnt.
        """
        outer = ('stem.0.', 'classifier.', 'projector.', 'deep.')
        inner: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        encoder: list[nn.Parameter] = []
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                started = self.recipe.encoder and name.startswith(_ENCODER)
                plain = parameter.ndim < 2 or any(part in name for part in outer)
                (encoder if started else rest if plain else inner).append(parameter)
        recipe = self.recipe
        return Muon([
            {'params': inner, 'muon': True, 'lr': 0.0, 'weight_decay': recipe.weight_decay},
            {'params': rest, 'muon': False, 'lr': 0.0, 'weight_decay': 0.0},
            {'params': encoder, 'muon': False, 'lr': 0.0, 'weight_decay': recipe.weight_decay},
        ])  # fmt: skip

    def train(self, mode: bool = True) -> Distillation:
        """Switch to training; a pretrained encoder keeps its batch norm statistics.

        They come from a million photographs, those of a step from four crops.
        """
        super().train(mode)
        for part in self._encoder():
            part.eval()
        return self

    def _encoder(self) -> list[nn.Module]:
        """Return the parts of a pretrained encoder, nothing without one."""
        student = getattr(self, 'student', None)
        return encoder_parts(student) if self.recipe.encoder and student is not None else []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate by progress."""
        super().on_train_batch_start(batch, batch_idx)
        factor, recipe = schedule(self.progress), self.recipe
        rates = (recipe.learning_rate, recipe.head_rate, recipe.encoder_rate)
        self.set_rates(*(rate * factor for rate in rates))
