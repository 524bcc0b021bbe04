# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Running a bundle over the images of a benchmark and writing what it takes, resumably."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros import __version__
from anomaly_seg_ros.engines.base import LABELS
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.images import read_image, read_label_map
from anomaly_seg_ros.provenance import provenance
from anomaly_seg_training import PROGRAM
from anomaly_seg_training.benchmark.readers.masks import ZERO_ONE
from anomaly_seg_training.data.labelled import check_labels, check_shapes
from anomaly_seg_training.evaluation.ahead import Behind, ahead
from anomaly_seg_training.evaluation.models import Model
from anomaly_seg_training.evaluation.store import Store
from anomaly_seg_training.submission.layouts import Layout, SubmissionError
from anomaly_seg_training.submission.rounding import to_float16

EXACT, STORED = 'exact', 'stored'
WIDEST = 0.01
"""Warn when more of an image's pixels than this lose the order among themselves."""
AP_CHANGE = 0.001
"""Warn when rounding changes AP by more."""
FOLDER = 'submission'
"""What a submission tells of itself lies in this folder, beside the files for the benchmark."""

_Frame = tuple[str, NDArray[np.uint8], NDArray[np.uint8] | None]


class Submission:
    """Writes the scores of one output of one model for a folder of images.

    Args:
        layout: Where and in which format.
        out: Folder of the layout; what the submission tells of itself lies there, too.
        images: By the name of the frame, see `Layout.frames`.
        masks: Ground truth of some of them, 0 normal, 1 anomaly, 255 ignored, by frame; figures
            of these are taken before and after rounding.
        model: With one output.
        centre: See `to_float16`; only for layouts of float16.

    Raises:
        SubmissionError: Scores of another model have this name already.
    """

    def __init__(
        self,
        layout: Layout,
        out: Path,
        images: Mapping[str, Path],
        masks: Mapping[str, Path],
        model: Model,
        centre: float = 0.0,
    ) -> None:
        self.layout, self.images, self.masks, self.model = layout, images, masks, model
        self.centre = centre if layout.half else 0.0
        self.computed = 0
        """Images that this run has done."""
        ((self.output, selected),) = model.outputs.items()
        self.file = out / FOLDER / f'{layout.method}.{layout.dataset}.json'
        self._about: dict[str, Any] = {
            'format': layout.format, 'method': layout.method, 'dataset': layout.dataset,
            'package': __version__, 'model': model.description, 'score': selected[0],
            'refinement': selected[1], 'output': self.output, 'centre': self.centre,
        }  # fmt: skip
        self._known = self._read_known()
        names = [
            [name, image.stat().st_size, name in masks] for name, image in sorted(images.items())
        ]
        self._inputs = hashlib.sha256(json.dumps([self._about, names]).encode()).hexdigest()
        self._work = self.file.with_suffix('.work')

    def write(self) -> dict[str, Any]:
        """Write all files that are not there yet; return what is stored of the submission.

        Raises:
            AnomalySegError: An image or a mask cannot be used, or the network or the disk fails;
                what was written before remains, and the same call continues.
        """
        if self._known.get('inputs') == self._inputs and all(map(self._written, self.images)):
            return self._known
        for mask in self.masks.values():
            _read_mask(mask)
        write_json(self.file, self._about)
        store = Store(self._work / self._inputs[:16], (EXACT, STORED), keep_maps=False)
        done = set(filter(self._written, store.done()))
        frames = ahead(self._frames(done))
        with (
            closing(frames), Behind() as behind,
            tqdm(total=len(self.images), initial=len(done), desc=self.layout.dataset,
                 unit='image', disable=None) as bar,
        ):  # fmt: skip
            for name, image, target in frames:
                names = (self.output, LABELS) if self.layout.labels else (self.output,)
                try:
                    outputs = self.model.engine.run(image[np.newaxis], names)
                except AnomalySegError as error:
                    msg = f'{self.images[name]}: {error}'
                    raise SubmissionError(msg) from error
                behind.do(partial(self._finish, store, name, outputs, target))
                bar.update()
        content = {
            **self._about, 'inputs': self._inputs, **_summary(store, self.layout.half),
            'provenance': provenance(program=PROGRAM),
        }  # fmt: skip
        write_json(self.file, content)
        shutil.rmtree(self._work)
        return content

    def _written(self, name: str) -> bool:
        return all(file.is_file() for file in self.layout.files(name))

    def _read_known(self) -> dict[str, Any]:
        """Read what an earlier run stored; refuse to mix scores of two models in one folder."""
        if not self.file.is_file():
            return {}
        try:
            known = dict(json.loads(self.file.read_text('utf-8')))
        except (OSError, ValueError, TypeError) as error:
            msg = f'cannot read {self.file} ({error}): remove it to write the submission anew'
            raise SubmissionError(msg) from error
        if any(known.get(key) != value for key, value in self._about.items()):
            msg = (
                f'{self.file} tells of another model or score under this name: choose another '
                f'name, or remove it and the files in {self.layout.folder}'
            )
            raise SubmissionError(msg)
        return known

    def _frames(self, done: Collection[str]) -> Iterator[_Frame]:
        for name, file in self.images.items():
            if name in done:
                continue
            image = read_image(file)
            target = None
            if name in self.masks:
                target = _read_mask(self.masks[name])
                check_shapes(image, target, str(file))
            yield name, image, target

    def _finish(
        self,
        store: Store,
        name: str,
        outputs: dict[str, NDArray[Any]],
        target: NDArray[np.uint8] | None,
    ) -> None:
        score = outputs[self.output][0]
        stored, facts = score, {'pixels': int(score.size)}
        if self.layout.half:
            stored, loss = to_float16(score, self.centre)
            facts = asdict(loss)
        try:
            maps = {
                'score': stored,
                **({'labels': outputs[LABELS][0]} if LABELS in outputs else {}),
            }
            self.layout.write(name, maps)
        except OSError as error:
            msg = f'cannot write {self.layout.files(name)[0]}: {error}; free space there'
            raise SubmissionError(msg) from error
        # Last, since it says that the image is done.
        store.add(name, {EXACT: score, STORED: stored}, target, None, facts)
        self.computed += 1


