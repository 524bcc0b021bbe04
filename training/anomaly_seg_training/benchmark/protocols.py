# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols: how figures are taken, by name, so that every result says which one it follows.

The same scores give an FPR95 of 48 % pooled over a set and 22 % as the mean over its images, so a
figure without its protocol says nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.registry import Registry
from anomaly_seg_training.benchmark.sets import NORMAL, BenchmarkSet

FPR_RULES = {'first': 'fpr95', 'nearest': 'fpr95_nearest', 'interpolated': 'fpr95_interpolated'}
"""Where the false positive rate is read -> the field of ``metrics.AnomalyResult``.

``first``: at the first threshold with a recall of at least 95 %; ``nearest``: at the recall
nearest to 95 %, which may lie below; ``interpolated``: linearly between the two.
"""


@dataclass(frozen=True)
class ComponentRule:
    """What counts as a component in the figures of SegmentMeIfYouCan.

    Args:
        min_predicted: Pixels; smaller predicted components are removed.
        min_target: Pixels; smaller components of the ground truth are ignored, with what is
            predicted on them.
    """

    min_predicted: int
    min_target: int


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

for _protocol in (
    Protocol(
        'fishyscapes', True, 'first', 'ignored', 'any', 'float32', None,
        'Blum et al. 2021, "The Fishyscapes Benchmark": pixels pooled, equal scores share a '
        'threshold, step AP, first TPR >= 95 %',
    ),
    Protocol(
        'smiyc-anomaly', True, 'first', 'ignored', 'scene', 'float16', ComponentRule(500, 100),
        'Chan et al. 2021, "SegmentMeIfYouCan", anomaly track',
    ),
    Protocol(
        'smiyc-obstacle', True, 'first', 'ignored', 'road', 'float16', ComponentRule(50, 10),
        'Chan et al. 2021, "SegmentMeIfYouCan", obstacle track',
    ),
    Protocol(
        'caos', False, 'nearest', 'normal', 'any', 'float32', None,
        'Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection for Real-World Settings": '
        'means over images, nothing ignored, recall nearest to 95 %',
    ),
    Protocol(
        'lost-and-found', True, 'first', 'ignored', 'road', 'float16', ComponentRule(50, 10),
        'Pinggera et al. 2016, "Lost and Found", as SegmentMeIfYouCan evaluates it: only the '
        'free road and what lies on it',
    ),
):  # fmt: skip
    PROTOCOLS.register(_protocol.name)(_protocol)
