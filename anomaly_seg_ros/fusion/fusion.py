# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A fused score: a weighted sum of what each score's tail probability says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.fusion.errors import FusionError
from anomaly_seg_ros.fusion.logistic import fit_logistic
from anomaly_seg_ros.fusion.tail import TRANSFORMS, TailTable

FORMAT = 'anomaly_seg_ros fusion'
FORMAT_VERSION = 1
METHODS = {'mean_log': 'log', 'stouffer': 'normal', 'logistic': 'log'}
"""Ways to combine and the transform of the tail probability that each adds up."""
MAX_BYTES = 2**20


@dataclass(frozen=True)
class Member:
    """One score of a fusion: an output's name, its weight, its distribution on normal data."""

    output: str
    weight: float
    table: TailTable


@dataclass(frozen=True)
class Fusion:
    """Several outputs of a detector as one score, higher = more anomalous.

    score = bias + sum of weight x transform(P(normal score >= score)) over the members.

    Args:
        name: A short name.
        transform: A key of `TRANSFORMS`.
        members: At least one, of different outputs; kept sorted by output.
        bias: Added to the sum.
        provenance: What it was fitted on.

    Raises:
        FusionError: A weight is negative or not finite, all are zero, or an output comes twice.
    """

    name: str
    transform: str
    members: tuple[Member, ...]
    bias: float = 0.0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no monotone score."""
        # Sums of floats depend on the order of their terms; one order gives one result.
        ordered = tuple(sorted(self.members, key=lambda member: member.output))
        object.__setattr__(self, 'members', ordered)
        if self.transform not in TRANSFORMS:
            msg = (
                f'the fusion {self.name!r:.80} has the transform {self.transform!r:.80}, '
                f'expected one of: {", ".join(TRANSFORMS)}'
            )
            raise FusionError(msg)
        if len(set(self.outputs)) != len(ordered) or not ordered:
            msg = (
                f'the fusion {self.name!r:.80} is of {list(self.outputs)!r:.200}, '
                'expected one or more different outputs'
            )
            raise FusionError(msg)
        weights = [member.weight for member in ordered]
        if not all(math.isfinite(w) and w >= 0 for w in weights) or not any(weights):
            msg = (
                f'the fusion {self.name!r:.80} has the weights {weights!r:.200}, '
                'expected numbers of 0 or more, one of them above 0'
            )
            raise FusionError(msg)
        if not math.isfinite(self.bias):
            msg = f'the fusion {self.name!r:.80} has the bias {self.bias}, expected a number'
            raise FusionError(msg)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The detector's outputs that it needs."""
        return tuple(member.output for member in self.members)

    def combine(self, maps: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Fuse maps of one shape.

        Args:
            maps: By output, at least `outputs`; floats, higher = more anomalous.

        Raises:
            FusionError: A map is missing, or has another shape than the others.
        """
        total: NDArray[np.float64] | None = None
        for member in self.members:
            if member.output not in maps:
                msg = (
                    f'the fusion {self.name!r} needs the output {member.output!r}, '
                    f'received only: {", ".join(maps)}'
                )
                raise FusionError(msg)
            values = maps[member.output]
            if total is not None and values.shape != total.shape:
                msg = (
                    f'the output {member.output!r} has shape {values.shape}, the others '
                    f'{total.shape}: expected maps of one shape'
                )
                raise FusionError(msg)
            term = member.weight * member.table.apply(values, self.transform)
            total = self.bias + term if total is None else total + term
        assert total is not None
        return total.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the fusion as JSON holds it."""
        return {
            'format': FORMAT,
            'format_version': FORMAT_VERSION,
            'name': self.name,
            'transform': self.transform,
            'bias': self.bias,
            'members': [
                {
                    'output': member.output,
                    'weight': member.weight,
                    'scores': list(member.table.scores),
                    'tails': list(member.table.tails),
                }
                for member in self.members
            ],
            'provenance': self.provenance,
        }

    @classmethod
    def from_json(cls, content: Any, where: str = 'the fusion') -> Fusion:
        """Make a fusion of a decoded JSON object; the inverse of `to_json`.

        Raises:
            FusionError: It has another format, a key is missing or a value is out of range.
        """
        if not isinstance(content, dict) or content.get('format') != FORMAT:
            msg = f'{where} has not the format {FORMAT!r}: give a file that a fit has written'
            raise FusionError(msg)
        if content.get('format_version') != FORMAT_VERSION:
            msg = (
                f'{where} has format version {content.get("format_version")!r:.20}, expected '
                f'{FORMAT_VERSION}: fit it again with this version of the package'
            )
            raise FusionError(msg)
        try:
            members = tuple(
                Member(
                    str(item['output']),
                    _number(item['weight']),
                    TailTable(_numbers(item['scores']), _numbers(item['tails'])),
                )
                for item in content['members']
            )
            return cls(
                str(content['name']),
                str(content['transform']),
                members,
                _number(content['bias']),
                dict(content['provenance']),
            )
        except (KeyError, TypeError, ValueError) as error:
            msg = f'{where} is not whole ({error!r:.100}): fit it again'
            raise FusionError(msg) from error

    def save(self, path: Path | str) -> None:
        """Write the fusion as a JSON file."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path | str) -> Fusion:
        """Read a fusion from a JSON file.

        Raises:
            FusionError: There is no such file, or it holds no fusion.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MAX_BYTES:
                msg = f'{path} has more than {MAX_BYTES} bytes, expected the file of a fusion'
                raise FusionError(msg)
            content = json.loads(path.read_text('utf-8'))
        except (OSError, ValueError, RecursionError) as error:
            msg = f'cannot read the fusion {path} ({error}): give a file that a fit has written'
            raise FusionError(msg) from error
        return cls.from_json(content, str(path))


def fuse_equally(name: str, method: str, tables: Mapping[str, TailTable], **kept: Any) -> Fusion:
    """Give all outputs the same weight, without fitting any.

    Args:
        name: Of the fusion.
        method: ``mean_log``, the mean of -ln p (Fisher's method), or ``stouffer``, the sum of
            normal quantiles over the square root of their number.
        tables: By output.
        kept: Its `provenance`.

    Raises:
        FusionError: The method is another, or there is no table.
    """
    if method not in ('mean_log', 'stouffer'):
        msg = f'received the method {method!r}, expected mean_log or stouffer'
        raise FusionError(msg)
    count = max(len(tables), 1)
    weight = 1 / count if method == 'mean_log' else 1 / math.sqrt(count)
    members = tuple(Member(output, weight, table) for output, table in tables.items())
    return Fusion(name, METHODS[method], members, **kept)


def fuse_logistic(
    name: str,
    tables: Mapping[str, TailTable],
    samples: Mapping[str, NDArray[Any]],
    target: NDArray[Any],
    *,
    smallest: float = 0.02,
    **kept: Any,
) -> Fusion:
    """Fit weights on labelled pixels; the fused score is the log-odds of an anomaly.

    Both classes weigh the same, so 0 is even odds where anomalies are as frequent as not; which
    threshold to use is for calibration to say.

    Args:
        name: Of the fusion.
        tables: By output.
        samples: (n,) scores by output.
        target: (n,) 1 anomaly, 0 normal.
        smallest: Outputs that contribute a smaller share of the score's deviation are left out
            and the others fitted again.
        kept: Its `provenance`.

    Raises:
        FusionError: Shapes differ, a class is missing, or no output tells anomalies apart.
    """
    transform = METHODS['logistic']
    outputs: Sequence[str] = sorted(tables)
    while True:
        features = np.stack([tables[o].apply(samples[o], transform) for o in outputs], 1)
        weights, bias = fit_logistic(features, target)
        shares = weights * features.std(0)
        if not shares.any():
            msg = 'no score is higher on anomalies than on normal pixels: expected one that is'
            raise FusionError(msg)
        keep = shares >= smallest * shares.sum()
        if keep.all():
            break
        outputs = [output for output, kept_ in zip(outputs, keep, strict=True) if kept_]
    members = tuple(
        Member(output, float(weight), tables[output])
        for output, weight in zip(outputs, weights, strict=True)
    )
    return Fusion(name, transform, members, bias, **kept)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        msg = f'{value!r:.40} is no number'
        raise TypeError(msg)
    return float(value)


def _numbers(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list):
        msg = f'{values!r:.40} is no list'
        raise TypeError(msg)
    return tuple(_number(value) for value in values)
