# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols: how figures are taken, by name, so that every result says which one it follows.

The same scores give an FPR95 of 48 % pooled over a set and 22 % as the mean over its images, so a
figure without its protocol says nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.metrics import COMPONENT_RULES, ComponentRule
from anomaly_seg_ros.registry import Registry
from anomaly_seg_training.benchmark.sets import NORMAL, BenchmarkSet

FPR_RULES = {
    'first': 'fpr95',
    'nearest': 'fpr95_nearest',
    'caos': 'fpr95_caos',
    'interpolated': 'fpr95_interpolated',
}
"""Where the false positive rate is read -> the field of ``metrics.AnomalyResult``.

``first``: at the first threshold with a recall of at least 95 %; ``nearest``: at the recall
nearest to 95 %, which may lie below; ``caos``: the same, as the evaluator of CAOS breaks ties;
``interpolated``: at 95 % on the line between two thresholds.
"""


@dataclass(frozen=True)
class Protocol:
    """How figures of anomaly detection are taken from scores.

    Args:
        name: As results store it.
        pooled: Whether the pixels of all images make one set; otherwise figures are means over
            images, without the images that hold no anomaly or nothing normal.
        fpr_rule: A key of `FPR_RULES`.
        ignored: What becomes of pixels that the ground truth ignores: ``ignored``, or ``normal``
            where the protocol counts every pixel.
        region: Region that the ground truth must cover to be comparable: ``road``, ``scene`` or
            ``any``.
        score_dtype: Precision to which scores are rounded first: ``float32`` or ``float16``.
        components: Sizes for component figures; None where the protocol has none.
        source: Where the rules are stated.
    """

    name: str
    pooled: bool
    fpr_rule: str
    ignored: str
    region: str
    score_dtype: str
    components: ComponentRule | None
    source: str

    def __post_init__(self) -> None:
        """Refuse words that nothing understands.

        Raises:
            ValueError: A rule has no such value.
        """
        for value, allowed in (
            (self.fpr_rule, tuple(FPR_RULES)),
            (self.ignored, ('ignored', 'normal')),
            (self.region, ('road', 'scene', 'any')),
            (self.score_dtype, ('float32', 'float16')),
        ):
            if value not in allowed:
                msg = f'protocol {self.name}: received {value!r}, expected one of {allowed}'
                raise ValueError(msg)

    @property
    def fpr_field(self) -> str:
        """The field of ``metrics.AnomalyResult`` that holds this protocol's FPR95."""
        return FPR_RULES[self.fpr_rule]

    def target(self, target: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the ground truth as this protocol counts it: 0 normal, 1 anomaly, 255 ignored.

        Args:
            target: (H, W) as items give it; it is not changed.
        """
        if self.ignored == 'ignored':
            return target
        return np.where(target == IGNORE, np.uint8(NORMAL), target)

    def score(self, score: NDArray[Any]) -> NDArray[Any]:
        """Return scores in the precision in which this protocol ranks them."""
        return score.astype(self.score_dtype, copy=False)

    def doubts(self, benchmark_set: BenchmarkSet) -> list[str]:
        """Return why figures by this protocol on this set compare with no published ones."""
        found = []
        if self.region not in ('any', benchmark_set.region):
            found.append(
                f'{benchmark_set.name} is labelled on the {benchmark_set.region}, '
                f'{self.name} is about the {self.region}'
            )
        if benchmark_set.protocol != self.name:
            found.append(
                f'figures on {benchmark_set.name} are published by the protocol '
                f'{benchmark_set.protocol}, not {self.name}'
            )
        published, here = benchmark_set.published, len(benchmark_set)
        if published is not None and published != here:
            found.append(f'{benchmark_set.name} has {here} images, the published set {published}')
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return all rules for JSON."""
        return asdict(self)


PROTOCOLS: Registry[Protocol] = Registry('protocol')

_FISHYSCAPES = Protocol(
    name='fishyscapes',
    pooled=True,
    fpr_rule='first',
    ignored='ignored',
    region='any',
    score_dtype='float32',
    components=None,
    source='Blum et al. 2021, "The Fishyscapes Benchmark": pixels of all images pooled, equal '
    'scores share a threshold, step AP, first TPR >= 95 %',
)

for _protocol in (
    _FISHYSCAPES,
    replace(
        _FISHYSCAPES,
        name='smiyc-anomaly',
        region='scene',
        score_dtype='float16',
        components=COMPONENT_RULES['smiyc-anomaly'],
        source='Chan et al. 2021, "SegmentMeIfYouCan", anomaly track',
    ),
    replace(
        _FISHYSCAPES,
        name='smiyc-obstacle',
        region='road',
        score_dtype='float16',
        components=COMPONENT_RULES['smiyc-obstacle'],
        source='Chan et al. 2021, "SegmentMeIfYouCan", obstacle track',
    ),
    replace(
        _FISHYSCAPES,
        name='caos',
        pooled=False,
        fpr_rule='caos',
        ignored='normal',
        source='Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection for Real-World '
        'Settings": means over images, nothing ignored, recall nearest to 95 %',
    ),
    replace(
        _FISHYSCAPES,
        name='lost-and-found',
        region='road',
        score_dtype='float16',
        components=COMPONENT_RULES['smiyc-obstacle'],
        source='Pinggera et al. 2016, "Lost and Found", as SegmentMeIfYouCan evaluates it: only '
        'the free road and what lies on it',
    ),
):
    PROTOCOLS.register(_protocol.name)(_protocol)
