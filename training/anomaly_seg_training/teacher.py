# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A teacher's predictions, computed once per image and kept in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn import functional
from tqdm import tqdm

from anomaly_seg_ros.files import atomic_path, sha256_file
from anomaly_seg_ros.models import ERFNet, Segmenter, create_segmenter, load_weights
from anomaly_seg_training.data import Example


@dataclass(frozen=True)
class Lesson:
    """What the teacher says about one image at its view size h x w.

    Args:
        logits: (C, h / 4, w / 4) float16.
        features: (F, h / 8, w / 8) float16; F is 0 when the teacher gives none.
    """

    logits: torch.Tensor
    features: torch.Tensor


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
        """Return one lesson per example, None for examples that are not `taught`."""
        return [
            self._lesson(example) if example.taught else None
            for example in tqdm(examples, desc='teacher', unit='image', disable=None)
        ]

    def _lesson(self, example: Example) -> Lesson:
        digest = hashlib.sha256(f'{self.hash} {example.view} {example.image.shape}'.encode())
        digest.update(example.image.data)
        path = self.folder / f'{digest.hexdigest()[:32]}.safetensors'
        if path.is_file():
            try:
                content = load_file(path)
                return Lesson(content['logits'], content['features'])
            except (SafetensorError, KeyError):
                path.unlink()
        lesson = self._predict(example)
        with atomic_path(path) as temporary:
            save_file({'logits': lesson.logits, 'features': lesson.features}, temporary)
        return lesson

    @torch.inference_mode()
    def _predict(self, example: Example) -> Lesson:
        image = cv2.resize(example.image, example.view, interpolation=cv2.INTER_LINEAR)
        tensor = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 255
        if isinstance(self.segmenter, ERFNet):
            features = self.segmenter.encoder(tensor)
            logits = self.segmenter.decoder(features)[:, : self.segmenter.num_classes]
        else:
            logits = self.segmenter(tensor)
            features = logits.new_zeros((1, 0, example.view.height // 8, example.view.width // 8))
        size = (example.view.height // 4, example.view.width // 4)
        logits = functional.interpolate(logits, size, mode='area')
        return Lesson(_half(logits), _half(features))


def _half(values: torch.Tensor) -> torch.Tensor:
    return values[0].clamp(-6e4, 6e4).half().cpu().contiguous().clone()
