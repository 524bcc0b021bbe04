# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights from files: formats, prefixes, misfits, unsafe and broken files."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from anomaly_seg_ros.models import ModelError, create_segmenter, load_weights  # noqa: E402
from anomaly_seg_ros.models.base import Segmenter  # noqa: E402


def _segmenter(classes: int = 4) -> Segmenter:
    return create_segmenter('erfnet', num_classes=classes)


def _assert_equal(first: Segmenter, second: Segmenter) -> None:
    other = second.state_dict()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize('wrap', ['plain', 'module', 'state_dict'])
def test_pytorch_files_load(tmp_path: Path, wrap: str) -> None:
    source, target = _segmenter(), _segmenter()
    state = source.state_dict()
    if wrap == 'module':
        state = {f'module.{name}': tensor for name, tensor in state.items()}
    torch.save({'state_dict': state} if wrap == 'state_dict' else state, tmp_path / 'w.pth')
    load_weights(target, tmp_path / 'w.pth')
    _assert_equal(source, target)


def test_safetensors_of_half_precision_load_as_floats(tmp_path: Path) -> None:
    safetensors = pytest.importorskip('safetensors.torch')
    source, target = _segmenter(), _segmenter()
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in source.state_dict().items()
    }
    safetensors.save_file(state, tmp_path / 'w.safetensors')
    load_weights(target, tmp_path / 'w.safetensors')
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, state[name].to(tensor.dtype))
        assert tensor.dtype == source.state_dict()[name].dtype


def test_another_number_of_classes_is_named(tmp_path: Path) -> None:
    torch.save(_segmenter(5).state_dict(), tmp_path / 'w.pth')
    with pytest.raises(ModelError, match=r'4 tensors of another shape .*\(5, .*instead of \(4, '):
        load_weights(_segmenter(4), tmp_path / 'w.pth')


def test_missing_and_unexpected_tensors_are_named(tmp_path: Path) -> None:
    segmenter = _segmenter()
    state = segmenter.state_dict()
    state['surplus'] = state.pop('decoder.output_conv.bias')
    torch.save(state, tmp_path / 'w.pth')
    message = r'1 tensors missing \(decoder.output_conv.bias\); 1 tensors unexpected \(surplus\)'
    with pytest.raises(ModelError, match=message):
        load_weights(segmenter, tmp_path / 'w.pth')


def test_a_misfit_changes_nothing(tmp_path: Path) -> None:
    segmenter, before = _segmenter(), _segmenter()
    before.load_state_dict(segmenter.state_dict())
    state = _segmenter().state_dict()
    del state['decoder.output_conv.bias']
    torch.save(state, tmp_path / 'w.pth')
    with pytest.raises(ModelError):
        load_weights(segmenter, tmp_path / 'w.pth')
    _assert_equal(segmenter, before)


class _Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ('attacked',)


def test_a_file_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({'w': _Attack()}, 'w.pth')
    (tmp_path / 'raw.pth').write_bytes(pickle.dumps({'w': _Attack()}))
    for name in ('w.pth', 'raw.pth'):
        with pytest.raises(ModelError, match='not a PyTorch file of plain tensors'):
            load_weights(_segmenter(), tmp_path / name)
    assert not (tmp_path / 'attacked').exists()


@pytest.mark.parametrize('name', ['w.pth', 'w.safetensors'])
@pytest.mark.parametrize('content', [b'', b'no weights at all' * 10])
def test_a_broken_file_is_a_clear_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match='is not a'):
        load_weights(_segmenter(), tmp_path / name)


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'there is no weights file .*absent\.pth'):
        load_weights(_segmenter(), tmp_path / 'absent.pth')


@pytest.mark.parametrize('content', [[1, 2], {'epoch': 3}, {1: torch.zeros(1)}])
def test_other_content_is_a_clear_error(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / 'w.pth')
    with pytest.raises(ModelError, match='holds no state dict'):
        load_weights(_segmenter(), tmp_path / 'w.pth')
