# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles on disk: written whole, opened only when nothing has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

onnx = pytest.importorskip('onnx')

from onnx import TensorProto, helper  # noqa: E402

from anomaly_seg_ros.bundle import (  # noqa: E402
    Bundle,
    BundleError,
    Card,
    GraphFile,
    Preprocessing,
    SegmenterSpec,
    WeightsFile,
    default_bundle_path,
    write_bundle,
)
from anomaly_seg_ros.classes import CITYSCAPES  # noqa: E402
from anomaly_seg_ros.files import sha256_file  # noqa: E402
from anomaly_seg_ros.size import Size  # noqa: E402

CARD = Card(
    name='test',
    description='for tests',
    segmenter=SegmenterSpec('streetnet'),
    classes=CITYSCAPES,
    preprocessing=Preprocessing(),
    input_size=Size(8, 4),
    scores=('max_logit',),
    score='max_logit',
    graph=GraphFile(),
)


def save_graph(path: Path, *initializers: TensorProto) -> Path:
    image = helper.make_tensor_value_info('image', TensorProto.UINT8, [None, None, None, 3])
    labels = helper.make_tensor_value_info('labels', TensorProto.UINT8, [None, None, None, 3])
    node = helper.make_node('Identity', ['image'], ['labels'])
    graph = helper.make_graph([node], 'g', [image], [labels], list(initializers))
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    graph = save_graph(tmp_path / 'graph.onnx')
    return write_bundle(tmp_path / 'bundle', CARD, {'detector.onnx': graph})


def test_written_bundle_opens(bundle: Bundle) -> None:
    opened = Bundle.open(bundle.path)
    assert opened == bundle
    assert opened.card == replace(CARD, hashes=opened.card.hashes)
    assert opened.file('graph') == bundle.path / 'detector.onnx'
    assert opened.card.hashes == {'detector.onnx': sha256_file(opened.file('graph'))}
    # Nothing but the bundle and the source is left behind.
    assert {p.name for p in bundle.path.parent.iterdir()} == {'bundle', 'graph.onnx'}
    assert {p.name for p in bundle.path.iterdir()} == {'card.json', 'detector.onnx'}
    assert oct((bundle.path / 'card.json').stat().st_mode)[-3:] in ('644', '664')
    assert bundle.path.stat().st_mode & 0o005 == 0o005


def test_missing_role_is_explained(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match='has no weights file, only a graph: use the engine onn'):
        bundle.file('weights')


@pytest.mark.parametrize('name', ['default', 'synboost'])
def test_some_names_are_the_packages_own(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, tmp_path: Path, name: str
) -> None:
    import anomaly_seg_ros

    package = Path(anomaly_seg_ros.__file__).parent
    assert default_bundle_path() == package / 'bundles' / 'default'
    own = tmp_path / 'bundles' / 'default'
    monkeypatch.setattr('anomaly_seg_ros.bundle.bundle.default_bundle_path', lambda: own)
    shutil.copytree(bundle.path, tmp_path / 'bundles' / name)
    assert Bundle.open(name).card == bundle.card


def test_writing_again_replaces(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / 'left-over.txt').write_text('old')
    again = write_bundle(
        bundle.path, replace(CARD, name='second'), {'detector.onnx': tmp_path / 'graph.onnx'}
    )
    assert again.card.name == 'second'
    assert {p.name for p in again.path.iterdir()} == {'card.json', 'detector.onnx'}


def test_other_folders_are_not_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / 'mine'
    mine.mkdir()
    (mine / 'thesis.txt').write_text('precious')
    with pytest.raises(BundleError, match='exists and is no bundle'):
        write_bundle(mine, CARD, {'detector.onnx': save_graph(tmp_path / 'g.onnx')})
    assert (mine / 'thesis.txt').read_text() == 'precious'


@pytest.mark.parametrize('name', ['../detector.onnx', '/tmp/x', 'a/b', '.x', ''])
def test_file_names_are_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='expected a plain file name'):
        write_bundle(tmp_path / 'b', CARD, {name: save_graph(tmp_path / 'g.onnx')})
    assert not (tmp_path / 'b').exists()


