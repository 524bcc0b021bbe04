# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pixel classifier: a linear one, on the features or on a kernel's approximation of them.

The lab fits it with scikit-learn; what is kept are plain arrays, and the decision is computed
here, so that neither scikit-learn nor a pickle is needed to use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from anomaly_seg_ros.oodmc.errors import OodmcError

KINDS: dict[str, tuple[str, ...]] = {
    'linear': (),
    'nystroem': ('centres', 'gamma'),
    'fourier': ('directions', 'offsets'),
}
"""Arrays of each kind besides `mean`, `scale`, `weights` and `bias`."""


@dataclass(frozen=True)
class PixelClassifier:
    """A decision function of a feature vector f; larger = more anomalous, 0 = undecided.

    With z = (f - mean) * scale: ``linear`` gives w.z + b; ``nystroem``
    sum_m w_m exp(-gamma |z - c_m|^2) + b (Williams and Seeger 2001); ``fourier``
    sum_m w_m cos(z.d_m + o_m) + b (Rahimi and Recht 2007).

    Args:
        kind: A key of `KINDS`.
        arrays: float32: ``mean`` and ``scale`` (D,), ``weights`` (D,) or (M,), ``bias`` (1,);
            ``centres`` (M, D) and ``gamma`` (1,), or ``directions`` (M, D) and ``offsets`` (M,).

    Raises:
        OodmcError: Arrays are missing, do not fit together or are not finite.
    """

    kind: str
    arrays: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        if self.kind not in KINDS:
            msg = f'unknown classifier {self.kind!r}; choose one of: {", ".join(KINDS)}'
            raise OodmcError(msg)
        names = {'mean', 'scale', 'weights', 'bias', *KINDS[self.kind]}
        if set(self.arrays) != names:
            msg = (
                f'the {self.kind} classifier holds the arrays {sorted(self.arrays)}, '
                f'expected {sorted(names)}: fit it again'
            )
            raise OodmcError(msg)
        d = self.arrays['mean'].numel()
        m = d if self.kind == 'linear' else self.arrays['weights'].numel()
        shapes = {
            'mean': (d,), 'scale': (d,), 'weights': (m,), 'bias': (1,), 'centres': (m, d),
            'gamma': (1,), 'directions': (m, d), 'offsets': (m,),
        }  # fmt: skip
        for name, array in self.arrays.items():
            if tuple(array.shape) != shapes[name] or array.dtype != torch.float32:
                msg = (
                    f'the array {name} of the classifier is {array.dtype} '
                    f'{tuple(array.shape)}, expected float32 {shapes[name]}: fit it again'
                )
                raise OodmcError(msg)
            if not bool(torch.isfinite(array).all()):
                msg = f'the array {name} of the classifier is not finite: fit it again'
                raise OodmcError(msg)

    @property
    def dimensions(self) -> int:
        """The number of features, D."""
        return self.arrays['mean'].numel()

    def to(self, device: str | torch.device) -> PixelClassifier:
        """Return the classifier on a device."""
        return PixelClassifier(self.kind, {k: v.to(device) for k, v in self.arrays.items()})

    def decide(self, features: Tensor) -> Tensor:
        """Return the decision for each pixel.

        Args:
            features: (D, N) float32.

        Returns:
            (N,) float32, higher = more anomalous.

        Raises:
            OodmcError: There is another number of features.
        """
        if features.ndim != 2 or features.shape[0] != self.dimensions:
            msg = (
                f'received features of shape {tuple(features.shape)}, expected '
                f'({self.dimensions}, N): use the order and the network of the fit'
            )
            raise OodmcError(msg)
        a = self.arrays
        weights, bias = a['weights'], a['bias']
        if self.kind == 'linear':
            # The standardisation goes into the weights, so the features are read once.
            scaled = weights * a['scale']
            return scaled @ features + (bias - scaled @ a['mean'])
        z = (features - a['mean'][:, None]) * a['scale'][:, None]
        if self.kind == 'fourier':
            angles = torch.addmm(a['offsets'][:, None], a['directions'], z)
            return weights @ angles.cos_() + bias
        # |z - c|^2 = |z|^2 - 2 z.c + |c|^2, as one matrix product.
        distances = torch.addmm(z.square().sum(0)[None], a['centres'], z, alpha=-2)
        distances = distances.add_(a['centres'].square().sum(1)[:, None]).clamp_(min=0)
        return weights @ distances.mul_(-a['gamma']).exp_() + bias
