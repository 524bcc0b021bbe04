# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published DeepLabV3+ networks: names and shapes of their checkpoints, their blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from torch.nn import functional  # noqa: E402

from anomaly_seg_ros.models import ModelError, create_segmenter, load_weights  # noqa: E402
from anomaly_seg_ros.models.deeplab import Bottleneck, IdentityResidual  # noqa: E402

Entry = tuple[str, tuple[int, ...]]


def _norm(name: str, channels: int) -> Iterator[Entry]:
    for part in ('weight', 'bias', 'running_mean', 'running_var'):
        yield f'{name}.{part}', (channels,)
    yield f'{name}.num_batches_tracked', ()


def _unit(name: str, inputs: int, outputs: int, size: int, first: int = 0) -> Iterator[Entry]:
    yield f'{name}.{first}.weight', (outputs, inputs, size, size)
    yield from _norm(f'{name}.{first + 1}', outputs)


def _pyramid(inputs: int) -> Iterator[Entry]:
    for branch in range(4):
        yield from _unit(f'aspp.features.{branch}', inputs, 256, 3 if branch else 1)
    yield from _unit('aspp.img_conv', inputs, 256, 1)


def _wide_resnet() -> Iterator[Entry]:
    """As the tensors of the published cityscapes_best.pth are called, after ``module.``."""
    yield 'mod1.conv1.weight', (64, 3, 3, 3)
    inputs = 64
    plan = {
        2: [(128, 128)] * 3, 3: [(256, 256)] * 3, 4: [(512, 512)] * 6, 5: [(512, 1024)] * 3,
        6: [(512, 1024, 2048)], 7: [(1024, 2048, 4096)],
    }  # fmt: skip
    for module, blocks in plan.items():
        for number, widths in enumerate(blocks, 1):
            name = f'mod{module}.block{number}'
            yield from _norm(f'{name}.bn1.0', inputs)
            channels = inputs
            for index, width in enumerate(widths, 1):
                if index > 1:
                    yield from _norm(f'{name}.convs.bn{index}.0', channels)
                size = 1 if len(widths) == 3 and index != 2 else 3
                yield f'{name}.convs.conv{index}.weight', (width, channels, size, size)
                channels = width
            if channels != inputs or (module, number) == (4, 1):
                yield f'{name}.proj_conv.weight', (channels, inputs, 1, 1)
            inputs = channels
    yield from _pyramid(4096)
    yield 'bot_fine.weight', (48, 128, 1, 1)
    yield 'bot_aspp.weight', (256, 1280, 1, 1)
    yield from _unit('final', 304, 256, 3)
    yield from _unit('final', 256, 256, 3, 3)
    yield 'final.6.weight', (19, 256, 1, 1)


def _resnet101() -> Iterator[Entry]:
    """As the tensors of the checkpoint of Standardized Max Logits are called."""
    for first, (inputs, outputs) in zip((0, 3, 6), ((3, 64), (64, 64), (64, 128)), strict=True):
        yield from _unit('layer0', inputs, outputs, 3, first)
    inputs = 128
    for layer, (blocks, width) in enumerate(((3, 64), (4, 128), (23, 256), (3, 512)), 1):
        for block in range(blocks):
            name = f'layer{layer}.{block}'
            shapes = ((inputs, width, 1), (width, width, 3), (width, 4 * width, 1))
            for index, (channels, outputs, size) in enumerate(shapes, 1):
                yield f'{name}.conv{index}.weight', (outputs, channels, size, size)
                yield from _norm(f'{name}.bn{index}', outputs)
            if block == 0:
                yield from _unit(f'{name}.downsample', inputs, 4 * width, 1)
            inputs = 4 * width
    yield from _pyramid(2048)
    yield from _unit('bot_fine', 256, 48, 1)
    yield from _unit('bot_aspp', 1280, 256, 1)
    yield from _unit('final1', 304, 256, 3)
    yield from _unit('final1', 256, 256, 3, 3)
    yield 'final2.0.weight', (19, 256, 1, 1)
    yield 'final2.0.bias', (19,)
    # The head of the auxiliary loss.
    yield 'dsn.0.weight', (512, 1024, 3, 3)
    yield 'dsn.4.bias', (19,)


