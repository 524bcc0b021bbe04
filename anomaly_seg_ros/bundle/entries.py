# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Entries of a card: what they hold, and how they are read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anomaly_seg_ros.bundle.errors import BundleError
from anomaly_seg_ros.bundle.fields import Fields, plain_name
from anomaly_seg_ros.bundle.preprocessing import Preprocessing
from anomaly_seg_ros.classes import ClassSet
from anomaly_seg_ros.refinement.names import RefinementError
from anomaly_seg_ros.refinement.shrinkage import NO_SHRINKAGE, Shrinkage
from anomaly_seg_ros.size import Size, SizeError


@dataclass(frozen=True)
class SegmenterSpec:
    """What rebuilds the network: a name of `models.SEGMENTERS` and constructor options."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_fields(cls, fields: Fields) -> SegmenterSpec:
        """Read the card's entry.

        Raises:
            BundleError: A key is missing or unknown, or a value cannot be used.
        """
        made = cls(fields.text('name'), fields.mapping('options'))
        fields.finish()
        return made


@dataclass(frozen=True)
class GraphFile:
    """The exported graph: a file of the bundle and the ONNX operator set that it uses."""

    file: str = 'detector.onnx'
    opset: int = 18

    @classmethod
    def from_fields(cls, fields: Fields) -> GraphFile:
        """Read the card's entry.

        Raises:
            BundleError: A key is missing or unknown, or a value cannot be used.
        """
        made = cls(fields.file_name('file'), fields.integer('opset', 1, 1000))
        fields.finish()
        return made


@dataclass(frozen=True)
class WeightsFile:
    """The network's weights: a file of the bundle."""

    file: str = 'weights.safetensors'

    @classmethod
    def from_fields(cls, fields: Fields) -> WeightsFile:
        """Read the card's entry.

        Raises:
            BundleError: A key is missing or unknown, or a value cannot be used.
        """
        made = cls(fields.file_name('file'))
        fields.finish()
        return made


@dataclass(frozen=True)
class Threshold:
    """Scores above `value` are anomalous; `method` says how the value was found."""

    value: float
    method: str

    @classmethod
    def from_fields(cls, fields: Fields) -> Threshold:
        """Read the card's entry.

        Raises:
            BundleError: A key is missing or unknown, or a value cannot be used.
        """
        made = cls(fields.number('value'), fields.text('method'))
        fields.finish()
        return made


def read_classes(fields: Fields, where: str) -> ClassSet:
    """Read the names, colours and drivable classes that the network knows."""
    names, palette = fields.texts('names'), fields.colours('palette')
    drivable = fields.integers('drivable', 0, 254)
    fields.finish()
    try:
        return ClassSet(names, palette, drivable)
    except ValueError as error:
        msg = f'{where} has impossible classes: {error}'
        raise BundleError(msg) from error


def read_preprocessing(fields: Fields, where: str) -> Preprocessing:
    """Read mean and deviation of what the network was trained with."""
    mean, std = fields.numbers('mean', 3), fields.numbers('std', 3)
    fields.finish()
    try:
        return Preprocessing((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
    except ValueError as error:
        msg = f'{where} has an impossible preprocessing: {error}'
        raise BundleError(msg) from error


def read_size(text: str) -> Size:
    """Read the network's size, such as 1024x512."""
    try:
        return Size.parse(text)
    except SizeError as error:
        raise BundleError(f'the card: {error}') from error  # noqa: EM102


def read_statistics(parent: Fields, classes: int) -> dict[str, Any] | None:
    """Read class statistics; every list has one entry per class."""
    if parent.is_null('statistics'):
        return None
    table, tables = parent.child('statistics'), {}
    for score in table.keys():  # noqa: SIM118 - not a mapping
        fields = table.child(score)
        counts = fields.integers('count', 0, 2**63 - 1)
        if len(counts) != classes:
            msg = f'the statistics of {score!r:.80} have {len(counts)} counts, expected {classes}'
            raise BundleError(msg)
        mean, std = fields.numbers('mean', classes), fields.numbers('std', classes)
        fields.finish()
        if min(std) <= 0:
            msg = (
                f'the statistics of {score!r:.80} have the standard deviation {min(std)}, '
                'expected > 0: calibrate the bundle again'
            )
            raise BundleError(msg)
        tables[score] = {'count': list(counts), 'mean': list(mean), 'std': list(std)}
    return tables


def read_shrinkage(parent: Fields) -> Shrinkage:
    """Read how far statistics are drawn together; cards without the key leave them alone."""
    if not parent.has('shrinkage'):
        return NO_SHRINKAGE
    fields = parent.child('shrinkage')
    mean, std = fields.number('mean'), fields.number('std')
    fields.finish()
    try:
        return Shrinkage(mean, std)
    except RefinementError as error:
        raise BundleError(f'the card: {error}') from error  # noqa: EM102


def read_calibration(parent: Fields) -> dict[str, dict[str, Any]]:
    """Read what was calibrated per output; what it was found on is free."""
    if not parent.has('calibration'):
        return {}
    entries = parent.mapping('calibration')
    table = parent.child('calibration')
    for output in entries:
        fields = table.child(output)
        fields.number('threshold')
        fields.text('method')
        low, high = fields.numbers('score_range', 2)
        if not low < high:
            msg = (
                f'the calibration of {output!r:.80} has the score range {low}, {high}, '
                'expected low < high'
            )
            raise BundleError(msg)
    return {output: dict(entry) for output, entry in entries.items()}


def checked_licence(content: dict[str, Any], where: str) -> dict[str, str]:
    """Check that licences are texts by topic."""
    if not all(isinstance(value, str) for value in content.values()):
        msg = f'{where} has a licence with values that are no texts'
        raise BundleError(msg)
    return content


def checked_hashes(content: dict[str, Any], where: str) -> dict[str, str]:
    """Check that every file has a plain name and a SHA-256."""
    for name, value in content.items():
        plain_name(name, f"{where}, key 'hashes',")
        digits = isinstance(value, str) and len(value) == 64
        if not digits or set(value) - set('0123456789abcdef'):
            msg = f'{where} has no SHA-256 for {name!r}, expected 64 hexadecimal digits'
            raise BundleError(msg)
    return content
