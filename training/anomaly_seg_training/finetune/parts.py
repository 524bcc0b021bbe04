# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which part of a segmenter is trained; all else stays as it is, batch norm statistics too."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from anomaly_seg_ros.models import ERFNet, PyramidSegmenter
from anomaly_seg_ros.models.smp import SmpSegmenter
from anomaly_seg_ros.models.transformers import SegFormer
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import ALL, HEAD, LAST

_ENCODERS = ('stem', 'blocks', 'stages')
"""Of a `PyramidSegmenter`; everything else is its decoder."""
_DROPOUTS = (nn.Dropout, nn.Dropout2d)
Last = nn.Conv2d | nn.ConvTranspose2d


def last_layer(segmenter: nn.Module) -> Last:
    """Return the layer that gives a segmenter's logits.

    Raises:
        LabError: The segmenter gives no logits by a layer, so it cannot be fine-tuned here.
    """
    found: nn.Module | None = None
    if isinstance(segmenter, PyramidSegmenter):
        found = segmenter.classifier
    elif isinstance(segmenter, ERFNet):
        found = segmenter.decoder.output_conv
    elif isinstance(segmenter, SegFormer):
        found = segmenter.network.decode_head.classifier
    elif isinstance(segmenter, SmpSegmenter):
        found = segmenter.network.segmentation_head[0]
    elif isinstance(getattr(segmenter, 'final', None), nn.Sequential):
        found = segmenter.final[-1]
    if not isinstance(found, (nn.Conv2d, nn.ConvTranspose2d)):
        msg = (
            f'{type(segmenter).__name__} gives no logits by a layer of its own, so it cannot be '
            'fine-tuned here: take litenet, streetnet, erfnet, segformer or a network of '
            'segmentation_models_pytorch'
        )
        raise LabError(msg)
    return found


def head_parts(segmenter: nn.Module) -> list[nn.Module]:
    """Return the decoder of a segmenter, its last layer included.

    Raises:
        LabError: See `last_layer`.
    """
    if isinstance(segmenter, PyramidSegmenter):
        return [part for name, part in segmenter.named_children() if name not in _ENCODERS]
    if isinstance(segmenter, ERFNet):
        return [segmenter.decoder]
    if isinstance(segmenter, SegFormer):
        return [segmenter.network.decode_head]
    if isinstance(segmenter, SmpSegmenter):
        return [segmenter.network.decoder, segmenter.network.segmentation_head]
    last_layer(segmenter)
    return [segmenter.final]


def trained_parts(segmenter: nn.Module, trained: str) -> list[nn.Module]:
    """Return the modules that are trained.

    Args:
        segmenter: Any segmenter with a last layer.
        trained: ``last``, ``head`` or ``all``.

    Raises:
        LabError: See `last_layer`.
    """
    last = last_layer(segmenter)
    return {LAST: [last], HEAD: head_parts(segmenter), ALL: [segmenter]}[trained]


def freeze_all_but(segmenter: nn.Module, parts: list[nn.Module]) -> None:
    """Let only the parts' parameters have gradients.

    ERFNet's encoder carries a layer that no prediction needs; it stays as it is too.
    """
    segmenter.requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)
    if isinstance(segmenter, ERFNet):
        segmenter.encoder.output_conv.requires_grad_(False)


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
    kind = type(last)
    options = {} if isinstance(last, nn.Conv2d) else {'output_padding': last.output_padding}
    layer = kind(
        last.in_channels, outputs, last.kernel_size, last.stride, last.padding,
        dilation=last.dilation, **options,
    )  # type: ignore[arg-type]  # fmt: skip
    nn.init.kaiming_normal_(layer.weight)
    if layer.bias is not None:
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
