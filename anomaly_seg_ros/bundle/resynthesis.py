# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a card says of a re-synthesis detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anomaly_seg_ros.bundle.errors import BundleError
from anomaly_seg_ros.bundle.fields import Fields
from anomaly_seg_ros.size import Size, SizeError

SCORE = 'synboost'
"""The score that only bundles with re-synthesis networks offer."""
MAPS = ('entropy', 'perceptual', 'distance')
MEMBERS = ('network', *MAPS)
"""What the ensemble adds up, in the order of its weights."""
MAX_SIDE = 8192


@dataclass(frozen=True)
class ResynthesisSpec:
    """What rebuilds the networks of SynBoost that come after the segmenter.

    Args:
        classes: Number of classes of the segmenter.
        synthesis_size: Size of the drawn image and of the perceptual difference.
        dissimilarity_size: Size at which the dissimilarity network runs.
        generator: A name of `models.resynthesis.GENERATORS`.
        generator_options: Of its constructor.
        style_options: Of the style encoder, where the generator takes styles.
        perceptual_options: Of the network whose features are compared.
        dissimilarity_options: Of the dissimilarity network.
        weighting: Of the perceptual difference's levels.
        normalisation: ``dataset`` or ``image``, of the three uncertainty maps.
        bounds: Per map of `MAPS` what becomes 0 and what becomes 1, found over a data set.
        ensemble: Weights of `MEMBERS`, which add up to 1.

    Raises:
        BundleError: A value cannot be used.
    """

    classes: int
    synthesis_size: Size
    dissimilarity_size: Size
    generator: str = 'spade'
    generator_options: dict[str, Any] = field(default_factory=dict)
    style_options: dict[str, Any] = field(default_factory=dict)
    perceptual_options: dict[str, Any] = field(default_factory=dict)
    dissimilarity_options: dict[str, Any] = field(default_factory=dict)
    weighting: str = 'published'
    normalisation: str = 'dataset'
    bounds: dict[str, tuple[float, float]] = field(
        default_factory=lambda: dict.fromkeys(MAPS, (0.0, 1.0))
    )
    ensemble: tuple[float, float, float, float] = (0.75, 0.25, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse values that cannot be used."""
        for size in (self.synthesis_size, self.dissimilarity_size):
            if max(size) > MAX_SIDE:
                msg = f'the card has the re-synthesis size {size}, expected sides <= {MAX_SIDE}'
                raise BundleError(msg)
        if self.normalisation not in ('dataset', 'image'):
            msg = f'the card normalises by {self.normalisation!r:.80}, expected dataset or image'
            raise BundleError(msg)
        if set(self.bounds) != set(MAPS):
            msg = f'the card has bounds of {sorted(self.bounds)!r:.200}, expected {list(MAPS)}'
            raise BundleError(msg)
        for name, (low, high) in self.bounds.items():
            if not low < high:
                msg = f'the card has the bounds {low}, {high} of {name}, expected low < high'
                raise BundleError(msg)
        if min(self.ensemble) < 0 or abs(sum(self.ensemble) - 1) > 1e-6:
            msg = (
                f'the card has the ensemble weights {self.ensemble}, expected weights of at '
                'least 0 that add up to 1'
            )
            raise BundleError(msg)

    @property
    def image_size(self) -> Size:
        """The larger of both sizes: as much of the camera image as the networks look at."""
        sizes = (self.synthesis_size, self.dissimilarity_size)
        return max(sizes, key=lambda size: size.width * size.height)

    @classmethod
    def from_fields(cls, fields: Fields) -> ResynthesisSpec:
        """Read the card's object; the inverse of `to_json`.

        Raises:
            BundleError: A key is missing or unknown, or a value is out of range.
        """
        generator, style = fields.child('generator'), fields.mapping('style')
        bounds = fields.child('bounds')
        weights = fields.numbers('ensemble', len(MEMBERS))
        pairs = {name: bounds.numbers(name, 2) for name in MAPS}
        spec = cls(
            classes=fields.integer('classes', 1, 254),
            synthesis_size=_size(fields, 'synthesis_size'),
            dissimilarity_size=_size(fields, 'dissimilarity_size'),
            generator=generator.text('name'),
            generator_options=generator.mapping('options'),
            style_options=style,
            perceptual_options=fields.mapping('perceptual'),
            dissimilarity_options=fields.mapping('dissimilarity'),
            weighting=fields.text('weighting'),
            normalisation=fields.text('normalisation'),
            bounds={name: (low, high) for name, (low, high) in pairs.items()},
            ensemble=(weights[0], weights[1], weights[2], weights[3]),
        )
        for part in (fields, generator, bounds):
            part.finish()
        return spec

    def to_json(self) -> dict[str, Any]:
        """Return the card's object."""
        return {
            'classes': self.classes,
            'synthesis_size': str(self.synthesis_size),
            'dissimilarity_size': str(self.dissimilarity_size),
            'generator': {'name': self.generator, 'options': self.generator_options},
            'style': self.style_options,
            'perceptual': self.perceptual_options,
            'dissimilarity': self.dissimilarity_options,
            'weighting': self.weighting,
            'normalisation': self.normalisation,
            'bounds': {name: list(self.bounds[name]) for name in MAPS},
            'ensemble': list(self.ensemble),
        }


def _size(fields: Fields, key: str) -> Size:
    try:
        return Size.parse(fields.text(key))
    except SizeError as error:
        msg = f'the card, key {key!r}: {error}'
        raise BundleError(msg) from error
