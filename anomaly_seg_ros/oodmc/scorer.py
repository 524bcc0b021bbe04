# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an image to its OODMC score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from anomaly_seg_ros.bundle import Bundle, Preprocessing
from anomaly_seg_ros.files import sha256_file
from anomaly_seg_ros.models import Segmenter, create_segmenter, load_weights
from anomaly_seg_ros.oodmc.classifier import PixelClassifier
from anomaly_seg_ros.oodmc.errors import OodmcError
from anomaly_seg_ros.oodmc.features import FeatureSpec, features
from anomaly_seg_ros.oodmc.model import OodmcModel
from anomaly_seg_ros.oodmc.sampling import create_sampler, moment_stack
from anomaly_seg_ros.size import Size

_CHUNK = 1 << 16
"""Pixels that are classified at a time: bounds the memory of a kernel's features."""


def score_map(stack: Tensor, spec: FeatureSpec, classifier: PixelClassifier) -> Tensor:
    """Return the classifier's decision for every pixel.

    Args:
        stack: Mean and central moments, (orders, C, h, w).
        spec: The features that the classifier takes.
        classifier: On the same device.

    Returns:
        (h, w) float32, higher = more anomalous.

    Raises:
        OodmcError: Moments and classifier do not fit together.
    """
    flat = stack.flatten(2)
    scores = [
        classifier.decide(features(flat[..., start : start + _CHUNK], spec))
        for start in range(0, flat.shape[2], _CHUNK)
    ]
    return torch.cat(scores).view(stack.shape[2:])


def to_tensor(image: NDArray[np.uint8], preprocessing: Preprocessing, size: Size) -> Tensor:
    """Turn (H, W, 3) uint8 RGB into the network's input (1, 3, h, w), as the detector does."""
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    x = functional.interpolate(x, size.shape, mode='bilinear', align_corners=False)
    mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
    return (x - mean * 255) / (std * 255)


class Oodmc:
    """The score of a fitted OODMC on a segmenter; needs torch.

    Args:
        segmenter: The network of the fit, in evaluation mode.
        preprocessing: Its normalisation.
        input_size: The size at which it runs.
        model: The fit.
        device: ``cpu`` or ``cuda``.

    Raises:
        OodmcError: The model was fitted for another number of classes or for other layers.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        preprocessing: Preprocessing,
        input_size: Size,
        model: OodmcModel,
        device: str = 'cpu',
    ) -> None:
        if segmenter.num_classes != model.num_classes:
            msg = (
                f'OODMC was fitted for {model.num_classes} classes, the network has '
                f'{segmenter.num_classes}: fit it on this network'
            )
            raise OodmcError(msg)
        self.segmenter = segmenter.eval().to(device)
        self.preprocessing = preprocessing
        self.input_size = input_size
        self.model = model
        self.device = device
        self._classifier = model.classifier.to(device)
        self._sampler = create_sampler(segmenter, model.sampling)

    @classmethod
    def open(cls, bundle: Bundle, folder: Path | str, device: str = 'cpu') -> Oodmc:
        """Open a fit on the network of a bundle with weights.

        Raises:
            BundleError: The bundle has no weights.
            ModelError: They do not fit.
            OodmcError: The fit is damaged or belongs to other weights.
        """
        model = OodmcModel.load(folder)
        weights = bundle.file('weights')
        received = sha256_file(weights)
        if received != model.weights_sha256:
            msg = (
                f'{folder} was fitted on weights with the SHA-256 {model.weights_sha256[:12]}..., '
                f'the bundle has {received[:12]}...: fit OODMC on this bundle'
            )
            raise OodmcError(msg)
        card = bundle.card
        options = {'num_classes': len(card.classes), **card.segmenter.options}
        segmenter = create_segmenter(card.segmenter.name, **options)
        load_weights(segmenter, weights)
        return cls(segmenter, card.preprocessing, card.input_size, model, device)

    @torch.inference_mode()
    def score(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the score of one image.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            (H, W) float32, higher = more anomalous, 0 = undecided; the same for the same image.

        Raises:
            OodmcError: It is no such image, or the network gives NaN or infinite logits.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            msg = f'received an image {image.shape} of {image.dtype}, expected (H, W, 3) uint8'
            raise OodmcError(msg)
        x = to_tensor(image, self.preprocessing, self.input_size).to(self.device)
        spec = self.model.features
        stack = moment_stack(
            self._sampler, self.model.sampling, x, spec.order, softmax=spec.softmax
        )
        small = score_map(stack, spec, self._classifier)[None, None]
        whole = functional.interpolate(
            small, image.shape[:2], mode='bilinear', align_corners=False
        )
        return whole[0, 0].cpu().numpy()
