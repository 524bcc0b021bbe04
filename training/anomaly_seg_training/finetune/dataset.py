# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crops with proxies: a picture, what is known of it, what is unknown, what is to be held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.utils.data import Dataset
from tqdm import tqdm

from anomaly_seg_ros.classes import IGNORE
from anomaly_seg_ros.models import Segmenter
from anomaly_seg_ros.size import Size
from anomaly_seg_training.data import Example
from anomaly_seg_training.dataset import Crops
from anomaly_seg_training.finetune.start import Start
from anomaly_seg_training.finetune.stream import without_stream
from anomaly_seg_training.proxies import Mixed, Mixer
from anomaly_seg_training.resizing import resize_image
from anomaly_seg_training.tensors import channels_first
from anomaly_seg_training.timed import Batch

_UNKNOWN = 254
"""Stands for what an example marks as unknown while a mixer works on its labels."""
PSEUDO = ' (predicted)'
"""Ends the name of an example whose labels the start has given."""


class MixedCrops(Dataset[Batch]):
    """Crops into which a mixer puts proxies; item i of epoch e depends on (seed, e, i) alone.

    Args:
        crops: Where crops are cut.
        mixer: Puts proxies into them.
    """

    def __init__(self, crops: Crops, mixer: Mixer) -> None:
        self.crops = crops
        self.mixer = mixer

    def __len__(self) -> int:
        """Return the items per epoch."""
        return len(self.crops)

    def __getitem__(self, index: int) -> Batch:
        """Return one crop of size h x w.

        Returns:
            `image` (3, h, w) uint8 RGB with proxies, `clean` the same place as the camera saw
            it, `labels` (h, w) int64, `ood` (h, w) bool, True on proxies, and `held` (h, w) bool,
            True where no proxy changed the picture and the frame was either labelled there or has
            no labels.
        """
        cut = self.crops.cut(index)
        labels = cut.labels
        if cut.unknown is not None:
            # A mixer covers and replaces labels wherever it covers the picture.
            labels = np.where(cut.unknown, np.uint8(_UNKNOWN), labels)
        mixed = self.mixer(cut.image, labels, cut.rng)
        if cut.unknown is not None:
            shown = mixed.labels == _UNKNOWN
            mixed = Mixed(
                mixed.image,
                np.where(shown, np.uint8(IGNORE), mixed.labels),
                mixed.ood | shown,
            )
        bare = cut.example.labels is None or cut.example.name.endswith(PSEUDO)
        held = (mixed.image == cut.image).all(2) & ~mixed.ood
        if not bare:
            held &= mixed.labels != IGNORE
        return {
            'image': channels_first(mixed.image),
            'clean': channels_first(cut.plain),
            'labels': torch.from_numpy(mixed.labels.astype(np.int64)),
            'ood': torch.from_numpy(np.ascontiguousarray(mixed.ood)),
            'held': torch.from_numpy(held),
        }


@torch.no_grad()
def pseudo_labelled(examples: Sequence[Example], start: Start, sure: float) -> list[Example]:
    """Label the frames without labels by what the start is sure of.

    A second stream changes no prediction, and its octaves would not suit every view.

    Args:
        examples: Of one data set.
        start: Its network runs at each example's view.
        sure: The softmax that a prediction must exceed; with 1 the frames stay without labels.

    Returns:
        The examples; labels of those frames have the view's size, 255 where the start is not sure.
    """
    if sure >= 1:
        return list(examples)
    network = without_stream(start).network
    bare = sum(example.labels is None for example in examples)
    with tqdm(total=bare, desc='predictions', unit='image', disable=None if bare else True) as bar:

        def labelled(example: Example) -> Example:
            if example.labels is not None:
                return example
            labels = predict(network, start, example.image, example.view, sure)
            bar.update()
            return replace(example, name=example.name + PSEUDO, labels=labels)

        return [labelled(example) for example in examples]


@torch.inference_mode()
def predict(
    network: Segmenter, start: Start, image: NDArray[np.uint8], view: Size, sure: float
) -> NDArray[np.uint8]:
    """Return the classes (view's h, w) of an image, 255 where the softmax is not above `sure`."""
    device = next(network.parameters()).device
    batch = start.normalise(channels_first(resize_image(image, view))[None].to(device))
    logits = functional.interpolate(network.eval()(batch), view.shape, mode='bilinear')
    value, label = logits.softmax(1)[0].max(0)
    return label.masked_fill(value <= sure, IGNORE).cpu().numpy().astype(np.uint8)
