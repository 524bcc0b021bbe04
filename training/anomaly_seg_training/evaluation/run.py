# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every set by every model: the network once per image, everything kept until the end."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros import __version__
from anomaly_seg_ros.engines.base import CONFIDENCE, LABELS
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.size import Size
from anomaly_seg_training.benchmark import PROTOCOLS
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.evaluation.ahead import Behind, ahead
from anomaly_seg_training.evaluation.frames import EvaluationSet, Frame
from anomaly_seg_training.evaluation.models import Model
from anomaly_seg_training.evaluation.results import anomaly_rows, segmentation_row
from anomaly_seg_training.evaluation.store import Store
from anomaly_seg_training.resizing import resize_image, resize_labels

FORMAT = 3
"""Of what is kept on disk: other formats are begun anew."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How figures are taken.

    Args:
        protocol: A name of `PROTOCOLS`; None takes that by which figures on each set are
            published.
        size: Size to which images are resized first, see `resize_image`, and ground truth, by
            nearest neighbour; None leaves each image its own.
        curves: Points of the ROC and PR curves; 0 leaves them out.
        per_image: Report the figures of each image, too.
    """

    protocol: str | None = None
    size: Size | None = None
    curves: int = 0
    per_image: bool = False


class Evaluation:
    """Measures models on sets.

    Args:
        sets: What is measured on.
        models: What is measured.
        config: How.
        work: Folder for what a killed run can use again.

    Raises:
        KeyError: The protocol is unknown.
        LabError: Two sets have one name.
    """

    def __init__(
        self,
        sets: Sequence[EvaluationSet],
        models: Sequence[Model],
        config: EvaluationConfig,
        work: Path,
    ) -> None:
        names = [found.name for found in sets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f'received two sets of the name {twice[0]!r}: evaluate them one by one'
            raise LabError(msg)
        self.sets = tuple(sets)
        self.models = tuple(models)
        self.config = config
        self.work = work
        self.resumed = 0
        """Images that an earlier run had done."""
        self.computed = 0
        """Images that this run has done."""
        self._stores: list[Store] = []
        self._protocols = {
            found.name: PROTOCOLS.get(config.protocol or found.protocol) for found in sets
        }

    def run(self) -> dict[str, Any]:
        """Check all files, run the networks, compute the figures and return them for JSON.

        Raises:
            AnomalySegError: A file cannot be used, a network fails, or the disk is full. What was
                done before remains in the folder.
        """
        for found in self.sets:
            found.check()
        begin = time.perf_counter()
        results: list[dict[str, Any]] = []
        segmentation: list[dict[str, Any]] = []
        network = 0.0
        for model in self.models:
            for found in self.sets:
                store = self._store(model, found)
                self._through(model, found, store)
                network += sum(facts['network_s'] for facts in store.done().values())
                common = self._common(model, found)
                protocol = self._protocols[found.name]
                rows = anomaly_rows(
                    store, model.outputs, protocol, self.config.curves, self.config.per_image
                )
                results.extend({**common, **row} for row in rows)
                classes = segmentation_row(store, model)
                if classes is not None:
                    segmentation.append({**common, **classes})
        return {
            'results': results,
            'segmentation': segmentation,
            'protocols': {
                protocol.name: protocol.as_dict() for protocol in self._protocols.values()
            },
            'sets': [self._describe(found) for found in self.sets],
            'models': [model.description for model in self.models],
            'size': 'native' if self.config.size is None else str(self.config.size),
            'seconds': {
                'network': network,
                'this_run': time.perf_counter() - begin,
            },
            'images': {'resumed': self.resumed, 'computed': self.computed},
        }

    def remove(self) -> None:
        """Delete what was kept, and the folder if nothing else is in it."""
        for store in self._stores:
            store.remove()
            store.folder.parent.rmdir()
        if self.work.is_dir() and not any(self.work.iterdir()):
            self.work.rmdir()

    def _through(self, model: Model, found: EvaluationSet, store: Store) -> None:
        """Run the network on every image that is not done yet."""
        done = store.done()
        self.resumed += len(done)
        frames = ahead(found.frames(done))
        with (
            closing(frames),
            Behind() as behind,
            tqdm(
                total=found.images,
                initial=len(done),
                desc=f'{model.name} on {found.name}',
                unit='image',
                disable=None,
            ) as bar,
        ):
            for frame in frames:
                behind.do(self._measure(model, found, store, frame))
                bar.update()

    def _measure(
        self, model: Model, found: EvaluationSet, store: Store, frame: Frame
    ) -> Callable[[], None]:
        """Run the network; return what remains to be done with what it gave."""
        protocol = self._protocols[found.name]
        classes = model.engine.card.classes
        segmented = frame.labels is not None and found.classes in (None, classes.names)
        if frame.target is None and not segmented:
            return partial(self._finish, store, frame.name, {}, None, None, {'network_s': 0.0})
        image = resize_image(frame.image, self.config.size)
        names = tuple(model.outputs) if frame.target is not None else ()
        if segmented:
            names = (LABELS, CONFIDENCE, *names)
        begin = time.perf_counter()
        try:
            outputs = model.engine.run(image[np.newaxis], names)
        except AnomalySegError as error:
            msg = f'{found.name}, {frame.name}: {error}'
            raise LabError(msg) from error
        facts = {
            'network_s': time.perf_counter() - begin,
            'size': str(Size(image.shape[1], image.shape[0])),
        }
        maps = {name: values[0] for name, values in outputs.items()}
        target = None
        if frame.target is not None:
            target = protocol.target(resize_labels(frame.target, self.config.size))
            for name in model.outputs:
                maps[name] = protocol.score(maps[name])
        labels = None
        if segmented and frame.labels is not None:
            labels = {
                'labels': maps[LABELS],
                'confidence': maps[CONFIDENCE],
                'target': resize_labels(frame.labels, self.config.size),
            }
        return partial(self._finish, store, frame.name, maps, target, labels, facts)

    def _finish(
        self,
        store: Store,
        name: str,
        maps: dict[str, NDArray[Any]],
        target: NDArray[np.uint8] | None,
        labels: dict[str, NDArray[np.uint8]] | None,
        facts: dict[str, Any],
    ) -> None:
        store.add(name, maps, target, labels, facts)
        self.computed += 1

    def _store(self, model: Model, found: EvaluationSet) -> Store:
        """Return the store of exactly this model, set and configuration."""
        protocol = self._protocols[found.name]
        key = {
            'format': FORMAT,
            'package': __version__,
            'model': model.hash,
            'engine': [model.engine.name, model.engine.device],
            'outputs': list(model.outputs),
            'set': [found.name, found.version],
            'size': str(self.config.size),
            'rules': [protocol.ignored, protocol.score_dtype, protocol.components is not None],
        }
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        folder = self.work / digest / quote(found.name, safe='')
        store = Store(folder, tuple(model.outputs), protocol.components is not None)
        self._stores.append(store)
        return store

    def _common(self, model: Model, found: EvaluationSet) -> dict[str, Any]:
        """Return what every row says of where it comes from."""
        return {
            'bundle': model.name,
            'set': found.name,
            'set_version': found.version,
            'protocol': self._protocols[found.name].name,
            'size': 'native' if self.config.size is None else str(self.config.size),
            'network_size': model.description['network_size'],
            'model_hash': model.hash,
        }

    def _describe(self, found: EvaluationSet) -> dict[str, Any]:
        return {
            'set': found.name,
            'version': found.version,
            'images': found.images,
            'published_images': found.published,
            'notes': list(found.notes),
            'doubts': found.doubts(self._protocols[found.name]),
        }
