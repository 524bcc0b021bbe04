# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AdaIN: its statistics, its losses, a tiny training run, the aligner that comes out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch.nn import functional

from anomaly_seg_training.alignment import create_aligner
from anomaly_seg_training.alignment.adain_network import (
    AdainNet,
    adain,
    moments,
    network_of,
    padded,
)
from anomaly_seg_training.alignment.adain_training import (
    AdainRecipe,
    AdainTraining,
    StylePairs,
    adain_losses,
    train_adain,
)
from anomaly_seg_training.data import READERS
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.main import main
from anomaly_seg_training.proxies import Box, Proxy
from anomaly_seg_training.run_settings import RunSettings

RECIPE: dict[str, Any] = {
    'contents': {'coco': 1.0}, 'styles': {'cityscapes': 0.5, 'video': 0.5},
    'reader_options': {'video': {'step': 3}}, 'channels': [4, 6, 8], 'crop': '32x32', 'batch': 2,
    'steps': 6, 'epoch_steps': 3,
}  # fmt: skip


def slow_adain(content: torch.Tensor, style: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """One image, one channel at a time, with NumPy's own moments."""
    result = torch.empty_like(content)
    for image in range(len(content)):
        inside = weight[image, 0] > 0
        for channel in range(content.shape[1]):
            own = content[image, channel][inside].double().numpy()
            other = style[image, channel].double().numpy()
            values = (content[image, channel].double() - own.mean()) / own.std()
            result[image, channel] = values * other.std() + other.mean()
    return result


def test_adain_equals_loops() -> None:
    torch.manual_seed(0)
    content, style = torch.randn(2, 3, 8, 9) * 3 + 1, torch.randn(2, 3, 5, 12) * 0.5 - 2
    weight = (torch.rand(2, 1, 8, 9) > 0.4).float()
    torch.testing.assert_close(
        adain(content, style, weight), slow_adain(content, style, weight), atol=1e-3, rtol=1e-3
    )
    everywhere = torch.ones_like(weight)
    torch.testing.assert_close(
        adain(content, style), slow_adain(content, style, everywhere), atol=1e-3, rtol=1e-3
    )


def test_adain_gives_the_styles_moments() -> None:
    torch.manual_seed(0)
    content, style = torch.randn(2, 3, 8, 9) * 3 + 1, torch.randn(2, 3, 5, 12) * 0.5 - 2
    for own, other in zip(moments(adain(content, style)), moments(style), strict=True):
        torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(adain(content, content), content, atol=1e-4, rtol=1e-4)


def test_flat_features_stay_finite() -> None:
    assert torch.isfinite(adain(torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3))).all()


def test_network_keeps_the_size_of_padded_images() -> None:
    network = AdainNet((4, 6, 8))
    levels = network.encode(torch.rand(2, 3, 32, 48))
    assert [tuple(level.shape) for level in levels] == [
        (2, 4, 32, 48), (2, 6, 16, 24), (2, 8, 8, 12)
    ]  # fmt: skip
    assert network.decode(levels[-1]).shape == (2, 3, 32, 48)
    image = torch.rand(1, 3, 5, 8)
    grown = padded(image)
    assert grown.shape == (1, 3, 8, 8)
    torch.testing.assert_close(grown[..., :5, :], image)
    torch.testing.assert_close(grown[..., 7, :], image[..., 4, :])


def test_the_encoder_learns_from_the_reconstruction_alone() -> None:
    torch.manual_seed(0)
    network = AdainNet((4, 6, 8))
    losses = adain_losses(network, torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    (losses['content'] + losses['style']).backward(retain_graph=True)
    assert all(p.grad is None for p in network.encoder.parameters())
    assert all(p.grad is not None and p.grad.any() for p in network.decoder[-1].parameters())
    losses['reconstruction'].backward()
    assert all(p.grad is not None for p in network.encoder.parameters())


def test_losses_fall_where_content_and_style_agree() -> None:
    """A network that reconstructs a picture has little to lose when that is its own style."""
    torch.manual_seed(0)
    network = AdainNet((8, 16, 32))
    image = functional.interpolate(torch.rand(1, 3, 4, 4), scale_factor=8, mode='bilinear')
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    before = {
        name: float(loss.detach()) for name, loss in adain_losses(network, image, image).items()
    }
    for _ in range(80):
        optimizer.zero_grad()
        losses = adain_losses(network, image, image)
        (losses['reconstruction'] + 0.05 * losses['content'] + 0.05 * losses['style']).backward()
        optimizer.step()
    for name, loss in adain_losses(network, image, image).items():
        assert loss < 0.25 * before[name], name


def run(data: Path, out: Path, *more: str, **changes: object) -> int:
    out.mkdir(exist_ok=True)
    (out / 'recipe.yaml').write_text(yaml.safe_dump(RECIPE | changes))
    return main([
        'train', 'adain', '--config', str(out / 'recipe.yaml'), '--data', str(data), '--out',
        str(out), '--threads', '1', '--accelerator', 'cpu', '--devices', '1', *more,
    ])  # fmt: skip


@pytest.fixture(scope='module')
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('adain')
    assert run(data, out) == 0
    return out / 'weights.safetensors'


def test_a_run_gives_weights_that_the_aligner_uses(trained: Path) -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (90, 120, 3), np.uint8)
    image = cv2.GaussianBlur(rng.integers(0, 256, (37, 50, 3), np.uint8), (0, 0), 2)
    proxy = Proxy(image.astype(np.uint8), np.ones((37, 50), np.uint8), 'a', 'b')
    for box in (Box(10, 10, 37, 50), Box(-30, 100, 37, 50)):
        found = [
            create_aligner('adain', {'weights': str(trained), 'alpha': alpha}).align(
                proxy, scene, box, rng
            )
            for alpha in (0.0, 1.0, 1.0)
        ]
        assert all(one.image.shape == image.shape for one in found)
        np.testing.assert_array_equal(found[1].image, found[2].image)
        assert (found[0].image != found[1].image).any()
        assert (found[1].name, found[1].category) == ('a', 'b')
    # Without any of the style the picture is what the auto-encoder makes of it.
    network = network_of(load_file(trained), 'weights')
    pixels = padded(torch.from_numpy(proxy.image.transpose(2, 0, 1).copy())[None].float() / 255)
    with torch.inference_mode():
        own = network.decode(network.encode(pixels)[-1])[0, :, :37, :50].permute(1, 2, 0)
    np.testing.assert_allclose(found[0].image, np.clip(own.numpy() * 255, 0, 255), atol=1)


