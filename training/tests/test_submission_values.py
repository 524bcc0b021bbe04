# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values of score files: what rounding costs and warns of, and files that others wrote."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_seg_training.submission import Fishyscapes, Smiyc, SubmissionError, to_float16
from anomaly_seg_training.submission.writing import warnings

FINITE = st.floats(-1e6, 1e6, width=32) | st.floats(-1, 1, width=32)


def _half(value: float) -> float:
    """Round to float16 by another implementation than NumPy's."""
    return struct.unpack('<e', struct.pack('<e', max(-65504.0, min(65504.0, value))))[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=40), st.sampled_from([0.0, -3.25, 0.7, 7e4]))
def test_rounding_keeps_order_and_counts_what_it_merges(
    values: list[float], centre: float
) -> None:
    score = np.array([values], np.float32)
    stored, loss = to_float16(score, centre)
    expected = [_half(float(value) - centre) for value in score[0]]
    assert stored.dtype == np.float16
    assert stored[0].tolist() == expected
    order = np.argsort(score[0], kind='stable')
    assert (np.diff(stored[0][order].astype(float)) >= 0).all()
    groups: dict[float, list[float]] = {}
    for value, rounded in zip(score[0].tolist(), expected, strict=True):
        groups.setdefault(rounded, []).append(value)
    assert loss.distinct == len(set(score[0].tolist()))
    assert loss.kept == len(groups)
    assert loss.widest == max((len(g) for g in groups.values() if len(set(g)) > 1), default=0)
    assert loss.clipped == sum(abs(float(v) - centre) > 65504 for v in score[0])
    assert loss.pixels == len(values)


def test_a_centre_keeps_scores_near_it_apart() -> None:
    score = np.linspace(99.9, 100.1, 1000, dtype=np.float32).reshape(20, 50)
    _, far = to_float16(score)
    _, near = to_float16(score, 100)
    assert far.kept < 10
    assert near.kept > 900


def test_scores_beyond_float16_stay_finite() -> None:
    stored, loss = to_float16(np.array([[1e30, -1e30, 65519.0, 0]], np.float32))
    assert stored.tolist() == [[65504, -65504, 65504, 0]]
    assert loss.clipped == 3


def _summary(widest: float = 0, clipped: int = 0, after: float = 0.5) -> dict[str, Any]:
    rounding = {'pixels': 100, 'clipped': clipped, 'widest': widest, 'widest_image': 'x'}
    figures = {'images': 2, 'exact': {'ap': 0.5}, 'stored': {'ap': after}}
    return {'rounding': rounding, 'figures': figures}


def test_what_is_warned_of() -> None:
    assert warnings({'images': 1}) == []
    assert warnings(_summary(widest=0.009, after=0.4995)) == []
    (clipped,) = warnings(_summary(clipped=7))
    assert clipped.startswith('7 of 100 scores')
    (wide,) = warnings(_summary(widest=0.02))
    assert wide.startswith('2.0 % of the pixels of x ')
    (change,) = warnings(_summary(after=0.47))
    assert 'changes AP by -3.00 points on 2 images' in change


def _hdf5(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, 'w') as file:
        for key, value in content.items():
            file[key] = value


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'score': np.zeros((4, 6), np.float16)}, 'holds no array value'),
        ({'value': np.zeros((4, 7), np.float16)}, r'float16 of shape \(4, 7\), expected'),
        ({'value': np.zeros((4, 6), np.uint8)}, 'holds uint8 of shape'),
        ({'value': np.full((4, 6), math.nan, np.float16)}, 'no finite number'),
        ({'value': h5py.ExternalLink('other.hdf5', 'value')}, 'holds no array value'),
        ({'value': h5py.SoftLink('/score'), 'score': np.zeros((4, 6))}, 'holds no array value'),
    ],
)
def test_files_of_others_are_checked(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    layout = Smiyc(tmp_path, 'ours', 'AnomalyTrack-all')
    _hdf5(tmp_path / 'anomaly_p/ours/AnomalyTrack-all/other.hdf5', value=np.zeros((4, 6)))
    _hdf5(layout.files('a')[0], **content)
    with pytest.raises(SubmissionError, match=message):
        layout.read('a', (4, 6))


def test_arrays_with_a_channel_are_read(tmp_path: Path) -> None:
    layout = Smiyc(tmp_path, 'ours', 'AnomalyTrack-all')
    value = np.arange(24, dtype=np.float16).reshape(4, 6, 1)
    _hdf5(layout.files('a')[0], value=value)
    assert (layout.read('a', (4, 6)) == value[..., 0]).all()


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    smiyc = Smiyc(tmp_path, 'ours', 'AnomalyTrack-all')
    with pytest.raises(SubmissionError, match=r'a\.hdf5'):
        smiyc.read('a', (4, 6))
    _hdf5(smiyc.files('a')[0], value=np.zeros((4, 6)))
    whole = smiyc.files('a')[0].read_bytes()
    smiyc.files('a')[0].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SubmissionError, match=r'a\.hdf5'):
        smiyc.read('a', (4, 6))
    fishyscapes = Fishyscapes(tmp_path, 'ours')
    file = tmp_path / '0001_a_anomaly.npy'
    with pytest.raises(SubmissionError, match='0001_a_anomaly'):
        fishyscapes.read('0001_a', (4, 6))
    np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(SubmissionError, match='0001_a_anomaly'):
        fishyscapes.read('0001_other', (4, 6))
    np.save(file, np.zeros((4, 5), np.float32))
    with pytest.raises(SubmissionError, match=r'\(4, 5\), expected'):
        fishyscapes.read('0001_a', (4, 6))
    with file.open('wb') as several:
        np.savez(several, a=np.zeros((4, 6)))
    with pytest.raises(SubmissionError, match='holds several arrays'):
        fishyscapes.read('0001_a', (4, 6))
    file.write_bytes(b'PK\x03\x04')
    with pytest.raises(SubmissionError, match='0001_a_anomaly'):
        fishyscapes.read('0001_a', (4, 6))
