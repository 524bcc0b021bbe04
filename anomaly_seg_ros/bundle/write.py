# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writing a bundle: the whole folder or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from anomaly_seg_ros.bundle.bundle import CARD_NAME, Bundle
from anomaly_seg_ros.bundle.card import Card
from anomaly_seg_ros.bundle.errors import BundleError
from anomaly_seg_ros.bundle.fields import plain_name
from anomaly_seg_ros.files import sha256_file, write_json


def write_bundle(directory: Path | str, card: Card, files: Mapping[str, Path | str]) -> Bundle:
    """Write a bundle beside its place, open it with all checks, then rename it into place.

    Args:
        directory: The folder to make. An existing bundle there is replaced; any other folder with
            content is refused.
        card: The card; its hashes are computed here.
        files: Where each file of the bundle comes from, by its name in the bundle.

    Returns:
        The bundle as it stands in `directory`.

    Raises:
        BundleError: The place is taken, a file cannot be copied, or the result is no valid bundle.
    """
    directory = Path(directory)
    if directory.exists() and not _replaceable(directory):
        msg = f'{directory} exists and is no bundle: choose a folder that is new or empty'
        raise BundleError(msg)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=directory.parent, prefix=f'.{directory.name}-'
        ) as place:
            fresh = Path(place, 'new')
            fresh.mkdir()
            for name, source in files.items():
                shutil.copyfile(source, fresh / plain_name(name, 'the bundle'))
            hashes = {name: sha256_file(fresh / name) for name in sorted(files)}
            write_json(fresh / CARD_NAME, replace(card, hashes=hashes).to_json())
            Bundle.open(fresh)
            if directory.exists():
                directory.replace(Path(place, 'old'))
            fresh.replace(directory)
    except (OSError, ValueError, TypeError) as error:
        msg = f'cannot write the bundle {directory}: {error}'
        raise BundleError(msg) from error
    return Bundle.open(directory)


def _replaceable(directory: Path) -> bool:
    if directory.is_symlink() or not directory.is_dir():
        return False
    names = {entry.name for entry in directory.iterdir()}
    return not names or CARD_NAME in names