def test_a_resumed_run_ends_like_an_unbroken_one(
    data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = AdainRecipe.from_dict(RECIPE)
    settings = {'data': data, 'out': tmp_path, 'devices': '1', 'accelerator': 'cpu', 'threads': 1}

    def killed(self: AdainTraining, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 4:
            raise MemoryError
        return step(self, batch, batch_idx)

    step = AdainTraining.training_step
    with monkeypatch.context() as patch:
        patch.setattr(AdainTraining, 'training_step', killed)
        with pytest.raises(MemoryError):
            train_adain(recipe, RunSettings(**settings))
    whole = load_file(trained)
    half = load_file(tmp_path / 'weights.safetensors')
    assert any(not torch.equal(half[name], whole[name]) for name in whole)
    resumed = load_file(train_adain(recipe, RunSettings(**settings, resume=True)))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize(
    ('changes', 'seed', 'names'),
    [({'learning_rate': 0.5, 'steps': 9}, '0', 'steps, learning_rate'), ({}, '1', 'seed')],
)
def test_resuming_what_began_otherwise_is_a_clear_error(
    data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any], seed: str, names: str,
) -> None:  # fmt: skip
    shutil.copy(trained.with_name('last.ckpt'), tmp_path)
    assert run(data, tmp_path, '--resume', '--seed', seed, **changes) == 2
    error = capsys.readouterr().err
    assert f'the checkpoint to resume was trained with another {names}: resume with' in error


def test_checkpoints_that_do_not_say_how_they_began_are_resumed(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    state = torch.load(trained.with_name('last.ckpt'), weights_only=True)
    del state['begun_with']
    torch.save(state, tmp_path / 'last.ckpt')
    assert run(data, tmp_path, '--resume', '--seed', '1') == 0


def test_pairs_depend_on_seed_epoch_and_index(data: Path) -> None:
    recipe = AdainRecipe.from_dict(RECIPE)
    contents, styles = ({name: list(READERS.get(name)(data)) for name in names}
                        for names in (['coco'], ['cityscapes', 'video']))  # fmt: skip

    def item(seed: int, epoch: int, index: int) -> dict[str, torch.Tensor]:
        return StylePairs(contents, styles, recipe, 9, seed, epoch)[index]

    first = item(1, 2, 3)
    assert {key: tuple(value.shape) for key, value in first.items()} == {
        'content': (3, 32, 32), 'style': (3, 32, 32)
    }  # fmt: skip
    assert all(torch.equal(first[key], item(1, 2, 3)[key]) for key in first)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert any(not torch.equal(first[key], item(*other)[key]) for key in first)


def test_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LabError, match='needs the option weights'):
        create_aligner('adain')
    with pytest.raises(LabError, match='alpha'):
        create_aligner('adain', {'alpha': 2.0})
    save_file({'encoder.0.0.weight': torch.zeros(3, 3, 3, 3)}, tmp_path / 'other.safetensors')
    with pytest.raises(LabError, match='no AdaIN network'):
        create_aligner('adain', {'weights': str(tmp_path / 'other.safetensors')})
    for change, word in (
        ({'channels': [4, 4]}, 'three whole numbers'),
        ({'styles': {'nowhere': 1.0}}, 'nowhere'),
        ({'crop': '30x30'}, 'multiples of 32'),
    ):
        assert run(tmp_path, tmp_path / 'run', **change) == 2
        assert word in capsys.readouterr().err
