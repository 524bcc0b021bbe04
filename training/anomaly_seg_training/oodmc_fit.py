# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fit OODMC's pixel classifier with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.bundle import Bundle, Preprocessing
from anomaly_seg_ros.files import sha256_file
from anomaly_seg_ros.models import Segmenter, create_segmenter, load_weights
from anomaly_seg_ros.oodmc import (
    FeatureSpec,
    OodmcModel,
    PixelClassifier,
    Sampling,
    create_sampler,
    features,
    resolve,
    to_tensor,
)
from anomaly_seg_ros.oodmc.erfnet import LAST_TRAINED
from anomaly_seg_ros.oodmc.linear import LinearSampler
from anomaly_seg_ros.oodmc.sampler import Sampler
from anomaly_seg_ros.size import Size
from anomaly_seg_training.errors import LabError
from anomaly_seg_training.oodmc_examples import FitExample, choose_pixels

PIXELS = 2000
"""Known pixels per image, and as many unknown ones."""
COMPONENTS = 128
"""Of the kernel's approximation."""
HELD_OUT = 4
"""Every so many images are held out when a fit is judged."""


@dataclass(frozen=True)
class Network:
    """A segmenter and what it takes.

    Args:
        name: In ``models.SEGMENTERS``.
        segmenter: With weights, in evaluation mode.
        preprocessing: Its normalisation.
        input_size: The size at which it runs.
        weights_sha256: Of its weights file.
    """

    name: str
    segmenter: Segmenter
    preprocessing: Preprocessing
    input_size: Size
    weights_sha256: str

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> Network:
        """Rebuild the network of a bundle with weights."""
        card, weights = bundle.card, bundle.file('weights')
        options = {'num_classes': len(card.classes), **card.segmenter.options}
        segmenter = create_segmenter(card.segmenter.name, **options)
        load_weights(segmenter, weights)
        digest = sha256_file(weights)
        return cls(
            card.segmenter.name, segmenter.eval(), card.preprocessing, card.input_size, digest
        )

    @classmethod
    def of_checkpoint(cls, file: Path, outputs: int = 20, known: int = 19) -> Network:
        """Load an ERFNet checkpoint; its input is RGB / 255 at 1024x512."""
        segmenter = create_segmenter('erfnet', num_classes=outputs, known_classes=known)
        load_weights(segmenter, file)
        size = Size(1024, 512)
        return cls('erfnet', segmenter.eval(), Preprocessing(), size, sha256_file(file))


@dataclass(frozen=True)
class Pixels:
    """Moments of chosen pixels.

    Args:
        moments: (N, order, C) float32: mean and central moments.
        targets: (N,) uint8: 0 known, 1 unknown.
        images: (N,) int32: number of the image that each comes from.
    """

    moments: NDArray[np.float32]
    targets: NDArray[np.uint8]
    images: NDArray[np.int32]

    def features(self, spec: FeatureSpec) -> NDArray[np.float32]:
        """Return the features, (N, D)."""
        stack = torch.from_numpy(self.moments).permute(1, 2, 0)
        return features(stack, spec).T.contiguous().numpy()


def stacks(
    sampler: Sampler[Any],
    sampling: Sampling,
    image: torch.Tensor,
    counts: Sequence[int],
    order: int,
    *,
    softmax: bool = False,
) -> list[torch.Tensor]:
    """Return moments after several numbers of samples from one stream.

    Args:
        sampler: For `sampling`.
        sampling: Seed and forwards; its number of samples is not used.
        image: (1, 3, H, W), preprocessed.
        counts: Ascending numbers of samples; a 0 at the end stands for the exact moments.
        order: Highest order.
        softmax: Of probabilities.

    Returns:
        One (order, C, h, w) per count.
    """
    prepared = sampler.prepare(image)
    result: list[torch.Tensor] = []
    whole, done = None, 0
    for count in counts:
        if count == 0:
            assert isinstance(sampler, LinearSampler)
            result.append(sampler.exact(prepared, order))
            continue
        part = sampler.moments(
            prepared, order, sampling.seed, count - done, first=done, softmax=softmax
        )
        if whole is None:
            whole = part
        else:
            whole.merge(part)
        done = count
        result.append(sampler.finish(prepared, whole, softmax=softmax))
    return result


