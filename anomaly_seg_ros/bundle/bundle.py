# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening a bundle: everything is checked before anything is used."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anomaly_seg_ros.bundle.card import Card
from anomaly_seg_ros.bundle.errors import BundleError
from anomaly_seg_ros.bundle.onnx_graph import OnnxGraph
from anomaly_seg_ros.files import sha256_file

CARD_NAME = 'card.json'
MAX_CARD_BYTES = 2**20
MAX_FILE_BYTES = 2**31
MAX_FILES = 64
DEFAULT = 'default'
PACKAGED = (DEFAULT, 'synboost')
"""Names of the bundles that come with the package."""


def default_bundle_path() -> Path:
    """Return the folder of the bundle that comes with the package."""
    return Path(__file__).resolve().parent.parent / 'bundles' / DEFAULT


@dataclass(frozen=True)
class Bundle:
    """A folder whose card is valid and whose files are what the card says.

    Attributes:
        path: The folder.
        card: Its card.
    """

    path: Path
    card: Card

    @classmethod
    def open(cls, path: Path | str) -> Bundle:
        """Open a bundle and check every file.

        Args:
            path: The folder, or ``default`` or ``synboost`` for those that come with the package.

        Raises:
            BundleError: The folder, the card or a file is missing, too large, changed, truncated,
                outside the folder or not valid.
        """
        folder = Path(path).expanduser()
        if str(path) in PACKAGED:
            folder = default_bundle_path().with_name(str(path))
        if not folder.is_dir():
            msg = (
                f'there is no bundle {folder}: pass a folder that holds {CARD_NAME}, '
                f'or one of the names {", ".join(PACKAGED)} for a bundle of the package'
            )
            raise BundleError(msg)
        card_path = _checked_file(folder, CARD_NAME, MAX_CARD_BYTES)
        try:
            text = card_path.read_text('utf-8')
        except (OSError, UnicodeDecodeError) as error:
            msg = f'cannot read {card_path}: {error}'
            raise BundleError(msg) from error
        bundle = cls(folder, Card.from_text(text, str(card_path)))
        bundle._verify()
        return bundle

    def file(self, role: Literal['graph', 'weights']) -> Path:
        """Return the path of the exported graph or of the weights.

        Raises:
            BundleError: The bundle has none.
        """
        entry = self.card.graph if role == 'graph' else self.card.weights
        if entry is None:
            have = 'weights' if role == 'graph' else 'a graph'
            need = 'torch' if role == 'graph' else 'onnxruntime'
            msg = (
                f'the bundle {self.path} has no {role} file, only {have}: use the engine {need}, '
                'or export the bundle again'
            )
            raise BundleError(msg)
        return self.path / entry.file

    def _verify(self) -> None:
        card, hashes = self.card, self.card.hashes
        if card.graph is None and card.weights is None:
            msg = f'the bundle {self.path} has neither a graph nor weights: export it again'
            raise BundleError(msg)
        if len(hashes) > MAX_FILES:
            msg = f'the card of {self.path} lists {len(hashes)} files, expected <= {MAX_FILES}'
            raise BundleError(msg)
        for entry in (card.graph, card.weights):
            if entry is not None and entry.file not in hashes:
                msg = f'the card of {self.path} has no hash for {entry.file}: export it again'
                raise BundleError(msg)
        for name, expected in hashes.items():
            path = _checked_file(self.path, name, MAX_FILE_BYTES)
            try:
                received = sha256_file(path)
            except OSError as error:
                msg = f'cannot read {path}: {error.strerror or error}'
                raise BundleError(msg) from error
            if received != expected:
                msg = (
                    f'{path} has the SHA-256 {received[:12]}..., expected {expected[:12]}...: '
                    'it was changed or cut short, copy or export the bundle again'
                )
                raise BundleError(msg)
        if card.graph is not None:
            graph = self.path / card.graph.file
            for location in sorted(OnnxGraph(graph).external_files):
                # A runtime would follow any path, and no hash would cover what it finds.
                msg = f'{graph} keeps tensors in {location!r:.80}, expected all in one file'
                raise BundleError(msg)


def _checked_file(folder: Path, name: str, max_bytes: int) -> Path:
    """Return a file of the folder after checking that it is one, lies in it and is not huge."""
    path = folder / name
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError) as error:
        msg = f'the bundle {folder} has no file {name}: copy or export it again'
        raise BundleError(msg) from error
    if real.parent != folder.resolve() or not stat.S_ISREG(status.st_mode):
        msg = f'{path} is no file inside the bundle: replace the link or folder by the file'
        raise BundleError(msg)
    if not 0 < status.st_size <= max_bytes:
        msg = f'{path} has {status.st_size} bytes, expected 1 to {max_bytes}'
        raise BundleError(msg)
    return path
