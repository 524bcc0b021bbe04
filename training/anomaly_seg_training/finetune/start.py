# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The trained segmenter that a fine-tuning begins with, from a bundle or from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.bundle import Bundle, Preprocessing, SegmenterSpec
from anomaly_seg_ros.classes import CITYSCAPES, IGNORE, ClassSet
from anomaly_seg_ros.files import sha256_file
from anomaly_seg_ros.models import Segmenter, create_segmenter, load_weights
from anomaly_seg_training.class_names import named
from anomaly_seg_training.data import Example
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.finetune.config import FinetuneRecipe


@dataclass(frozen=True)
class Start:
    """A segmenter and what is known of it.

    Args:
        network: In evaluation mode.
        spec: What rebuilds it.
        preprocessing: What it was trained with.
        classes: What it knows.
        about: For the run's file: where the weights come from, with their hash.
        licence: Texts by topic.
        training: How it was trained, as the bundle's card tells; empty for a checkpoint.
    """

    network: Segmenter
    spec: SegmenterSpec
    preprocessing: Preprocessing
    classes: ClassSet
    about: dict[str, Any]
    licence: dict[str, str] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def normalise(self, image: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, h, w) uint8 RGB to what the network takes."""
        mean, std = (
            torch.tensor(values, device=image.device).view(1, 3, 1, 1) * 255
            for values in (self.preprocessing.mean, self.preprocessing.std)
        )
        return ((image.float() - mean) / std).contiguous(memory_format=torch.channels_last)

    def as_dict(self) -> dict[str, Any]:
        """Return what rebuilds the network and names its classes, for the run's file."""
        return {
            **self.about,
            'segmenter': self.spec.name,
            'options': self.spec.options,
            'mean': list(self.preprocessing.mean),
            'std': list(self.preprocessing.std),
            'classes': {
                'names': list(self.classes.names),
                'palette': [list(colour) for colour in self.classes.palette],
                'drivable': list(self.classes.drivable),
            },
            'licence': self.licence,
            **({'run': self.training} if self.training else {}),
        }


def start_from_bundle(recipe: FinetuneRecipe, path: str) -> Start:
    """Open a bundle.

    Raises:
        AnomalySegError: It cannot be used, or is of another segmenter than the recipe's.
    """
    start = start_from(Bundle.open(path))
    if recipe.segmenter not in ('', start.spec.name):
        msg = (
            f"recipe key 'segmenter': received {recipe.segmenter!r}, but the bundle {path} is a "
            f'{start.spec.name}: leave it empty or take another bundle'
        )
        raise LabError(msg)
    return start


def start_from(bundle: Bundle) -> Start:
    """Load the segmenter of a bundle with weights.

    Raises:
        AnomalySegError: It cannot be used.
    """
    card = bundle.card
    spec = card.segmenter
    network = create_segmenter(spec.name, **{'num_classes': len(card.classes), **spec.options})
    weights = bundle.file('weights')
    load_weights(network, weights)
    about = {'bundle': card.name, 'sha256': sha256_file(weights)}
    return Start(
        _checked(network.eval(), len(card.classes)), spec, card.preprocessing, card.classes,
        about, dict(card.licence), dict(card.training),
    )  # fmt: skip


def start_from_checkpoint(recipe: FinetuneRecipe, path: Path) -> Start:
    """Load a checkpoint of a segmenter that knows Cityscapes' classes.

    Raises:
        KeyError: The segmenter is unknown.
        AnomalySegError: The checkpoint cannot be read or does not fit.
    """
    if not recipe.segmenter:
        msg = (
            "the recipe has no key 'segmenter', and a checkpoint does not tell it: add the key, "
            'or start from a bundle'
        )
        raise LabError(msg)
    options = dict(recipe.options)
    network = create_segmenter(recipe.segmenter, **{'num_classes': len(CITYSCAPES), **options})
    load_weights(network, path)
    mean, std = ((float(v[0]), float(v[1]), float(v[2])) for v in (recipe.mean, recipe.std))
    about = {'checkpoint': path.name, 'sha256': sha256_file(path)}
    return Start(
        _checked(network.eval(), len(CITYSCAPES)), SegmenterSpec(recipe.segmenter, options),
        Preprocessing(mean, std), CITYSCAPES, about,
    )  # fmt: skip


def _checked(network: Segmenter, classes: int) -> Segmenter:
    if network.num_classes != classes:
        msg = (
            f'the segmenter gives {network.num_classes} logits for {classes} classes, expected as '
            "many: set its options, for example {'num_classes': 20, 'known_classes': 19}"
        )
        raise LabError(msg)
    return network


def label_table(class_map: dict[str, str], classes: ClassSet) -> NDArray[np.uint8]:
    """Return the label of the segmenter for each label of a data set, (256,) uint8.

    Args:
        class_map: Cityscapes' class -> class of the segmenter; empty where they are the same.
        classes: What the segmenter knows.

    Raises:
        LabError: A name is unknown, or the map leaves a class of the segmenter without any.
    """
    table = np.full(256, IGNORE, np.uint8)
    if not class_map:
        if classes.names != CITYSCAPES.names:
            msg = (
                f'the segmenter knows other classes than Cityscapes ({", ".join(classes.names)}): '
                "add the recipe key 'class_map', Cityscapes' class -> class of the segmenter"
            )
            raise LabError(msg)
        class_map = {name: name for name in CITYSCAPES.names}
    for name, target in class_map.items():
        if name not in CITYSCAPES.names or target not in classes.names:
            known = CITYSCAPES.names if name not in CITYSCAPES.names else classes.names
            wrong = name if name not in CITYSCAPES.names else target
            msg = f"recipe key 'class_map': {wrong!r} is none of {', '.join(known)}"
            raise LabError(msg)
        table[CITYSCAPES.names.index(name)] = classes.names.index(target)
    bare = [name for name in classes.names if name not in class_map.values()]
    if bare:
        msg = (
            f"recipe key 'class_map' gives nothing to the segmenter's classes {', '.join(bare)}: "
            'name a class of Cityscapes for each of them'
        )
        raise LabError(msg)
    return table


def translated(example: Example, table: NDArray[np.uint8]) -> Example:
    """Return the example with the segmenter's labels."""
    if example.labels is None:
        return example
    return replace(example, labels=table[example.labels])


def in_classes(example: Example, class_map: dict[str, str], classes: ClassSet) -> Example:
    """Return the example with the segmenter's labels, whatever classes it has.

    Args:
        example: Labels of Cityscapes are translated by `label_table`, others by their names;
            classes that the segmenter does not know are ignored.
        class_map: See `label_table`.
        classes: What the segmenter knows.

    Raises:
        LabError: The map cannot be used, or no name is the segmenter's.
    """
    if example.labels is None:
        return example
    if example.classes != CITYSCAPES.names:
        return named(example, classes)
    table = label_table(class_map, classes)
    return replace(translated(example, table), classes=classes.names)
