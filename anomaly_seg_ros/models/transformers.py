# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SegFormer and Mask2Former through the optional package transformers.

Xie et al. 2021 (arXiv 2105.15203) and Cheng et al. 2022 (arXiv 2112.01527).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn

from anomaly_seg_ros.models.base import SEGMENTERS, ModelError, Segmenter


def _transformers(name: str) -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        msg = (
            f'the segmenter {name} needs the package transformers, which is not installed: '
            'pip install transformers'
        )
        raise ModelError(msg) from error
    module: ModuleType = transformers
    return module


def _build(name: str, model: Any, configuration: Any, pretrained: str | None) -> nn.Module:
    """Make a model from a configuration, or read one from a local folder or the hub."""
    try:
        if pretrained is None:
            network = model(configuration())
        else:
            network = model.from_pretrained(pretrained)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = (
            f'{name} cannot be built from {pretrained or "its configuration"!r} ({reason}): pass '
            'a folder written by save_pretrained, a hub name with internet, or valid options'
        )
        raise ModelError(msg) from error
    result: nn.Module = network
    return result


def _check_classes(name: str, network: Any, num_classes: int) -> None:
    found = network.config.num_labels
    if found != num_classes:
        msg = f'{name} has {found} classes but {num_classes} were asked for: they must be equal'
        raise ModelError(msg)


@SEGMENTERS.register('segformer')
class SegFormer(Segmenter):
    """SegFormer: a hierarchical transformer with a light all-MLP decoder.

    Args:
        num_classes: Outputs of the network.
        pretrained: Folder of ``save_pretrained``, or a name on the hub (needs internet, for
            example ``nvidia/segformer-b0-finetuned-cityscapes-1024-1024``). None builds fresh
            weights from `config` without internet.
        config: Keyword arguments of ``SegformerConfig``; empty is the size B0.

    Raises:
        ModelError: The package, the folder or the classes are not there or do not fit.
    """

    stride = 4

    def __init__(
        self,
        num_classes: int,
        pretrained: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        library = _transformers('segformer')
        self.num_classes = num_classes
        self.network = _build(
            'segformer',
            library.SegformerForSemanticSegmentation,
            lambda: library.SegformerConfig(num_labels=num_classes, **(config or {})),
            pretrained,
        )
        _check_classes('segformer', self.network, num_classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to logits (N, C, h / 4, w / 4)."""
        logits: torch.Tensor = self.network(pixel_values=image).logits
        return logits


@SEGMENTERS.register('mask2former')
class Mask2Former(Segmenter):
    """Mask2Former, whose mask queries are merged into one value per pixel and class.

    Args:
        num_classes: Classes of the network, without its 'no object' class.
        pretrained: Folder of ``save_pretrained``, or a name on the hub (needs internet, for
            example ``facebook/mask2former-swin-tiny-cityscapes-semantic``). None builds fresh
            weights from `config` without internet.
        config: Keyword arguments of ``Mask2FormerConfig``; a mapping under ``backbone_config``
            is read as a ``SwinConfig``.

    Raises:
        ModelError: The package, the folder or the classes are not there or do not fit.
    """

    stride = 4

    def __init__(
        self,
        num_classes: int,
        pretrained: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        library = _transformers('mask2former')
        self.num_classes = num_classes

        def configuration() -> Any:
            options = dict(config or {})
            if isinstance(options.get('backbone_config'), Mapping):
                options['backbone_config'] = library.SwinConfig(**options['backbone_config'])
            return library.Mask2FormerConfig(num_labels=num_classes, **options)

        self.network = _build(
            'mask2former',
            library.Mask2FormerForUniversalSegmentation,
            configuration,
            pretrained,
        )
        _check_classes('mask2former', self.network, num_classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) to values (N, C, h / 4, w / 4), at least 0, higher = more likely."""
        output = self.network(pixel_values=image)
        return merge_queries(output.class_queries_logits, output.masks_queries_logits)


def merge_queries(classes: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Merge mask queries into one value per pixel and class (Cheng et al. 2021, section 3.4).

    The sum over queries q of softmax(class_q)[c] * sigmoid(mask_q)[y, x], 'no object' left out.
    A pixel that no query of a known class claims has small values for all classes.

    Args:
        classes: (N, Q, C + 1) class logits of the queries, 'no object' last.
        masks: (N, Q, h, w) mask logits of the queries.

    Returns:
        (N, C, h, w) values from 0 to Q; the place of logits for arg max and scores.
    """
    probabilities = classes.softmax(-1)[..., :-1]
    return torch.einsum('nqc,nqhw->nchw', probabilities, masks.sigmoid())
