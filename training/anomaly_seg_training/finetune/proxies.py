# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a recipe's words to proxies and to the mixer that puts them into crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.classes import ClassSet
from anomaly_seg_training.alignment import create_aligner
from anomaly_seg_training.finetune.config import UNMIXED, FinetuneRecipe
from anomaly_seg_training.proxies import (
    MIXERS,
    Mixed,
    Proxy,
    ProxyMixer,
    ProxyRules,
    create_mixer,
    drawn_objects,
    read_known_objects,
    read_objects,
    read_photographs,
)


class Proxies(list[Proxy]):
    """What stands in for the unknown."""

    @property
    def categories(self) -> list[str]:
        """Return the names of all categories that they show, sorted.

        A name with a comma comes in parts, as photographs name what they show.
        """
        return sorted({word for proxy in self for word in proxy.category.split(', ')} - {''})


def read_proxies(
    options: Mapping[str, Any], classes: ClassSet, data: Path, kind: str = 'objects'
) -> Proxies:
    """Read what stands in for the unknown.

    Args:
        options: ``annotations`` and ``images``, keys of `ProxyRules`, of which `classes` are those
            of the segmenter unless given, ``drawn``: how many objects of `drawn_objects` join the
            unknown ones, and ``min_photograph_side``: the least side of a photograph.
        classes: What the segmenter knows.
        data: Folder that the paths are relative to.
        kind: ``objects`` or ``photographs``, what a mixer `reads`; ``known`` for objects that the
            segmenter knows.

    Raises:
        AnomalySegError: The file or an option cannot be used, or nothing is left.
    """
    own = ('annotations', 'images', 'drawn', 'min_photograph_side')
    rest = {key: value for key, value in options.items() if key not in own}
    rules = ProxyRules.from_dict({'classes': list(classes.names), **rest})
    annotations, images = data / options['annotations'], data / options['images']
    if kind == 'known':
        return Proxies(read_known_objects(annotations, images, classes.names, rules))
    if kind == 'photographs':
        least = options.get('min_photograph_side', 0)
        return Proxies(read_photographs(annotations, images, rules, min_side=least))
    drawn = drawn_objects(options.get('drawn', 0), rules.seed)
    return Proxies([*read_objects(annotations, images, rules), *drawn])


class Unmixed:
    """A mixer that leaves every scene as it is."""

    proxies: Sequence[Proxy] = ()

    def __call__(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Return the scene, in which nothing was pasted."""
        del rng
        return Mixed(image, labels, np.zeros(labels.shape, bool))


def make_mixer(recipe: FinetuneRecipe, classes: ClassSet, data: Path) -> ProxyMixer[Any] | Unmixed:
    """Make the recipe's mixer with its proxies and its aligner.

    Objects stand on the segmenter's drivable classes unless the recipe says otherwise.

    Raises:
        AnomalySegError: Something of it cannot be used.
    """
    if recipe.mixer == UNMIXED:
        return Unmixed()
    kind = MIXERS.get(recipe.mixer).reads
    proxies = read_proxies(recipe.proxies, classes, data, kind)
    aligner = create_aligner(recipe.aligner, recipe.aligner_options)
    options = dict(recipe.mixer_options)
    if 'ground' in {entry.name for entry in fields(MIXERS.get(recipe.mixer).config_type)}:
        options.setdefault('ground', list(classes.drivable))
    known = read_proxies(recipe.proxies, classes, data, 'known') if options.get('known') else ()
    return create_mixer(recipe.mixer, proxies, options, aligner, known)
