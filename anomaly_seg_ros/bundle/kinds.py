# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds of detectors that bundles hold, and opening one of the kind that is asked for."""

from __future__ import annotations

from pathlib import Path

from anomaly_seg_ros.bundle.bundle import DEFAULT, Bundle, default_bundle_path
from anomaly_seg_ros.bundle.errors import BundleError

AUTO, SEGMENTER, SYNBOOST = 'auto', 'segmenter', 'synboost'
DETECTORS = (AUTO, SEGMENTER, SYNBOOST)
"""``segmenter``: a segmenter with scores of its logits; ``synboost``: one with re-synthesis behind
it; ``auto``: whichever the bundle holds."""


def open_detector(path: Path | str, detector: str = AUTO) -> Bundle:
    """Open a bundle and check that it holds a detector of the kind asked for.

    Args:
        path: The folder, or ``default`` for the one of this kind that comes with the package.
        detector: One of `DETECTORS`.

    Raises:
        BundleError: The kind is unknown, the bundle cannot be used or is of the other kind, or
            the package brings none of this kind.
    """
    if detector not in DETECTORS:
        msg = f'received the detector {detector!r:.80}, expected one of: {", ".join(DETECTORS)}'
        raise BundleError(msg)
    if detector == SYNBOOST and str(path) in (DEFAULT, SYNBOOST):
        path = default_bundle_path().parent / SYNBOOST
        if not path.is_dir():
            msg = (
                'this package brings no bundle for the detector synboost: train one with '
                'anomaly-seg-lab train dissimilarity and pass its folder as bundle'
            )
            raise BundleError(msg)
    bundle = Bundle.open(path)
    kind = SEGMENTER if bundle.card.resynthesis is None else SYNBOOST
    if detector not in (AUTO, kind):
        msg = (
            f'the bundle {bundle.path} holds a detector of the kind {kind}, expected {detector}: '
            f'pass another bundle, or set detector to {kind}'
        )
        raise BundleError(msg)
    return bundle