def _read_mask(file: Path) -> NDArray[np.uint8]:
    mask = read_label_map(file)
    check_labels(mask, ZERO_ONE.target, str(file))
    return mask


def _summary(store: Store, half: bool) -> dict[str, Any]:
    """Return what is known of all images together; `half` says that scores were rounded."""
    done = store.done()
    summary: dict[str, Any] = {'images': len(done)}
    if half:
        widest = max(done, key=lambda name: done[name]['widest'] / done[name]['pixels'])
        summary['rounding'] = {
            **{key: sum(facts[key] for facts in done.values())
               for key in ('pixels', 'clipped', 'distinct', 'kept')},
            'widest': done[widest]['widest'] / done[widest]['pixels'],
            'widest_image': widest,
        }  # fmt: skip
    judged = [name for name, facts in done.items() if facts['anomaly']]
    if judged:
        summary['figures'] = {'images': len(judged)}
        for kind in (EXACT, STORED) if half else (STORED,):
            result = store.metrics(kind, judged).compute().as_dict()
            summary['figures'][kind] = {key: result[key] for key in ('auroc', 'ap', 'fpr95')}
    return {**summary, 'warnings': warnings(summary)}


def warnings(summary: Mapping[str, Any]) -> list[str]:
    """Return what a user should know of what rounding has done, as sentences."""
    rounding = summary.get('rounding')
    if rounding is None:
        return []
    found = []
    if rounding['clipped']:
        found.append(
            f'{rounding["clipped"]} of {rounding["pixels"]} scores lie beyond float16 and were '
            'clipped: choose another --centre'
        )
    if rounding['widest'] > WIDEST:
        found.append(
            f'{100 * rounding["widest"]:.1f} % of the pixels of {rounding["widest_image"]} have '
            'different scores that are one in float16: choose a --centre near them'
        )
    figures = summary.get('figures')
    if figures is not None and figures[EXACT]['ap'] is not None:
        change = figures[STORED]['ap'] - figures[EXACT]['ap']
        if abs(change) > AP_CHANGE:
            found.append(
                f'rounding to float16 changes AP by {100 * change:+.2f} points on '
                f'{figures["images"]} images with ground truth: choose another --centre'
            )
    return found
