# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a bundle's card and weights to its detector."""

from __future__ import annotations

from typing import Any

import torch

from anomaly_seg_ros.bundle import Bundle, BundleError
from anomaly_seg_ros.detector.graph import Detector
from anomaly_seg_ros.detector.resynthesis import ResynthesisDetector
from anomaly_seg_ros.models import Segmenter, create_segmenter, load_state, read_state_dict
from anomaly_seg_ros.models.resynthesis import Resynthesis

SEGMENTER, RESYNTHESIS = 'segmenter.', 'resynthesis.'
"""What weights files of re-synthesis bundles put before the names of tensors."""


def create_detector(bundle: Bundle) -> Detector:
    """Rebuild a bundle's detector, in evaluation mode and on the CPU.

    Args:
        bundle: A bundle with weights.

    Raises:
        BundleError: The bundle has no weights, or its card names what does not exist.
        ModelError: The weights do not fit the networks.
    """
    path, card = bundle.file('weights'), bundle.card
    try:
        segmenter = create_segmenter(card.segmenter.name, **_options(bundle))
        state = read_state_dict(path)
        if card.resynthesis is None:
            load_state(segmenter, state, str(path))
            return Detector(
                segmenter, card.preprocessing, card.input_size, card.scores, card.refinements,
                card.classes.drivable,
            ).eval()  # fmt: skip
        resynthesis = Resynthesis(card.resynthesis)
        detector = ResynthesisDetector(
            segmenter, resynthesis, card.preprocessing, card.input_size, card.scores,
            card.refinements, card.classes.drivable,
        )  # fmt: skip
    except KeyError as error:
        msg = f'the card of {bundle.path} names an {error.args[0]}'
        raise BundleError(msg) from error
    load_state(segmenter, _part(state, SEGMENTER), f'{path}, segmenter')
    load_state(resynthesis, _part(state, RESYNTHESIS), f'{path}, re-synthesis')
    return detector.eval()


def detector_state(segmenter: Segmenter, resynthesis: Resynthesis) -> dict[str, torch.Tensor]:
    """Return all tensors of a re-synthesis detector as its bundle's weights file names them."""
    return {
        f'{prefix}{name}': tensor
        for prefix, network in ((SEGMENTER, segmenter), (RESYNTHESIS, resynthesis))
        for name, tensor in network.state_dict().items()
    }


def _part(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}


def _options(bundle: Bundle) -> dict[str, Any]:
    """Return the segmenter's options; unless they say otherwise it has the card's classes."""
    return {'num_classes': len(bundle.card.classes), **bundle.card.segmenter.options}