def test_failed_writing_keeps_what_stood_there(bundle: Bundle, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in bundle.path.iterdir()}
    with pytest.raises(BundleError, match='cannot write the bundle'):
        write_bundle(bundle.path, CARD, {'detector.onnx': tmp_path / 'missing.onnx'})
    with pytest.raises(BundleError, match='has no hash for weights'):
        write_bundle(
            bundle.path,
            replace(CARD, weights=WeightsFile()),
            {'detector.onnx': tmp_path / 'graph.onnx'},
        )
    assert {p.name: p.read_bytes() for p in bundle.path.iterdir()} == before
    assert {p.name for p in tmp_path.iterdir()} == {'bundle', 'graph.onnx'}


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b'')


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_outside(path: Path) -> None:
    target = path.parent.parent / 'outside'
    path.replace(target)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (remove, 'has no file detector.onnx'),
        (truncate, r'it was changed or cut short'),
        (empty, r'has 0 bytes, expected 1 to'),
        (flip_a_bit, r'has the SHA-256 \w{12}\.\.\., expected \w{12}\.\.\.: it was changed'),
        (make_a_folder, 'is no file inside the bundle'),
        (link_outside, 'is no file inside the bundle'),
    ],
)
def test_damaged_graph(bundle: Bundle, damage: Callable[[Path], None], words: str) -> None:
    damage(bundle.path / 'detector.onnx')
    with pytest.raises(BundleError, match=words):
        Bundle.open(bundle.path)


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (remove, 'has no file card.json'),
        (truncate, ''),
        (empty, 'has 0 bytes'),
        (link_outside, 'is no file inside the bundle'),
        (lambda p: p.write_bytes(b'\xff\xfe'), 'cannot read'),
        (lambda p: p.write_bytes(b' ' * (2**20 + 1)), 'has 1048577 bytes, expected 1 to 1048576'),
    ],
)
def test_damaged_card(bundle: Bundle, damage: Callable[[Path], None], words: str) -> None:
    damage(bundle.path / 'card.json')
    if damage is truncate:  # The last byte is a newline; cut into the object.
        truncate(bundle.path / 'card.json')
        words = 'is not valid JSON'
    with pytest.raises(BundleError, match=words):
        Bundle.open(bundle.path)


@pytest.mark.parametrize('link', ['relative', 'device'])
def test_links_and_devices_are_refused(bundle: Bundle, link: str) -> None:
    path = bundle.path / 'detector.onnx'
    path.unlink()
    path.symlink_to('../graph.onnx' if link == 'relative' else '/dev/zero')
    with pytest.raises(BundleError, match='is no file inside the bundle'):
        Bundle.open(bundle.path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='there is no bundle .*nowhere: pass a folder'):
        Bundle.open(tmp_path / 'nowhere')
    with pytest.raises(BundleError, match='there is no bundle'):
        Bundle.open(save_graph(tmp_path / 'file.onnx'))


def edit_card(bundle: Bundle, **changes: object) -> None:
    path = bundle.path / 'card.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_card_must_list_its_files(bundle: Bundle) -> None:
    edit_card(bundle, hashes={})
    with pytest.raises(BundleError, match='has no hash for detector.onnx'):
        Bundle.open(bundle.path)
    edit_card(bundle, graph=None)
    with pytest.raises(BundleError, match='neither a graph nor weights'):
        Bundle.open(bundle.path)
    edit_card(bundle, graph={'file': 'detector.onnx', 'opset': 18},
              hashes={f'f{i}': '0' * 64 for i in range(65)})  # fmt: skip
    with pytest.raises(BundleError, match='lists 65 files, expected <= 64'):
        Bundle.open(bundle.path)


def external_tensor(location: str) -> TensorProto:
    tensor = TensorProto(name='w', data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key='offset', value='0')
    tensor.external_data.add(key='location', value=location)
    return tensor


@pytest.mark.parametrize('location', ['/etc/passwd', '../secret.bin', 'weights.bin'])
@pytest.mark.parametrize('hidden', [False, True])
def test_tensors_in_other_files_are_refused(tmp_path: Path, location: str, hidden: bool) -> None:
    tensor = external_tensor(location)
    path = tmp_path / 'g.onnx'
    if hidden:  # In a constant inside the branch of an If.
        constant = helper.make_node('Constant', [], ['c'], value=tensor)
        branch = helper.make_graph([constant], 'b', [], [])
        node = helper.make_node('If', ['x'], [], then_branch=branch, else_branch=branch)
        path.write_bytes(
            helper.make_model(helper.make_graph([node], 'g', [], [])).SerializeToString()
        )
    else:
        save_graph(path, tensor)
    with pytest.raises(BundleError, match=f"keeps tensors in '{location}', expected all in one"):
        write_bundle(tmp_path / 'b', CARD, {'detector.onnx': path})


@pytest.mark.parametrize('content', [b'not onnx', b'\x00' * 50, b'\x3a\xff\xff\xff\x7f'])
def test_other_files_are_no_graph(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'g.onnx'
    path.write_bytes(content)
    with pytest.raises(BundleError, match='is not a whole ONNX model'):
        write_bundle(tmp_path / 'b', CARD, {'detector.onnx': path})
