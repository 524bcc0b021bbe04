# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A segmenter's training recipe: one YAML file, one frozen dataclass."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from anomaly_seg_ros.size import Size, SizeError
from anomaly_seg_training.data import READERS
from anomaly_seg_training.errors import LabError


class RecipeError(LabError):
    """A recipe file is missing, holds an unknown key or a value that cannot be used."""


@dataclass(frozen=True)
class SegmenterRecipe:
    """How a segmenter is distilled from a teacher and labelled frames.

    Args:
        name: Name of the bundle that comes out.
        segmenter: A name of ``models.SEGMENTERS``.
        options: Options of that segmenter.
        licence: Texts by topic for the bundle's card: what the data and the teacher allow.
        teacher: A name of ``models.SEGMENTERS``; its checkpoint comes from the command line.
        teacher_classes: Outputs of the teacher; the first 19 are Cityscapes' classes.
        input_size: Size at which the network runs in the bundle, WIDTHxHEIGHT.
        crop: Size of training crops, WIDTHxHEIGHT, multiples of 32.
        scale: Lowest and highest random scale, relative to each data set's view.
        shares: Data set -> share of the crops.
        reader_options: Data set -> options of its reader.
        batch: Crops per step and device.
        steps: Steps at most; the schedule ends here or when the time is up.
        epoch_steps: Steps between checkpoints.
        learning_rate: Peak of the schedule for the convolutions, by Muon.
        encoder: Package whose weights the encoder starts from, see ``pretrained.PACKAGES``; empty
            for fresh weights.
        frozen_blocks: With `encoder`: blocks after the stem that stay as they are.
        encoder_rate: With `encoder`: peak for its other parameters, by AdamW.
        head_rate: Peak for norms, biases and the outermost layers, by AdamW.
        weight_decay: On convolution weights only.
        ema: Decay of the averaged weights that are exported.
        temperature: Of the distillation on logits.
        label_weight: Weight of the cross entropy with ground truth.
        teacher_weight: Weight of the KL divergence to the teacher.
        feature_weight: Weight of the feature distillation.
        deep_weight: Weight of label and teacher loss on features at an eighth of the resolution.
        rare_share: Share of crops that are centred on a class drawn uniformly.
        mix_share: Share of crops that get classes of another crop pasted (ClassMix).
        style_source: Data set whose colours crops of the others take on; empty for none.
        style_share: Share of those crops.
        norm_images: Images per data set that give the exported batch norm statistics.
        precision: Lightning's precision, ``32-true`` or for GPUs ``16-mixed``, ``bf16-mixed``.
    """

    name: str
    segmenter: str
    teacher: str
    shares: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)
    licence: dict[str, str] = field(default_factory=dict)
    reader_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    teacher_classes: int = 20
    input_size: str = '1024x512'
    crop: str = '512x384'
    scale: list[float] = field(default_factory=lambda: [0.75, 2.0])
    batch: int = 6
    steps: int = 6000
    epoch_steps: int = 100
    learning_rate: float = 0.02
    encoder: str = ''
    frozen_blocks: int = 3
    encoder_rate: float = 4e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.01
    ema: float = 0.998
    temperature: float = 1.5
    label_weight: float = 1.0
    teacher_weight: float = 1.0
    feature_weight: float = 0.5
    deep_weight: float = 0.4
    rare_share: float = 0.4
    mix_share: float = 0.4
    style_source: str = ''
    style_share: float = 0.0
    norm_images: int = 16
    precision: str = '32-true'

    def __post_init__(self) -> None:
        """Refuse values out of range, each in one sentence.

        Raises:
            RecipeError: A value cannot be used.
        """
        for key in ('input_size', 'crop'):
            try:
                size = Size.parse(getattr(self, key))
            except SizeError as error:
                msg = f'recipe key {key!r}: {error}'
                raise RecipeError(msg) from error
            if size.width % 32 or size.height % 32:
                msg = f'recipe key {key!r}: received {size}, expected multiples of 32'
                raise RecipeError(msg)
        _require(
            len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1],
            'scale', self.scale, 'two positive numbers, the lower first',
        )  # fmt: skip
        for key in self.shares | self.reader_options:
            _require(key in READERS, 'shares', key, f'names of {READERS.names()}')
        values = list(self.shares.values())
        _require(
            bool(values) and min(values) >= 0 and sum(values) > 0,
            'shares', self.shares, 'shares of at least 0 that are not all 0',
        )  # fmt: skip
        for key in ('batch', 'steps', 'epoch_steps', 'teacher_classes', 'norm_images'):
            _require(getattr(self, key) >= 1, key, getattr(self, key), 'at least 1')
        for key in ('learning_rate', 'head_rate', 'encoder_rate', 'temperature'):
            _require(getattr(self, key) > 0, key, getattr(self, key), 'more than 0')
        for key in ('ema', 'rare_share', 'mix_share', 'style_share'):
            _require(0 <= getattr(self, key) <= 1, key, getattr(self, key), '0 to 1')
        for key in ('frozen_blocks', 'weight_decay', 'label_weight', 'teacher_weight',
                    'feature_weight', 'deep_weight'):  # fmt: skip
            _require(getattr(self, key) >= 0, key, getattr(self, key), 'at least 0')

    @classmethod
    def load(cls, path: Path | str) -> SegmenterRecipe:
        """Read a recipe from a YAML file.

        Raises:
            RecipeError: The file cannot be read, or a key or value cannot be used.
        """
        path = Path(path)
        try:
            content = yaml.safe_load(path.read_text('utf-8'))
        except OSError as error:
            msg = f'cannot read the recipe {path}: {error.strerror or error}'
            raise RecipeError(msg) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            reason = ' '.join(str(error).split())
            msg = f'the recipe {path} is not valid YAML: {reason}'
            raise RecipeError(msg) from error
        if not isinstance(content, dict):
            msg = f'the recipe {path} holds {type(content).__name__}, expected keys and values'
            raise RecipeError(msg)
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> SegmenterRecipe:
        """Check names and types of keys and values, then build the recipe.

        Raises:
            RecipeError: A key is unknown or missing, or a value has another type.
        """
        fields = {f.name: f for f in dataclasses.fields(cls)}
        hints = typing.get_type_hints(cls)
        for key in content:
            if key not in fields:
                msg = f'unknown recipe key {key!r}; expected some of: {", ".join(fields)}'
                raise RecipeError(msg)
        for key in ('name', 'segmenter', 'teacher', 'shares'):
            if key not in content:
                msg = f'the recipe has no key {key!r}: add it'
                raise RecipeError(msg)
        values: dict[str, Any] = {}
        for key, value in content.items():
            wanted = typing.get_origin(hints[key]) or hints[key]
            if wanted is float and type(value) is int:
                value = float(value)
            # bool is an int in Python, but true is no number of steps.
            if not isinstance(value, wanted) or isinstance(value, bool):
                msg = (
                    f'recipe key {key!r}: received {value!r} ({type(value).__name__}), '
                    f'expected {wanted.__name__}'
                )
                raise RecipeError(msg)
            values[key] = value
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return all keys and values, for YAML and the bundle's card."""
        return dataclasses.asdict(self)


def _require(good: bool, key: str, value: Any, expected: str) -> None:
    if not good:
        msg = f'recipe key {key!r}: received {value!r}, expected {expected}'
        raise RecipeError(msg)