@torch.inference_mode()
def collect(
    network: Network,
    sampling: Sampling,
    examples: Iterable[FitExample],
    counts: Sequence[int],
    *,
    order: int = 4,
    softmax: bool = False,
    pixels: int = PIXELS,
    seed: int = 0,
) -> list[Pixels]:
    """Take the moments of chosen pixels of all examples, once for each number of samples.

    Raises:
        LabError: No pixel is unknown, or none is known.
    """
    sampler = create_sampler(network.segmenter, sampling)
    parts: list[list[NDArray[np.float32]]] = [[] for _ in counts]
    targets, images = [], []
    for number, example in enumerate(
        tqdm(examples, desc='moments', unit='image', disable=None)
    ):  # fmt: skip
        x = to_tensor(example.image, network.preprocessing, example.view)
        found = stacks(sampler, sampling, x, counts, order, softmax=softmax)
        height, width = found[0].shape[2:]
        rng = np.random.default_rng((seed, number))
        indices, its_targets = choose_pixels(example.target, (height, width), pixels, rng)
        for part, stack in zip(parts, found, strict=True):
            part.append(stack.flatten(2)[..., torch.from_numpy(indices)].permute(2, 0, 1).numpy())
        targets.append(its_targets)
        images.append(np.full(len(its_targets), number, np.int32))
    joined = np.concatenate(targets) if targets else np.empty(0, np.uint8)
    if len(np.unique(joined)) < 2:
        msg = (
            f'{len(targets)} images hold {int((joined == 1).sum())} unknown and '
            f'{int((joined == 0).sum())} known pixels, expected some of both'
        )
        raise LabError(msg)
    return [Pixels(np.concatenate(part), joined, np.concatenate(images)) for part in parts]


def fit_classifier(
    values: NDArray[np.float32],
    targets: NDArray[np.uint8],
    kind: str,
    factors: NDArray[np.float32],
    *,
    seed: int = 0,
    regularisation: float = 1.0,
    components: int = COMPONENTS,
) -> PixelClassifier:
    """Fit a linear support vector machine, on the features or on a kernel's approximation.

    Args:
        values: (N, D) features.
        targets: (N,): 0 known, 1 unknown; both classes weigh the same.
        kind: ``linear``, ``nystroem`` or ``fourier``.
        factors: (D,) factors of the standardised features.
        seed: Of the kernel's approximation.
        regularisation: scikit-learn's C; smaller is smoother.
        components: Of the kernel's approximation; gamma is 1 / D.

    Raises:
        OodmcError: The kind is unknown.
        LabError: A feature is not finite.
    """
    from sklearn.kernel_approximation import Nystroem, RBFSampler
    from sklearn.svm import LinearSVC

    if not np.isfinite(values).all():
        msg = 'a feature is NaN or infinite, expected finite numbers: check the network'
        raise LabError(msg)
    mean = values.mean(0, dtype=np.float64)
    spread = values.std(0, dtype=np.float64)
    # A feature that never changes says nothing.
    scale = np.where(spread > 1e-12, factors / np.maximum(spread, 1e-12), 0.0)
    z = (values - mean) * scale
    gamma = 1.0 / values.shape[1]
    arrays: dict[str, NDArray[Any]] = {'mean': mean, 'scale': scale}
    if kind == 'nystroem':
        kernel = Nystroem(gamma=gamma, n_components=components, random_state=seed)
        mapped = kernel.fit_transform(z)
    elif kind == 'fourier':
        kernel = RBFSampler(gamma=gamma, n_components=components, random_state=seed)
        mapped = kernel.fit_transform(z)
    else:
        mapped = z
    # The primal problem: there are far more pixels than features.
    machine = LinearSVC(C=regularisation, dual=False, class_weight='balanced', random_state=seed)
    machine.fit(mapped, targets)
    weights = machine.coef_[0]
    if kind == 'nystroem':
        # scikit-learn maps by kernel values times a matrix, which goes into the weights.
        weights = kernel.normalization_.T @ weights
        arrays |= {'centres': kernel.components_, 'gamma': np.array([gamma])}
    elif kind == 'fourier':
        weights = weights * np.sqrt(2 / components)
        arrays |= {'directions': kernel.random_weights_.T, 'offsets': kernel.random_offset_}
    arrays |= {'weights': weights, 'bias': machine.intercept_}
    return PixelClassifier(
        kind,
        {
            name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
            for name, array in arrays.items()
        },
    )


