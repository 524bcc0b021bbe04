# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which part of a segmenter is trained; all else stays as it is, batch norm statistics too."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from anomaly_seg_ros.models import ERFNet, PyramidSegmenter, TwoStreams
from anomaly_seg_ros.models.deeplab import PublishedDeepLab
from anomaly_seg_ros.models.pyramid import ENCODER
from anomaly_seg_ros.models.smp import SmpSegmenter
from anomaly_seg_ros.models.transformers import SegFormer
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import HEAD, LAST

_PROBE = 64
_DROPOUTS = (nn.Dropout, nn.Dropout2d)
Last = nn.Conv2d | nn.ConvTranspose2d


_PATHS: dict[type[nn.Module], tuple[str, tuple[str, ...]]] = {
    PublishedDeepLab: ('final.6', ('final',)),
    ERFNet: ('decoder.output_conv', ('decoder',)),
    SegFormer: (
        'network.decode_head.classifier',
        ('network.decode_head',),
    ),
    SmpSegmenter: (
        'network.segmentation_head.0',
        ('network.decoder', 'network.segmentation_head'),
    ),
}
"""Segmenter -> the layer that gives the logits, and the parts of its decoder with that layer."""


def _paths(segmenter: nn.Module) -> tuple[str, Sequence[str]]:
    if isinstance(segmenter, TwoStreams):
        # The stream alone tells the unknown; its base is never trained.
        last, parts = _paths(segmenter.stream)
        return f'stream.{last}', [f'stream.{part}' for part in parts]
    if isinstance(segmenter, PyramidSegmenter):
        parts = [name for name, _ in segmenter.named_children() if name not in ENCODER]
        return 'classifier', parts
    for kind, paths in _PATHS.items():
        if isinstance(segmenter, kind):
            return paths
    msg = (
        f'{type(segmenter).__name__} gives no logits by a layer of its own, so it cannot be '
        'fine-tuned here: take litenet, streetnet, erfnet, segformer, a deeplabv3plus '
        'or another network of segmentation_models_pytorch'
    )
    raise LabError(msg)


def last_layer(segmenter: nn.Module) -> Last:
    """Return the layer that gives a segmenter's logits.

    Raises:
        LabError: The segmenter gives no logits by a layer, so it cannot be fine-tuned here.
    """
    layer = segmenter.get_submodule(_paths(segmenter)[0])
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    return layer


def head_parts(segmenter: nn.Module) -> list[nn.Module]:
    """Return the decoder of a segmenter, its last layer included.

    Raises:
        LabError: See `last_layer`.
    """
    return [segmenter.get_submodule(path) for path in _paths(segmenter)[1]]


def trained_parts(segmenter: nn.Module, trained: str) -> list[nn.Module]:
    """Return the modules that are trained.

    Args:
        segmenter: Any segmenter with a last layer.
        trained: One of ``config.PARTS``.

    Raises:
        LabError: See `last_layer`.
    """
    last, head = last_layer(segmenter), head_parts(segmenter)
    if trained == LAST:
        return [last]
    if trained == HEAD:
        return head
    return [segmenter.stream if isinstance(segmenter, TwoStreams) else segmenter]


def freeze_all_but(segmenter: nn.Module, parts: list[nn.Module]) -> None:
    """Let only the parts' parameters have gradients, as far as the logits depend on them.

    Some networks carry layers that no prediction needs, and several devices would wait for their
    gradients forever. The segmenter is left in evaluation mode.
    """
    segmenter.eval().requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)
    chosen = [p for p in segmenter.parameters() if p.requires_grad]
    with torch.enable_grad():
        total = segmenter(torch.zeros(1, 3, _PROBE, _PROBE, device=chosen[0].device)).sum()
        gradients = torch.autograd.grad(total, chosen, allow_unused=True)
    for parameter, gradient in zip(chosen, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)


def set_modes(segmenter: nn.Module, parts: list[nn.Module], *, dropout: bool) -> None:
    """Put everything into evaluation mode but, if asked for, the dropout of the trained parts.

    A batch norm in training mode would change its running statistics even with frozen weights.
    """
    segmenter.eval()
    if dropout:
        for part in parts:
            for module in part.modules():
                if isinstance(module, _DROPOUTS):
                    module.train()


def extra_layer(last: Last, outputs: int) -> Last:
    """Return a new layer beside the last one: of its shape, with other outputs.

    Kaiming's normal weights (He et al. 2015), no bias at the start.
    """
    layer = copy.deepcopy(last)
    layer.out_channels = outputs
    # A transposed convolution has its outputs second.
    shape = list(last.weight.shape)
    shape[0 if isinstance(last, nn.Conv2d) else 1] = outputs
    layer.weight = nn.Parameter(torch.empty(shape))
    layer.bias = nn.Parameter(torch.empty(outputs))
    layer.requires_grad_(True)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def decayed(parameters: Iterator[torch.nn.Parameter]) -> tuple[list[nn.Parameter], ...]:
    """Split trained parameters: weights, which decay, and biases and norms, which do not."""
    weights: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for parameter in parameters:
        if parameter.requires_grad:
            (weights if parameter.ndim > 1 else rest).append(parameter)
    return weights, rest
