# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``card.json``: what a model is, knows, needs and was measured to do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from anomaly_seg_ros.bundle.entries import (
    GraphFile,
    SegmenterSpec,
    Threshold,
    WeightsFile,
    checked_hashes,
    checked_licence,
    read_calibration,
    read_classes,
    read_preprocessing,
    read_shrinkage,
    read_size,
    read_statistics,
)
from anomaly_seg_ros.bundle.errors import BundleError
from anomaly_seg_ros.bundle.fields import Fields
from anomaly_seg_ros.bundle.preprocessing import Preprocessing
from anomaly_seg_ros.bundle.resynthesis import SCORE as RESYNTHESIS_SCORE
from anomaly_seg_ros.bundle.resynthesis import ResynthesisSpec
from anomaly_seg_ros.classes import ClassSet
from anomaly_seg_ros.refinement.names import (
    NONE,
    RefinementError,
    output_name,
    output_names,
    parse_refinement,
)
from anomaly_seg_ros.refinement.shrinkage import NO_SHRINKAGE, Shrinkage
from anomaly_seg_ros.size import Size

FORMAT_VERSION = 1
MAX_SIDE = 8192


@dataclass(frozen=True)
class Card:
    """All that is known of a bundle's model.

    Args:
        name: A short name.
        description: One or two sentences.
        segmenter: What rebuilds the network.
        classes: The classes that it knows.
        preprocessing: How pixels become its input.
        input_size: The size at which it runs.
        scores: The scores that the graph offers.
        score: The one that is used unless another is asked for; one of `scores`.
        refinements: The refinements that the graph offers of every score, `none` among them.
        refinement: The one that is used with `score` unless another is asked for.
        graph: The exported graph, if the bundle has one.
        weights: The network's weights, if the bundle has them.
        statistics: Class statistics for standardised scores, if they were taken: per score the
            lists ``count``, ``mean`` and ``std``, one entry per class.
        threshold: The decision threshold for `output`, if it was calibrated.
        score_range: (low, high) of `output` for display, from normal data.
        calibration: Per output at least ``threshold``, ``method`` and ``score_range`` (low,
            high), with what they were found on.
        shrinkage: How far the class statistics are drawn together before scores are standardised.
        resynthesis: The networks of a re-synthesis detector, None for a segmenter with scores.
        licence: Free texts by topic.
        training: How it was trained.
        measured: What was measured with it.
        hashes: SHA-256 by file name; filled in by `write_bundle`.

    Raises:
        BundleError: Fields contradict each other.
    """

    name: str
    description: str
    segmenter: SegmenterSpec
    classes: ClassSet
    preprocessing: Preprocessing
    input_size: Size
    scores: tuple[str, ...]
    score: str
    graph: GraphFile | None = None
    weights: WeightsFile | None = None
    statistics: dict[str, Any] | None = None
    threshold: Threshold | None = None
    score_range: tuple[float, float] | None = None
    licence: dict[str, str] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    refinements: tuple[str, ...] = (NONE,)
    refinement: str = NONE
    calibration: dict[str, dict[str, Any]] = field(default_factory=dict)
    shrinkage: Shrinkage = NO_SHRINKAGE
    resynthesis: ResynthesisSpec | None = None

    def __post_init__(self) -> None:
        """Refuse cards that contradict themselves."""
        if self.format_version != FORMAT_VERSION:
            msg = (
                f'the card has format version {self.format_version}, expected {FORMAT_VERSION}: '
                'export the bundle again with this version of the package'
            )
            raise BundleError(msg)
        if not self.scores or len(set(self.scores)) != len(self.scores):
            msg = f'the card lists the scores {self.scores!r}, expected different names'
            raise BundleError(msg)
        if self.score not in self.scores:
            msg = f'the card uses the score {self.score!r}, expected one of {self.scores!r}'
            raise BundleError(msg)
        self._check_refinements()
        self._check_resynthesis()
        if max(self.input_size) > MAX_SIDE:
            msg = f'the card has the input size {self.input_size}, expected sides <= {MAX_SIDE}'
            raise BundleError(msg)
        if self.score_range is not None and not self.score_range[0] < self.score_range[1]:
            msg = f'the card has the score range {self.score_range}, expected low < high'
            raise BundleError(msg)
        for score in self.statistics or {}:
            if score not in self.scores:
                msg = f'the card has statistics of {score!r:.80}, expected only {self.scores!r}'
                raise BundleError(msg)
        for output in self.calibration:
            if output not in self.outputs:
                msg = (
                    f'the card has a calibration of {output!r:.80}, which it does not offer: '
                    'calibrate the bundle again'
                )
                raise BundleError(msg)

    def _check_refinements(self) -> None:
        try:
            for refinement in self.refinements:
                parse_refinement(refinement)
        except RefinementError as error:
            raise BundleError(f'the card: {error}') from error  # noqa: EM102
        if NONE not in self.refinements or len(set(self.refinements)) != len(self.refinements):
            msg = (
                f'the card lists the refinements {self.refinements!r:.200}, expected different '
                f'ones and {NONE!r} among them'
            )
            raise BundleError(msg)
        if self.refinement not in self.refinements:
            msg = (
                f'the card uses the refinement {self.refinement!r:.80}, '
                f'expected one of {self.refinements!r}'
            )
            raise BundleError(msg)

    def _check_resynthesis(self) -> None:
        offered = RESYNTHESIS_SCORE in self.scores
        if offered != (self.resynthesis is not None):
            have, lack = ('score', 'networks') if offered else ('networks', 'score')
            msg = f'the card has the {have} of {RESYNTHESIS_SCORE} and not its {lack}'
            raise BundleError(msg)
        if self.resynthesis is not None and self.resynthesis.classes != len(self.classes):
            msg = (
                f'the re-synthesis networks of the card are for {self.resynthesis.classes} '
                f'classes, and its segmenter knows {len(self.classes)}: train them for this one'
            )
            raise BundleError(msg)

    @property
    def output(self) -> str:
        """The output that is used unless another is asked for: `score` after `refinement`."""
        return output_name(self.score, self.refinement)

    @property
    def outputs(self) -> tuple[str, ...]:
        """All score outputs: every refinement of every score, score by score."""
        return output_names(self.scores, self.refinements)

    @classmethod
    def from_text(cls, text: str, where: str) -> Card:
        """Read the content of a ``card.json``.

        Args:
            text: JSON.
            where: Where it comes from, for error messages.

        Raises:
            BundleError: It is no JSON, a key is missing or unknown, or a value is out of range.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            msg = f'{where} is not valid JSON ({error}): export the bundle again'
            raise BundleError(msg) from error
        return cls.from_json(content, where)

    @classmethod
    def from_json(cls, content: Any, where: str = 'the card') -> Card:
        """Make a card of a decoded JSON object; the inverse of `to_json`.

        Raises:
            BundleError: A key is missing or unknown, or a value is out of range.
        """
        fields = Fields(content, where)
        # The version first: a card of another version may have any other keys.
        version = fields.integer('format_version', 1, 10**6)
        if version != FORMAT_VERSION:
            msg = (
                f'{where} has format version {version}, expected {FORMAT_VERSION}: '
                'export the bundle again with this version of the package'
            )
            raise BundleError(msg)
        low_high = None if fields.is_null('score_range') else fields.numbers('score_range', 2)
        classes = read_classes(fields.child('classes'), where)
        card = cls(
            name=fields.text('name'),
            description=fields.text('description'),
            segmenter=SegmenterSpec.from_fields(fields.child('segmenter')),
            classes=classes,
            preprocessing=read_preprocessing(fields.child('preprocessing'), where),
            input_size=read_size(fields.text('input_size')),
            scores=fields.texts('scores'),
            score=fields.text('score'),
            graph=fields.optional('graph', GraphFile.from_fields),
            weights=fields.optional('weights', WeightsFile.from_fields),
            statistics=read_statistics(fields, len(classes)),
            threshold=fields.optional('threshold', Threshold.from_fields),
            score_range=None if low_high is None else (low_high[0], low_high[1]),
            licence=checked_licence(fields.mapping('licence'), where),
            training=fields.mapping('training'),
            measured=fields.mapping('measured'),
            hashes=checked_hashes(fields.mapping('hashes'), where),
            format_version=version,
            # Cards from before there were refinements lack these keys.
            refinements=fields.texts('refinements') if fields.has('refinements') else (NONE,),
            refinement=fields.text('refinement') if fields.has('refinement') else NONE,
            calibration=read_calibration(fields),
            shrinkage=read_shrinkage(fields),
            resynthesis=(
                ResynthesisSpec.from_fields(fields.child('resynthesis'))
                if fields.has('resynthesis')
                else None
            ),
        )
        fields.finish()
        return card

    def to_json(self) -> dict[str, Any]:
        """Return the card as JSON holds it."""
        graph, weights, threshold = self.graph, self.weights, self.threshold
        content: dict[str, Any] = {
            'format_version': self.format_version,
            'name': self.name,
            'description': self.description,
            'segmenter': {'name': self.segmenter.name, 'options': self.segmenter.options},
            'classes': {
                'names': list(self.classes.names),
                'palette': [list(colour) for colour in self.classes.palette],
                'drivable': list(self.classes.drivable),
            },
            'preprocessing': {
                'mean': list(self.preprocessing.mean),
                'std': list(self.preprocessing.std),
            },
            'input_size': str(self.input_size),
            'scores': list(self.scores),
            'score': self.score,
            'refinements': list(self.refinements),
            'refinement': self.refinement,
            'graph': graph and {'file': graph.file, 'opset': graph.opset},
            'weights': weights and {'file': weights.file},
            'statistics': self.statistics,
            'threshold': threshold and {'value': threshold.value, 'method': threshold.method},
            'score_range': self.score_range and list(self.score_range),
            'calibration': self.calibration,
            'licence': self.licence,
            'training': self.training,
            'measured': self.measured,
            'hashes': self.hashes,
        }
        if self.shrinkage:
            content['shrinkage'] = self.shrinkage.as_dict()
        if self.resynthesis is not None:
            content['resynthesis'] = self.resynthesis.to_json()
        return content
