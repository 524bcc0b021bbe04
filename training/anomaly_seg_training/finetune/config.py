# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A fine-tuning's recipe: one YAML file, one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anomaly_seg_ros.models import MAX_OCTAVES
from anomaly_seg_ros.refinement import RefinementError, Shrinkage
from anomaly_seg_ros.scores import SCORES
from anomaly_seg_training.alignment import ALIGNERS
from anomaly_seg_training.data import READERS
from anomaly_seg_training.finetune.losses import OOD_LOSSES
from anomaly_seg_training.proxies import MIXERS
from anomaly_seg_training.recipe_file import SIZE_STEP, Recipe, RecipeError, require

LAST = 'last'
HEAD = 'head'
UNMIXED = 'none'
ALL = 'all'
STREAM = 'stream'
EVIDENCE = 'evidence'
PARTS = (LAST, HEAD, ALL, STREAM, EVIDENCE)


@dataclass(frozen=True)
class FinetuneRecipe(Recipe):
    """How a trained segmenter learns what is none of its classes.

    Args:
        name: Name of the bundle that comes out.
        shares: Data set -> share of the crops.
        segmenter: A name of ``models.SEGMENTERS``, for a start from a checkpoint; a start from a
            bundle brings its own, and may leave this empty.
        options: Options of that segmenter, ``num_classes`` among them where the checkpoint has
            more outputs than there are classes.
        mean: Of RGB in [0, 1], as the checkpoint was trained.
        std: The same.
        class_map: Cityscapes' class -> class of the segmenter, for a bundle of other classes;
            Cityscapes' classes that are left out are ignored.
        licence: Texts by topic for the bundle's card, added to those of the start's card.
        reader_options: Data set -> options of its reader.
        pseudo_labels: Frames without labels get the start's predictions where its softmax exceeds
            this; 1 gives none.
        input_size: Size at which the network runs in the bundle, WIDTHxHEIGHT.
        crop: Size of training crops, WIDTHxHEIGHT, multiples of 32.
        scale: Lowest and highest random scale, relative to each data set's view. A crop that does
            not fit the view takes the whole of the side that is too short, which stretches it; all
            fit where the lowest is 1.073 times the larger of crop / view.
        rare_share: Share of crops that are centred on a class drawn uniformly.
        distort: Whether light, colour and sharpness of crops are changed at random.
        proxies: Where stand-ins for the unknown come from: ``annotations``, a COCO-format file,
            and ``images``, its photographs, both relative to the folder of the data sets; beside
            them keys of ``proxies.ProxyRules``, ``drawn``, how many objects that this package
            draws join them, and ``min_photograph_side``, the least width and height, in pixels, of
            photographs that are taken whole, as ``maxent`` takes them.
        mixer: A name of ``proxies.MIXERS``, or ``none`` where sources bring what is unknown.
        mixer_options: Keys of its configuration, ``probability`` among them.
        aligner: A name of ``alignment.ALIGNERS``; ``none`` pastes objects as they are.
        aligner_options: Keys of its configuration.
        trained: What is trained: ``last``, the layer that gives the logits; ``head``, the decoder
            with it; ``all``; or a second stream beside the segmenter, which itself stays as it is:
            ``stream``, one with a single output (`models.UnknownStream`), or ``evidence``, one
            with the segmenter's classes (`models.EvidenceStream`).
        stream_gain: See `models.UnknownStream`; for ``stream`` only.
        stream_octaves: Sizes at which a second stream sees the picture, see `models.TwoStreams`.
            It is trained at one, so ``scale`` should reach down to 0.5. Sides of ``input_size``
            and ``validation_size`` must be multiples of 32 in the smallest.
        stream_sharpness: How much the size counts at which least speaks for the classes, see
            `models.TwoStreams`.
        stream_mirrored: Whether it sees mirrored pictures too, see `models.TwoStreams`.
        dropout: Whether dropout of the trained part is on.
        loss: A name of ``finetune.losses.OOD_LOSSES``.
        loss_options: Options of that loss.
        ood_weight: Weight of its part on unknown pixels, gamma in the papers.
        id_weight: Weight of its part on known pixels.
        hold_weight: Weight of the KL divergence to the start's predictions on pixels that show
            nothing pasted and are not ignored.
        hold_logits_weight: Weight of the squared difference of the logits there.
        temperature: Of the divergence.
        hold_margin: Distance from unknown pixels, in logits, below which nothing is held.
        batch: Crops per step and device.
        steps: Steps at most; the schedule ends here or when the time is up.
        epoch_steps: Steps between checkpoints.
        learning_rate: At the start, by AdamW.
        power: Of the polynomial by which it falls to 0.
        warm_up: Share of the run in which the rate first rises.
        weight_decay: Of weights with two dimensions and more.
        ema: Decay of averaged weights, which are exported then; 0 exports the trained ones. After
            t steps it is at most (1 + t) / (10 + t): in 630 steps, all above 0.986 are alike.
        start_share: Share of the start's weights in those that are exported, see `blending.Blend`.
        shrinkage: Of the bundle: how far class statistics are drawn together before scores are
            standardised, ``mean`` and ``std``, each 0 (as SML) to 1.
        gradient_clip: Largest norm of the gradient.
        precision: Lightning's precision, ``32-true`` or for GPUs ``16-mixed``, ``bf16-mixed``.
        validation: Data set -> options of its reader, the labelled frames that are measured on.
        validation_proxies: As `proxies`; pasted into these frames.
        validation_epochs: Measure every so many epochs, and at both ends; 0 never.
        validation_frames: How many frames, evenly spaced.
        validation_size: At which the network runs there, WIDTHxHEIGHT.
        validation_scores: Names of the scores that are measured.
    """

    name: str
    shares: dict[str, float]
    segmenter: str = ''
    options: dict[str, Any] = field(default_factory=dict)
    mean: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    std: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])
    class_map: dict[str, str] = field(default_factory=dict)
    licence: dict[str, str] = field(default_factory=dict)
    reader_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    pseudo_labels: float = 0.9
    input_size: str = '1024x512'
    crop: str = '512x256'
    scale: list[float] = field(default_factory=lambda: [0.75, 1.5])
    rare_share: float = 0.0
    distort: bool = False
    proxies: dict[str, Any] = field(
        default_factory=lambda: {
            'annotations': 'coco128/annotations/instances_train2017.json',
            'images': 'coco128/images/train2017',
        }
    )
    mixer: str = 'anomaly_mix'
    mixer_options: dict[str, Any] = field(default_factory=dict)
    aligner: str = 'none'
    aligner_options: dict[str, Any] = field(default_factory=dict)
    trained: str = HEAD
    stream_gain: float = 3.0
    stream_octaves: int = 1
    stream_sharpness: float = 0.0
    stream_mirrored: bool = False
    dropout: bool = False
    loss: str = 'topk_ovr'
    loss_options: dict[str, Any] = field(default_factory=dict)
    ood_weight: float = 0.05
    id_weight: float = 1.0
    hold_weight: float = 0.0
    hold_logits_weight: float = 0.0
    temperature: float = 1.0
    hold_margin: int = 0
    batch: int = 4
    steps: int = 500
    epoch_steps: int = 50
    learning_rate: float = 1e-5
    power: float = 0.9
    warm_up: float = 0.0
    weight_decay: float = 0.01
    ema: float = 0.0
    start_share: float = 0.0
    shrinkage: dict[str, float] = field(default_factory=dict)
    gradient_clip: float = 5.0
    precision: str = '32-true'
    validation: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {'cityscapes': {'split': 'val'}}
    )
    validation_proxies: dict[str, Any] = field(
        default_factory=lambda: {
            'annotations': 'coco128/annotations/instances_val2017.json',
            'images': 'coco128/images/val2017',
        }
    )
    validation_epochs: int = 1
    validation_frames: int = 6
    validation_size: str = '512x256'
    validation_scores: list[str] = field(default_factory=lambda: ['max_logit'])

    def __post_init__(self) -> None:
        """Refuse values out of range, each in one sentence.

        Raises:
            RecipeError: A value cannot be used.
        """
        good = self.stream_octaves in range(1, MAX_OCTAVES + 1)
        require(good, 'stream_octaves', self.stream_octaves, f'1 to {MAX_OCTAVES}')
        self.require_sizes('crop')
        # The coarsest octave must suit the network, too; crops are seen at their own size alone.
        step = SIZE_STEP * 2 ** (self.stream_octaves - 1)
        self.require_sizes('input_size', 'validation_size', step=step)
        self.require_scales('scale')
        self.require_shares(self.shares, (*self.reader_options, *self.validation), READERS)
        for key, known in (
            ('loss', OOD_LOSSES.names()),
            ('mixer', (*MIXERS.names(), UNMIXED)),
            ('aligner', ALIGNERS.names()),
            ('trained', PARTS),
        ):
            require(getattr(self, key) in known, key, getattr(self, key), f'one of {list(known)}')
        for name in self.validation_scores:
            require(name in SCORES, 'validation_scores', name, f'names of {SCORES.names()}')
        for key in ('mean', 'std'):
            value = getattr(self, key)
            good = len(value) == 3 and all(isinstance(v, (int, float)) for v in value)
            require(good and (key == 'mean' or min(value) > 0), key, value, 'three numbers')
        keys = [] if self.mixer == UNMIXED else ['proxies']
        keys += ['validation_proxies'] if self.validation_epochs else []
        for key in keys:
            self._require_proxies(key)
        try:
            Shrinkage(**self.shrinkage)
        except (RefinementError, TypeError) as error:
            msg = f"recipe key 'shrinkage': expected mean and std, each 0 to 1 ({error})"
            raise RecipeError(msg) from error
        self.require_at_least(1, 'batch', 'steps', 'epoch_steps')
        self.require_positive('learning_rate', 'temperature', 'gradient_clip', 'stream_gain')
        self.require_share('rare_share', 'warm_up', 'pseudo_labels')
        for key in ('ema', 'start_share'):
            require(0 <= getattr(self, key) < 1, key, getattr(self, key), '0 to less than 1')
        self.require_at_least(
            0, 'power', 'weight_decay', 'ood_weight', 'id_weight', 'hold_weight',
            'hold_logits_weight', 'hold_margin', 'validation_epochs', 'stream_sharpness',
        )  # fmt: skip
        if self.validation_epochs:
            self.require_at_least(1, 'validation_frames')
            require(bool(self.validation), 'validation', {}, 'a data set, or validation_epochs 0')
            require(bool(self.validation_scores), 'validation_scores', [], 'a score at least')
        weights = (self.ood_weight, self.id_weight, self.hold_weight, self.hold_logits_weight)
        if not any(weights):
            msg = 'all weights of the recipe are 0, so nothing would be learnt: set ood_weight'
            raise RecipeError(msg)

    def _require_proxies(self, key: str) -> None:
        """Refuse places of proxies that are not told, and numbers out of range.

        Raises:
            RecipeError: The key's value cannot be used.
        """
        value = getattr(self, key)
        for name in ('annotations', 'images'):
            require(isinstance(value.get(name), str), key, value, f'a path {name!r} in it')
        for name, most in (('drawn', 10_000), ('min_photograph_side', 100_000)):
            number = value.get(name, 0)
            good = type(number) is int and 0 <= number <= most
            require(good, key, value, f'{name!r} from 0 to {most}')

    @property
    def holds(self) -> bool:
        """Whether predictions are compared with the start's."""
        return self.hold_weight > 0 or self.hold_logits_weight > 0
