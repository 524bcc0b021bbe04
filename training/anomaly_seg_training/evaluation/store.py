# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation keeps on disk while it runs, so that a killed one continues."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import atomic_path, write_text
from anomaly_seg_ros.metrics import AnomalyMetrics
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.pooled import PooledScores

_DONE = '.done.json'


class Store:
    """Everything that figures of one set by one model need, image by image.

    An image is done when its file ``NAME.done.json`` is there, which is written last.

    Args:
        folder: Made if it is missing; what it holds is used.
        outputs: Names of the scores.
        keep_maps: Keep score maps too, for figures that need a threshold found on all images.
    """

    def __init__(self, folder: Path, outputs: Sequence[str], keep_maps: bool) -> None:
        self.folder = folder
        self.keep_maps = keep_maps
        self.pooled = PooledScores(folder / 'pixels', outputs)

    def done(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each image that is done, by name and sorted."""
        found = {}
        for file in sorted(self.folder.glob(f'*{_DONE}')):
            if not file.name.startswith('.'):
                name = unquote(file.name.removesuffix(_DONE))
                found[name] = dict(json.loads(file.read_text('utf-8')))
        return dict(sorted(found.items()))

    def add(
        self,
        name: str,
        scores: Mapping[str, NDArray[np.float32]],
        target: NDArray[np.uint8] | None,
        classes: Mapping[str, NDArray[np.uint8]] | None,
        facts: Mapping[str, Any],
    ) -> None:
        """Add one image; after it returns, the image is done whatever happens to the process.

        Args:
            name: The image's.
            scores: (H, W) per output, as the protocol ranks them.
            target: (H, W), 0 normal, 1 anomaly, 255 ignored; None without.
            classes: Maps of classes, see `class_maps`; None without class labels.
            facts: To remember, for JSON.

        Raises:
            AnomalySegError: Scores and target do not fit, or the disk takes no more.
        """
        file = quote(name, safe='')
        try:
            if target is not None:
                if self.keep_maps:
                    maps = {output: scores[output] for output in self.pooled.outputs}
                    self._save(f'{file}.maps.npz', target=target, **maps)
                self.pooled.add(file, scores, target)
            if classes is not None:
                self._save(f'{file}.classes.npz', **classes)
            facts = {
                'anomaly': target is not None,
                'labels': classes is not None,
                **facts,
            }
            write_text(self.folder / f'{file}{_DONE}', json.dumps(facts))
        except AnomalySegError as error:
            msg = f'{name}: {error}'
            raise LabError(msg) from error
        except OSError as error:
            msg = f'cannot keep the scores of {name} in {self.folder}: {error}; free space there'
            raise LabError(msg) from error

    def metrics(self, output: str, names: Sequence[str]) -> AnomalyMetrics:
        """Return the pooled scores of one output over some images that are done."""
        return self.pooled.metrics(output, [quote(name, safe='') for name in names])

    def maps(self, output: str) -> Iterator[tuple[NDArray[Any], NDArray[np.uint8]]]:
        """Yield the score map of one output and the target of each image that has one."""
        for name, facts in self.done().items():
            if facts['anomaly']:
                file = self.folder / f'{quote(name, safe="")}.maps.npz'
                with np.load(file, allow_pickle=False) as content:
                    yield content[output], content['target']

    def class_maps(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        """Yield ``labels``, ``confidence`` and ``target`` of each image with class labels."""
        for name, facts in self.done().items():
            if facts['labels']:
                file = self.folder / f'{quote(name, safe="")}.classes.npz'
                with np.load(file, allow_pickle=False) as content:
                    yield {key: content[key] for key in content.files}

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)

    def _save(self, name: str, **arrays: NDArray[Any]) -> None:
        with atomic_path(self.folder / name) as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)
