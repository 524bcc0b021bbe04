# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a calibrated bundle is written to: its own folder or a new one."""

from __future__ import annotations

import os
from pathlib import Path

from anomaly_seg_ros.bundle import Bundle, BundleError, Card, default_bundle_path, write_bundle
from anomaly_seg_ros.bundle.bundle import CARD_NAME
from anomaly_seg_ros.calibration.config import CalibrationError
from anomaly_seg_ros.files import write_json


def check_target(bundle: Bundle, out: Path | None) -> None:
    """Refuse, before any work, a place where the result could not be written.

    Args:
        bundle: The bundle.
        out: A folder for a calibrated copy; None for the bundle itself.

    Raises:
        CalibrationError: It cannot be written, or it is the bundle that comes with the package.
    """
    if out is None or _same(out, bundle.path):
        if _same(bundle.path, default_bundle_path()):
            msg = (
                'the bundle of the package belongs to all its users and stays as it is: '
                'pass --out DIR for a calibrated copy'
            )
            raise CalibrationError(msg)
        card = bundle.path / CARD_NAME
        if not os.access(bundle.path, os.W_OK) or not os.access(card, os.W_OK):
            msg = f'{card} cannot be written: pass --out DIR for a calibrated copy'
            raise CalibrationError(msg)
        return
    if out.exists() and not (out.is_dir() and (_is_bundle(out) or not any(out.iterdir()))):
        msg = f'{out} exists and is no bundle: choose a folder that is new or empty'
        raise CalibrationError(msg)


def store(bundle: Bundle, card: Card, out: Path | None) -> Bundle:
    """Write the card in place, or a whole bundle; the old state or the new one, never between.

    Raises:
        CalibrationError: It cannot be written; what was there before stays.
    """
    try:
        if out is not None and not _same(out, bundle.path):
            files = {name: bundle.path / name for name in bundle.card.hashes}
            return write_bundle(out, card, files)
        content = card.to_json()
        # What cannot be read back must not replace what can.
        Card.from_json(content)
        write_json(bundle.path / CARD_NAME, content)
        return Bundle.open(bundle.path)
    except (OSError, BundleError) as error:
        msg = f'cannot write the calibrated bundle: {error}'
        raise CalibrationError(msg) from error


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _is_bundle(folder: Path) -> bool:
    return (folder / CARD_NAME).is_file()
