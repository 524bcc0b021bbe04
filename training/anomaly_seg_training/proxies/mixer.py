# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all mixers share, and how one is made from names and options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from anomaly_seg_ros.registry import Registry
from anomaly_seg_training.proxies.base import Aligner, Mixed, Proxy, ProxyError
from anomaly_seg_training.recipe_file import Recipe


@dataclass(frozen=True)
class MixerConfig(Recipe):
    """What every mixer can be told.

    Args:
        probability: Share of the pictures that get a proxy; the others pass unchanged.
    """

    probability: float = 0.1

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.require_share('probability')


ConfigT = TypeVar('ConfigT', bound=MixerConfig)


class ProxyMixer(ABC, Generic[ConfigT]):
    """A mixer that draws from a list of proxies.

    Args:
        proxies: At least one; objects or whole photographs, as `reads` tells.
        config: Of the type `config_type`; None for its defaults.
        aligner: Changes each proxy before it is put into a scene; None leaves it as it is.
        known: Objects with labels, for mixers that paste such ones too.

    Raises:
        ProxyError: There is no proxy, or the configuration is another mixer's.
    """

    config_type: type[ConfigT]
    reads: ClassVar[str] = 'objects'

    def __init__(
        self,
        proxies: Sequence[Proxy],
        config: ConfigT | None = None,
        aligner: Aligner | None = None,
        known: Sequence[Proxy] = (),
    ) -> None:
        if not proxies:
            msg = 'received no proxy, expected at least one to mix into the scenes'
            raise ProxyError(msg)
        if config is not None and not isinstance(config, self.config_type):
            msg = f'received a {type(config).__name__}, expected {self.config_type.__name__}'
            raise ProxyError(msg)
        self.proxies = proxies
        self.config = config or self.config_type()
        self.aligner = aligner
        self.known = known

    def __call__(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Mix a proxy into the picture, or, with 1 - `probability`, return it as it is."""
        if rng.random() >= self.config.probability:
            return Mixed(image, labels, np.zeros(labels.shape, bool))
        return self.mix(image, labels, rng)

    @abstractmethod
    def mix(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
    ) -> Mixed:
        """Return a picture with proxies; arguments as for `Mixer`."""

    def draw(self, rng: np.random.Generator) -> Proxy:
        """Draw one of the proxies."""
        return self.proxies[int(rng.integers(len(self.proxies)))]


MIXERS: Registry[type[ProxyMixer[Any]]] = Registry('mixer')


def create_mixer(
    name: str,
    proxies: Sequence[Proxy],
    options: Mapping[str, Any] | None = None,
    aligner: Aligner | None = None,
    known: Sequence[Proxy] = (),
) -> ProxyMixer[Any]:
    """Return a mixer by its name.

    Args:
        name: One of `MIXERS`.
        proxies: What it draws from.
        options: Keys and values of its configuration.
        aligner: As for `ProxyMixer`.
        known: As for `ProxyMixer`.

    Raises:
        KeyError: There is no such mixer.
        ProxyError: There is no proxy.
        RecipeError: An option is unknown or cannot be used.
    """
    mixer = MIXERS.get(name)
    return mixer(proxies, mixer.config_type.from_dict(options or {}), aligner, known)
