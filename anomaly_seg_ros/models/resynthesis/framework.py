# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All of SynBoost behind the segmenter: generator, perceptual difference, dissimilarity, sum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from anomaly_seg_ros.bundle.resynthesis import ResynthesisSpec
from anomaly_seg_ros.models.base import ModelError
from anomaly_seg_ros.models.resynthesis.dissimilarity import DissimilarityNetwork
from anomaly_seg_ros.models.resynthesis.generator import create_generator
from anomaly_seg_ros.models.resynthesis.one_hot import one_hot
from anomaly_seg_ros.models.resynthesis.perceptual import perceptual_difference
from anomaly_seg_ros.models.resynthesis.style import StyleEncoder
from anomaly_seg_ros.models.resynthesis.uncertainty import normalise
from anomaly_seg_ros.models.resynthesis.vgg import Vgg
from anomaly_seg_ros.size import Size


@dataclass(frozen=True)
class ResynthesisMaps:
    """What is known of a batch of images, all at the size of the dissimilarity network.

    Attributes:
        original: (N, 3, h, w) RGB in [0, 1].
        synthesised: (N, 3, h, w) RGB in [0, 1].
        layout: (N, C, h, w) of 0 and 1.
        entropy: (N, 1, h, w) in [0, 1], normalised.
        perceptual: (N, 1, h, w) in [0, 1], normalised.
        distance: (N, 1, h, w) in [0, 1], normalised.
    """

    original: torch.Tensor
    synthesised: torch.Tensor
    layout: torch.Tensor
    entropy: torch.Tensor
    perceptual: torch.Tensor
    distance: torch.Tensor

    @property
    def uncertainty(self) -> torch.Tensor:
        """Entropy, perceptual difference and distance, (N, 3, h, w)."""
        return torch.cat([self.entropy, self.perceptual, self.distance], 1)


class Resynthesis(nn.Module):
    """Everything of SynBoost that comes after the segmenter.

    Args:
        spec: Networks, sizes, normalisation and ensemble.

    Raises:
        KeyError: The generator is unknown.
        ModelError: An option has no valid value, or a size does not fit a network's stride.
    """

    def __init__(self, spec: ResynthesisSpec) -> None:
        super().__init__()
        self.spec = spec
        try:
            self.generator = create_generator(
                spec.generator, classes=spec.classes, **spec.generator_options
            )
            self.perceptual = Vgg(**spec.perceptual_options)
            self.dissimilarity = DissimilarityNetwork(spec.classes, **spec.dissimilarity_options)
            self.style = (
                StyleEncoder(self.generator.styles, **spec.style_options)
                if self.generator.styles
                else None
            )
        except TypeError as error:
            msg = f'the re-synthesis networks cannot be built: {error}'
            raise ModelError(msg) from error
        _check_size('synthesis', spec.synthesis_size, self.generator.stride)
        _check_size('dissimilarity', spec.dissimilarity_size, self.dissimilarity.stride)

    def synthesise(self, labels: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        """Draw an image from labels; its style, if there is one, is the original's.

        Args:
            labels: (N, H, W) uint8, of the synthesis size.
            original: (N, 3, H, W) RGB in [0, 1].

        Returns:
            (N, 3, H, W) RGB in [0, 1].
        """
        style = None if self.style is None else self.style(original * 2 - 1)[0]
        drawn: torch.Tensor = self.generator(one_hot(labels, self.spec.classes), style)
        return (drawn + 1) / 2

    def difference(self, original: torch.Tensor, synthesised: torch.Tensor) -> torch.Tensor:
        """Return the perceptual difference before normalisation, (N, 1, H, W).

        Args:
            original: (N, 3, H, W) RGB in [0, 1].
            synthesised: (N, 3, H, W) RGB in [0, 1].
        """
        return perceptual_difference(
            self.perceptual(original), self.perceptual(synthesised), self.spec.weighting
        )

    def maps(
        self,
        image: torch.Tensor,
        labels: torch.Tensor,
        entropy: torch.Tensor,
        distance: torch.Tensor,
    ) -> ResynthesisMaps:
        """Re-synthesise and compare; all arguments may be of any size, which are resized.

        Args:
            image: (N, 3, H, W) RGB in [0, 1].
            labels: (N, 1, h, w) uint8 predicted labels, 255 = void.
            entropy: (N, 1, h, w) in [0, 1].
            distance: (N, 1, h, w) in [0, 1].
        """
        spec = self.spec
        small = spec.dissimilarity_size.shape
        # Drawn images may be coarser than what they are compared with: photos must not be.
        image = resized(image, spec.image_size.shape)
        original = resized(image, spec.synthesis_size.shape)
        layout = nearest(labels, spec.synthesis_size.shape)[:, 0]
        synthesised = self.synthesise(layout, original)
        difference = self.difference(original, synthesised)
        return ResynthesisMaps(
            resized(image, small),
            resized(synthesised, small),
            one_hot(nearest(labels, small)[:, 0], spec.classes),
            *(
                normalise(resized(values, small), spec.normalisation, spec.bounds[name])
                for name, values in (
                    ('entropy', entropy), ('perceptual', difference), ('distance', distance),
                )
            ),
        )  # fmt: skip

    def network(self, maps: ResynthesisMaps) -> torch.Tensor:
        """Return the dissimilarity network's probability of an anomaly, (N, 1, h, w)."""
        logits = self.dissimilarity(maps.original, maps.synthesised, maps.layout, maps.uncertainty)
        return probability(logits)

    def forward(
        self,
        image: torch.Tensor,
        labels: torch.Tensor,
        entropy: torch.Tensor,
        distance: torch.Tensor,
    ) -> torch.Tensor:
        """Return the anomaly score, the weighted mean of network and uncertainty maps.

        Args:
            image: See `maps`.
            labels: See `maps`.
            entropy: See `maps`.
            distance: See `maps`.

        Returns:
            (N, 1, h, w) in [0, 1], at the size of the dissimilarity network.
        """
        maps = self.maps(image, labels, entropy, distance)
        total = torch.zeros(())
        for weight, values in zip(
            self.spec.ensemble,
            (self.network(maps), maps.entropy, maps.perceptual, maps.distance),
            strict=True,
        ):
            total = total.to(values) + weight * values
        return total


def probability(logits: torch.Tensor) -> torch.Tensor:
    """Return the softmax of the second of two classes, (N, 2, H, W) to (N, 1, H, W)."""
    # Of two classes it is the logistic function of the difference.
    return torch.sigmoid(logits[:, 1:] - logits[:, :1])


def resized(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize (N, C, H, W), bilinear with the half-pixel convention."""
    if tuple(values.shape[2:]) == size:
        return values
    return functional.interpolate(values, size, mode='bilinear', align_corners=False)


def nearest(labels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize (N, 1, H, W) labels, nearest neighbour."""
    if tuple(labels.shape[2:]) == size:
        return labels
    return functional.interpolate(labels, size, mode='nearest')


def _check_size(what: str, size: Size, stride: int) -> None:
    if size.width % stride or size.height % stride:
        msg = f'received the {what} size {size}, expected multiples of {stride} in both directions'
        raise ModelError(msg)