def fit_on(
    pixels: Pixels,
    spec: FeatureSpec,
    kind: str = 'linear',
    *,
    seed: int = 0,
    regularisation: float = 1.0,
) -> PixelClassifier:
    """Fit a classifier on pixels' moments."""
    factors = spec.weights(pixels.moments.shape[2]).numpy()
    return fit_classifier(
        pixels.features(spec), pixels.targets, kind, factors, seed=seed,
        regularisation=regularisation,
    )  # fmt: skip


def held_out(
    pixels: Pixels, spec: FeatureSpec, kind: str, *, seed: int, regularisation: float
) -> dict[str, float]:
    """Fit on most images and judge on the others.

    Returns:
        AUROC and average precision on the chosen pixels of every fourth image, or nothing where
        those hold one kind of pixel only.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    away = pixels.images % HELD_OUT == HELD_OUT - 1
    if any(len(np.unique(pixels.targets[part])) < 2 for part in (away, ~away)):
        return {}
    rest = Pixels(pixels.moments[~away], pixels.targets[~away], pixels.images[~away])
    classifier = fit_on(rest, spec, kind, seed=seed, regularisation=regularisation)
    values = torch.from_numpy(pixels.features(spec)[away].T.copy())
    scores = classifier.decide(values).numpy()
    return {
        'auroc': round(float(roc_auc_score(pixels.targets[away], scores)), 4),
        'ap': round(float(average_precision_score(pixels.targets[away], scores)), 4),
    }


def fit(
    network: Network,
    sampling: Sampling,
    spec: FeatureSpec,
    examples: Iterable[FitExample],
    *,
    kind: str = 'linear',
    pixels: int = PIXELS,
    seed: int = 0,
    regularisation: float = 1.0,
) -> OodmcModel:
    """Fit OODMC on a network.

    Returns:
        The model; ``fitted`` holds the numbers of pixels and the figures on held-out images.

    Raises:
        LabError: There are no unknown or no known pixels.
        OodmcError: Sampling and network do not fit together.
    """
    found = collect(
        network, sampling, examples, (sampling.samples,), order=spec.order, softmax=spec.softmax,
        pixels=pixels, seed=seed,
    )[0]  # fmt: skip
    judged = held_out(found, spec, kind, seed=seed, regularisation=regularisation)
    classifier = fit_on(found, spec, kind, seed=seed, regularisation=regularisation)
    return OodmcModel(
        network.name,
        network.segmenter.num_classes,
        network.weights_sha256,
        sampling,
        spec,
        classifier,
        {
            'images': int(found.images.max()) + 1,
            'known_pixels': int((found.targets == 0).sum()),
            'unknown_pixels': int((found.targets == 1).sum()),
            'held_out': judged,
        },
    )


def default_sampling(
    network: Network,
    *,
    samples: int = 128,
    layers: Sequence[str] = (),
    rate: float | None = None,
    seed: int = 0,
    whole: bool = False,
) -> Sampling:
    """Return the forwards that are drawn unless others are asked for.

    Args:
        network: The network.
        samples: Stochastic forwards.
        layers: Active dropout layers; none for the default.
        rate: Of all of them; None for their own.
        seed: Of the masks.
        whole: No coarse forwards, where there are some.
    """
    rates = resolve(network.segmenter, tuple(layers), rate)
    # ERFNet writes squares of 2x2 logits that are linear in the same features: their average
    # costs a fourth and says almost as much.
    pool = 2 if network.name == 'erfnet' else 1
    coarse = network.name == 'erfnet' and set(rates) == {LAST_TRAINED} and not whole
    return Sampling(rates, samples=samples, seed=seed, pool=pool, coarse=coarse)


def with_origin(model: OodmcModel, origin: dict[str, Any]) -> OodmcModel:
    """Return the model with where it comes from."""
    return replace(model, fitted={**model.fitted, **origin})
