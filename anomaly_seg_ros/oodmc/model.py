# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A fitted OODMC as two files: ``oodmc.json`` and ``oodmc.safetensors``; neither can run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anomaly_seg_ros.bundle import BundleError
from anomaly_seg_ros.bundle.fields import Fields
from anomaly_seg_ros.files import atomic_path, sha256_file, write_json
from anomaly_seg_ros.oodmc.classifier import PixelClassifier
from anomaly_seg_ros.oodmc.errors import OodmcError
from anomaly_seg_ros.oodmc.features import FeatureSpec
from anomaly_seg_ros.oodmc.sampling import Sampling

DESCRIPTION = 'oodmc.json'
ARRAYS = 'oodmc.safetensors'
FORMAT_VERSION = 1
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class OodmcModel:
    """What a fit found, and for which network and forwards it holds.

    Args:
        segmenter: Name of the network in ``models.SEGMENTERS``.
        num_classes: Channels of its logits.
        weights_sha256: Of its weights file: another network has other moments.
        sampling: Which forwards.
        features: Which features.
        classifier: What decides on them.
        fitted: On what, when, by what; free content.

    Raises:
        OodmcError: Features and classifier do not fit together.
    """

    segmenter: str
    num_classes: int
    weights_sha256: str
    sampling: Sampling
    features: FeatureSpec
    classifier: PixelClassifier
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a classifier for other features."""
        expected = self.features.dimensions(self.num_classes)
        if self.classifier.dimensions != expected:
            msg = (
                f'the classifier takes {self.classifier.dimensions} features, but moments up to '
                f'order {self.features.order} of {self.num_classes} classes are {expected}: '
                'fit it again'
            )
            raise OodmcError(msg)

    def save(self, folder: Path | str) -> None:
        """Write both files, each whole or not at all, the description last."""
        from safetensors.torch import save_file

        folder = Path(folder)
        arrays = {k: v.detach().cpu().contiguous() for k, v in self.classifier.arrays.items()}
        with atomic_path(folder / ARRAYS) as temporary:
            save_file(arrays, temporary)
        content = {
            'format_version': FORMAT_VERSION,
            'segmenter': self.segmenter,
            'num_classes': self.num_classes,
            'weights_sha256': self.weights_sha256,
            'sampling': {**asdict(self.sampling), 'rates': dict(self.sampling.rates)},
            'features': asdict(self.features),
            'classifier': self.classifier.kind,
            'arrays_sha256': sha256_file(folder / ARRAYS),
            'fitted': dict(self.fitted),
        }
        write_json(folder / DESCRIPTION, content)

    @classmethod
    def load(cls, folder: Path | str) -> OodmcModel:
        """Read both files and check everything in them.

        Raises:
            OodmcError: A file is missing, too large, changed, cut short or not valid.
        """
        folder = Path(folder)
        text = _read(folder / DESCRIPTION)
        where = str(folder / DESCRIPTION)
        try:
            fields = Fields(json.loads(text), where)
            fields.integer('format_version', FORMAT_VERSION, FORMAT_VERSION)
            sampling = _sampling(fields.child('sampling'))
            spec = _features(fields.child('features'))
            kind = fields.text('classifier')
            arrays = _read_arrays(folder / ARRAYS, fields.text('arrays_sha256'))
            model = cls(
                fields.text('segmenter'),
                fields.integer('num_classes', 1, 254),
                fields.text('weights_sha256'),
                sampling,
                spec,
                PixelClassifier(kind, arrays),
                fields.mapping('fitted'),
            )
            fields.finish()
        except (BundleError, ValueError, RecursionError) as error:
            msg = f'{where} is no description of a fitted OODMC ({error}): fit it again'
            raise OodmcError(msg) from error
        return model


def _sampling(fields: Fields) -> Sampling:
    rates = fields.child('rates')
    result = Sampling(
        rates={name: rates.number(name) for name in rates.keys()},  # noqa: SIM118
        samples=fields.integer('samples', 0, 10**6),
        seed=fields.integer('seed', 0, 2**63),
        pool=fields.integer('pool', 1, 2),
        coarse=_truth(fields, 'coarse'),
        naive=_truth(fields, 'naive'),
        batch_norm_in_training=_truth(fields, 'batch_norm_in_training'),
    )
    fields.finish()
    return result


def _features(fields: Fields) -> FeatureSpec:
    result = FeatureSpec(
        order=fields.integer('order', 1, 4),
        softmax=_truth(fields, 'softmax'),
        roots=_truth(fields, 'roots'),
        moment_weight=fields.number('moment_weight'),
    )
    fields.finish()
    return result


def _truth(fields: Fields, key: str) -> bool:
    value = fields.raw(key)
    if not isinstance(value, bool):
        msg = f'{key!r} = {value!r:.80}, expected true or false'
        raise OodmcError(msg)
    return value


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            msg = f'{path} is larger than {MAX_BYTES} bytes: fit OODMC again'
            raise OodmcError(msg)
        return path.read_text('utf-8')
    except (OSError, UnicodeDecodeError) as error:
        msg = f'cannot read {path} ({error}): pass a folder that `fit oodmc` wrote'
        raise OodmcError(msg) from error


def _read_arrays(path: Path, expected: str) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        if path.stat().st_size > MAX_BYTES:
            msg = f'{path} is larger than {MAX_BYTES} bytes: fit OODMC again'
            raise OodmcError(msg)
        received = sha256_file(path)
        if received != expected:
            msg = (
                f'{path} has the SHA-256 {received[:12]}..., expected {expected[:12]}...: '
                'it was changed or cut short, copy it or fit OODMC again'
            )
            raise OodmcError(msg)
        return dict(load(path.read_bytes()))
    except (SafetensorError, OSError) as error:
        msg = f'{path} is no whole safetensors file ({error}): fit OODMC again'
        raise OodmcError(msg) from error
