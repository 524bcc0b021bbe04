# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names and formats of the files that the benchmarks take."""

from __future__ import annotations

import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.files import atomic_path
from anomaly_seg_training.data.labelled import collect
from anomaly_seg_training.errors import LabError


class SubmissionError(LabError):
    """A submission cannot be written or read."""


@dataclass(frozen=True)
class SmiycSet:
    """Images for which SegmentMeIfYouCan takes scores.

    Args:
        images: How many there are; None where that is not published.
        ending: Of the names of the image files, before the suffix; no part of a frame's name.
        deep: Whether images lie in sub-folders of the folder.
    """

    images: int | None
    ending: str = ''
    deep: bool = False


SMIYC_SETS = {
    'AnomalyTrack-all': SmiycSet(110),
    'ObstacleTrack-all': SmiycSet(None),
    'LostAndFound-train': SmiycSet(1036, '_leftImg8bit', deep=True),
    'LostAndFound-test': SmiycSet(1203, '_leftImg8bit', deep=True),
}
"""The sets of which all others are parts, by the names of their folders."""

_METHOD = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')
_NUMBERED = re.compile(r'(\d+)_')
_COMPRESSION = 4


class Layout(ABC):
    """A folder of files as a benchmark takes them.

    Attributes:
        format: ``smiyc`` or ``fishyscapes``.
        method: Name of the method.
        dataset: Name of the set of images.
        folder: Where the files lie.
        half: Whether scores are float16.
        labels: Whether the class of each pixel is stored, too.
    """

    format: str
    method: str
    dataset: str
    folder: Path
    half: bool
    labels: bool

    @abstractmethod
    def frames(self, folder: Path) -> dict[str, Path]:
        """Find the images to write scores for, by the name of the frame.

        Raises:
            DataError: The folder is missing or holds no image.
            SubmissionError: The benchmark could not use a name.
        """

    @abstractmethod
    def files(self, name: str) -> tuple[Path, ...]:
        """Return the files of a frame."""

    @abstractmethod
    def write(self, name: str, maps: Mapping[str, NDArray[Any]]) -> None:
        """Write the files of a frame, each whole or not at all.

        Args:
            name: Of the frame.
            maps: ``score``, (H, W) in the layout's precision; ``labels``, (H, W) class indices,
                where the layout has them.
        """

    @abstractmethod
    def read(self, name: str, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Read the scores of a frame.

        Args:
            name: Of the frame; its number is enough where the benchmark uses no more.
            shape: (H, W) of the image.

        Raises:
            SubmissionError: The file is missing, damaged, or holds no finite score per pixel.
        """


class Smiyc(Layout):
    """SegmentMeIfYouCan: ``anomaly_p/METHOD/SET/FRAME.hdf5`` with ``value``, (H, W) float16.

    Chan et al. 2021; the benchmark's repository SegmentMeIfYouCan/road-anomaly-benchmark.

    Args:
        out: Folder that holds ``anomaly_p``.
        method: Name of the method.
        dataset: A key of `SMIYC_SETS`.

    Raises:
        SubmissionError: The method's name makes no folder, or there is no such set.
    """

    format = 'smiyc'
    half = True
    labels = False

    def __init__(self, out: Path, method: str, dataset: str) -> None:
        if dataset not in SMIYC_SETS:
            msg = f'received the set {dataset!r}, expected one of: {", ".join(SMIYC_SETS)}'
            raise SubmissionError(msg)
        self.method, self.dataset = _checked(method), dataset
        self.folder = out / 'anomaly_p' / method / dataset

    def frames(self, folder: Path) -> dict[str, Path]:
        """Find the images; see `Layout.frames`."""
        kind = SMIYC_SETS[self.dataset]
        return by_frame(collect(folder, kind.ending, deep=kind.deep))

    def files(self, name: str) -> tuple[Path, ...]:
        """Return the one file of a frame."""
        return (self.folder / f'{name}.hdf5',)

    def write(self, name: str, maps: Mapping[str, NDArray[Any]]) -> None:
        """Write the scores; see `Layout.write`."""
        (path,) = self.files(name)
        with atomic_path(path) as temporary, h5py.File(temporary, 'w') as file:
            file.create_dataset('value', data=maps['score'], compression=_COMPRESSION)

    def read(self, name: str, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Read the scores; see `Layout.read`."""
        (path,) = self.files(name)
        try:
            with h5py.File(path, 'r') as file:
                # A link could name another file of this machine.
                found = isinstance(file.get('value', getlink=True), h5py.HardLink)
                value = file['value'] if found else None
                if not isinstance(value, h5py.Dataset) or value.is_virtual or value.external:
                    msg = f'{path} holds no array value, expected the scores of its image'
                    raise SubmissionError(msg)
                _check(path, value.shape, value.dtype, shape)
                score: NDArray[np.float32] = value[()].reshape(shape).astype(np.float32)
        except OSError as error:
            msg = f'cannot read the scores {path}: {" ".join(str(error).split())}'
            raise SubmissionError(msg) from error
        return _finite(path, score)


class Fishyscapes(Layout):
    """Fishyscapes: ``FRAME_anomaly.npy`` float32 and ``FRAME_segmentation.npy`` per image.

    Blum et al. 2021. Its servers run a container that reads images in ``/input`` and writes these
    files to ``/output``; frames are told apart by the number that their names begin with.

    Args:
        out: Folder for the files.
        method: Name of the method, for what is stored beside.

    Raises:
        SubmissionError: The method's name makes no file.
    """

    format = 'fishyscapes'
    half = False
    labels = True
    dataset = 'fishyscapes'

    def __init__(self, out: Path, method: str) -> None:
        self.method = _checked(method)
        self.folder = out

    def frames(self, folder: Path) -> dict[str, Path]:
        """Find the images; see `Layout.frames`."""
        found = collect(folder)
        self._by_number(found)
        return found

    def files(self, name: str) -> tuple[Path, ...]:
        """Return the files of scores and of classes."""
        return tuple(self.folder / f'{name}_{kind}.npy' for kind in ('anomaly', 'segmentation'))

    def write(self, name: str, maps: Mapping[str, NDArray[Any]]) -> None:
        """Write scores and classes; see `Layout.write`."""
        for path, kind in zip(self.files(name), ('score', 'labels'), strict=True):
            with atomic_path(path) as temporary:
                np.save(temporary, maps[kind], allow_pickle=False)

    def read(self, name: str, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Read the scores; see `Layout.read`."""
        names = [path.name.removesuffix('_anomaly.npy') for path in self._present()]
        wanted = next(iter(self._by_number([name])))
        path = self.files(self._by_number(names).get(wanted, name))[0]
        try:
            # Nothing is read before its size is known.
            stored = np.load(path, mmap_mode='r', allow_pickle=False)
            if not isinstance(stored, np.ndarray):
                stored.close()
                msg = f'{path} holds several arrays, expected the scores of its image'
                raise SubmissionError(msg)
            _check(path, stored.shape, stored.dtype, shape)
            score: NDArray[np.float32] = np.array(stored, np.float32).reshape(shape)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            msg = f'cannot read the scores {path}: {" ".join(str(error).split())}'
            raise SubmissionError(msg) from error
        return _finite(path, score)

    def _present(self) -> Iterable[Path]:
        files = sorted(self.folder.glob('*_anomaly.npy'))
        return [file for file in files if not file.name.startswith('.')]

    def _by_number(self, names: Iterable[str]) -> dict[int, str]:
        found: dict[int, str] = {}
        for name in names:
            match = _NUMBERED.match(name)
            if match is None:
                msg = f'{name} does not begin like 0000_, by which Fishyscapes knows its images'
                raise SubmissionError(msg)
            number = int(match[1])
            if number in found:
                msg = f'{found[number]} and {name} have the same number, expected one of them'
                raise SubmissionError(msg)
            found[number] = name
        return found


def _checked(method: str) -> str:
    if not _METHOD.fullmatch(method):
        msg = f'received the method {method!r}, expected letters, digits, dots and dashes'
        raise SubmissionError(msg)
    return method


def by_frame(files: Mapping[str, Path]) -> dict[str, Path]:
    """Return files by the names of their frames, without those of sub-folders.

    Raises:
        SubmissionError: Frames in two sub-folders have one name.
    """
    found: dict[str, Path] = {}
    for name, file in files.items():
        frame = name.rpartition('/')[2]
        if frame in found:
            msg = f'{found[frame]} and {file} have the same name, expected one of them'
            raise SubmissionError(msg)
        found[frame] = file
    return found


def _check(
    path: Path, found: tuple[int, ...], dtype: np.dtype[Any], shape: tuple[int, int]
) -> None:
    squeezed = tuple(side for side in found if side != 1)
    if squeezed != tuple(side for side in shape if side != 1) or dtype.kind != 'f':
        msg = f'{path} holds {dtype} of shape {found}, expected floating point of shape {shape}'
        raise SubmissionError(msg)


def _finite(path: Path, score: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(score).all():
        msg = f'{path} holds a score that is no finite number, expected one for each pixel'
        raise SubmissionError(msg)
    return score