CHECKPOINTS = {'deeplabv3plus_wrn38': _wide_resnet, 'deeplabv3plus_r101': _resnet101}


@pytest.mark.parametrize('name', list(CHECKPOINTS))
def test_published_checkpoints_fit(name: str, tmp_path: Path) -> None:
    """A file with the published names and shapes; every value is the same, to stay small."""
    values = {True: torch.zeros(()), False: torch.zeros((), dtype=torch.int64)}
    state = {
        f'module.{key}': values['num_batches' not in key].expand(shape)
        for key, shape in CHECKPOINTS[name]()
    }
    torch.save({'state_dict': state, 'epoch': 174, 'mean_iu': 0.83}, tmp_path / 'best.pth')
    with torch.device('meta'):
        network = create_segmenter(name, num_classes=19).eval()
    with pytest.warns(UserWarning, match='non-meta'):
        load_weights(network, tmp_path / 'best.pth')
    state.pop('module.aspp.img_conv.0.weight')
    torch.save(state, tmp_path / 'best.pth')
    with pytest.raises(ModelError, match=r'1 tensors missing \(aspp.img_conv.0.weight\)'):
        load_weights(network, tmp_path / 'best.pth')


@pytest.mark.parametrize('name', list(CHECKPOINTS))
def test_logits_have_the_stride(name: str) -> None:
    with torch.device('meta'):
        network = create_segmenter(name, num_classes=19).eval()
        logits = network(torch.rand(2, 3, 64, 128))
    assert logits.shape == (2, 19, 64 // network.stride, 128 // network.stride)


@pytest.mark.parametrize(
    ('inputs', 'widths', 'stride', 'dilation'),
    [(6, (4, 6), 1, 2), (6, (4, 8), 2, 1), (6, (4, 5, 8), 1, 4)],
)
def test_blocks_norm_before_they_convolve(
    inputs: int, widths: tuple[int, ...], stride: int, dilation: int
) -> None:
    torch.manual_seed(0)
    block = IdentityResidual(inputs, widths, stride, dilation, 0.5)
    for module in block.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
    block.eval()
    s = block.state_dict()
    x = torch.randn(2, inputs, 12, 14)

    def norm(value: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance, weight, bias = (
            s[f'{name}.0.{key}'].view(1, -1, 1, 1)
            for key in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return (weight * (value - mean) / torch.sqrt(variance + 1e-5) + bias).clamp(min=0)

    first = norm(x, 'bn1')
    y = first
    for index in range(1, len(widths) + 1):
        if index > 1:
            y = norm(y, f'convs.bn{index}')
        kernel = s[f'convs.conv{index}.weight']
        spread = dilation if kernel.shape[-1] == 3 else 1
        y = functional.conv2d(
            y, kernel, stride=stride if index == 1 else 1, dilation=spread,
            padding=spread * (kernel.shape[-1] // 2),
        )  # fmt: skip
    whole = 'proj_conv.weight' in s
    assert whole == (stride != 1 or inputs != widths[-1])
    shortcut = functional.conv2d(first, s['proj_conv.weight'], stride=stride) if whole else x
    with torch.inference_mode():
        torch.testing.assert_close(block(x), y + shortcut, rtol=1e-4, atol=1e-5)


def test_bottlenecks_are_those_of_torchvision() -> None:
    resnet = pytest.importorskip('torchvision.models.resnet')
    torch.manual_seed(0)
    down = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 1, 2, bias=False), torch.nn.BatchNorm2d(16))
    theirs = resnet.Bottleneck(8, 4, 2, down, dilation=1).eval()
    ours = Bottleneck(8, 4, 2, 1).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 8, 9, 9)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x))
