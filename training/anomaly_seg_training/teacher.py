# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A teacher's predictions, computed once per image and kept in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn import functional
from tqdm import tqdm

from anomaly_seg_ros.files import atomic_path, sha256_file
from anomaly_seg_ros.models import ERFNet, Segmenter, create_segmenter, load_weights
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import Example

CITYSCAPES_MEAN = np.array([0.287, 0.325, 0.284], np.float32)
CITYSCAPES_STD = np.array([0.187, 0.190, 0.187], np.float32)
"""Of RGB in [0, 1] over Cityscapes' training images."""

LOOKS = (0.75, 1.0, 1.25)
"""Sizes, relative to its view, at which a foreign image is looked at."""

FOREIGN_NEVER = (14, 15, 16)
"""Truck, bus and train, which the teacher sees in haze and in walls of foreign images."""

TRUST = 0.6
"""Share of a foreign image on which the looks must agree, or the image teaches nothing."""

SURE = 0.7
"""The looks' mean probability above which their common prediction is taught."""


@dataclass(frozen=True)
class Lesson:
    """What the teacher says about one image at its view size h x w.

    Args:
        logits: (C, h / 4, w / 4) float16.
        features: (F, h / 8, w / 8) float16; F is 0 when the teacher gives none.
        sure: (h / 4, w / 4) bool, where the prediction is worth learning; None means everywhere.
    """

    logits: torch.Tensor
    features: torch.Tensor
    sure: torch.Tensor | None = None


class Teacher:
    """A frozen segmenter whose lessons are cached on disk.

    Args:
        name: A name of ``models.SEGMENTERS``.
        checkpoint: Its weights; input is RGB / 255.
        outputs: Outputs of the checkpoint.
        known_classes: The first outputs, which are used.
        folder: Where lessons are kept; the key is image, size and checkpoint.
        device: Where the teacher runs.

    Raises:
        ModelError: The checkpoint does not fit.
    """

    def __init__(
        self,
        name: str,
        checkpoint: Path,
        outputs: int,
        known_classes: int,
        folder: Path,
        device: str = 'cpu',
    ) -> None:
        options = {'known_classes': known_classes} if name == 'erfnet' else {}
        self.segmenter: Segmenter = create_segmenter(name, num_classes=outputs, **options)
        load_weights(self.segmenter, checkpoint)
        self.segmenter.eval().to(device)
        self.device = device
        self.folder = folder
        self.hash = sha256_file(checkpoint)

    def lessons(self, examples: Sequence[Example]) -> list[Lesson | None]:
        """Return one lesson per example, None for those that are not `taught` or not trusted."""
        result: list[Lesson | None] = []
        for example in tqdm(examples, desc='teacher', unit='image', disable=None):
            lesson = self._lesson(example) if example.taught else None
            if lesson is not None and lesson.sure is not None:
                trusted = float(lesson.sure.float().mean()) >= TRUST
                lesson = lesson if trusted else None
            result.append(lesson)
        return result

    def _lesson(self, example: Example) -> Lesson:
        digest = hashlib.sha256(f'{self.hash} {example.view} {example.image.shape}'.encode())
        digest.update(example.image.data)
        if example.foreign:
            digest.update(f'foreign {LOOKS} {SURE} {FOREIGN_NEVER}'.encode())
        path = self.folder / f'{digest.hexdigest()[:32]}.safetensors'
        if path.is_file():
            try:
                content = load_file(path)
                return Lesson(content['logits'], content['features'], content.get('sure'))
            except (SafetensorError, KeyError):
                path.unlink()
        lesson = self._predict(example)
        with atomic_path(path) as temporary:
            content = {'logits': lesson.logits, 'features': lesson.features}
            if lesson.sure is not None:
                content['sure'] = lesson.sure
            save_file(content, temporary)
        return lesson

    @torch.inference_mode()
    def _predict(self, example: Example) -> Lesson:
        if example.foreign:
            return self._predict_foreign(example)
        logits, features = self._look(example.image, example.view)
        size = (example.view.height // 4, example.view.width // 4)
        return Lesson(_half(_area(logits, size)), _half(features))

    def _predict_foreign(self, example: Example) -> Lesson:
        """Average looks at several sizes of the image with the teacher's own colour statistics."""
        image = standardise(example.image)
        size = (example.view.height // 4, example.view.width // 4)
        looks = []
        for factor in LOOKS:
            view = Size(*(max(32, round(side * factor / 8) * 8) for side in example.view))
            logits, look_features = self._look(image, view)
            looks.append(_area(logits, size).softmax(1))
            if factor == 1.0:
                features = look_features
        mean = torch.stack(looks).mean(0)
        winners = torch.stack([look.argmax(1) for look in looks])
        agree = (winners == mean.argmax(1)).all(0)[0] & (mean.amax(1)[0] > SURE)
        for label in FOREIGN_NEVER:
            agree &= mean.argmax(1)[0] != label
        return Lesson(_half(mean.clamp(min=1e-6).log()), _half(features), agree.cpu())

    def _look(self, image: NDArray[np.uint8], view: Size) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (1, C, h, w) and features (1, F, h / 8, w / 8) of an image at a size."""
        image = cv2.resize(image, view, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        tensor = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 255
        if isinstance(self.segmenter, ERFNet):
            features = self.segmenter.encoder(tensor)
            logits = self.segmenter.decoder(features)[:, : self.segmenter.num_classes]
        else:
            logits = self.segmenter(tensor)
            features = logits.new_zeros((1, 0, view.height // 8, view.width // 8))
        return logits, features


def standardise(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give each channel of an (H, W, 3) RGB image Cityscapes' mean and deviation."""
    values = image.astype(np.float32) / 255
    spread = np.maximum(values.std((0, 1)), 1e-3)
    values = (values - values.mean((0, 1))) / spread * CITYSCAPES_STD + CITYSCAPES_MEAN
    result: NDArray[np.uint8] = np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)
    return result


def _area(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(logits, size, mode='area')


def _half(values: torch.Tensor) -> torch.Tensor:
    return values[0].clamp(-6e4, 6e4).half().cpu().contiguous().clone()
