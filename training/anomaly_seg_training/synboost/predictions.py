# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the frozen segmenter says of whole scenes: asked once, kept in files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_seg_ros.detector import Detector
from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.images import read_image
from anomaly_seg_ros.models.resynthesis import softmax_distance
from anomaly_seg_ros.models.resynthesis.framework import resized
from anomaly_seg_ros.scores import DenseLogits, entropy
from anomaly_seg_training.synboost.scenes import Scene


@dataclass(frozen=True)
class SegmentedScene:
    """A scene and what the segmenter says of it.

    Args:
        scene: As it was read.
        predicted: (h, w, 3) uint8 at the segmenter's size: labels, and softmax entropy and softmax
            distance in 255ths.
    """

    scene: Scene
    predicted: NDArray[np.uint8]


class Predictions:
    """Asks a segmenter about scenes at its own size, as the detector will, and keeps the answers.

    The segmenter takes most of the time of a step of training and always says the same. Files are
    named by a hash of weights, size and image, so that several runs may share a folder.

    Args:
        detector: Whose segmenter is asked, in evaluation mode, on its own device.
        folder: Of the files; made if need be.
    """

    def __init__(self, detector: Detector, folder: Path) -> None:
        self.detector = detector
        self.folder = folder
        digest = hashlib.sha256(f'{detector.input_size}'.encode())
        parts = {'mean': detector.mean, 'scale': detector.scale, **detector.segmenter.state_dict()}
        for name, tensor in parts.items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        self._digest = digest

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return labels, entropy and distance of an (H, W, 3) uint8 RGB image.

        Returns:
            See `SegmentedScene.predicted`.

        Raises:
            ImageError: The file that holds the answer is damaged.
        """
        digest = self._digest.copy()
        digest.update(str(image.shape).encode())
        digest.update(np.ascontiguousarray(image).tobytes())
        path = self.folder / f'{digest.hexdigest()[:32]}.png'
        if path.is_file():
            return read_image(path)
        found = self._ask(image)
        ok, data = cv2.imencode('.png', found[..., ::-1])
        assert ok
        with atomic_path(path) as temporary:
            temporary.write_bytes(data.tobytes())
        return found

    def of(self, sources: Mapping[str, Sequence[Scene]]) -> dict[str, list[SegmentedScene]]:
        """Return scenes with what the segmenter says of them."""
        total = sum(len(scenes) for scenes in sources.values())
        with tqdm(total=total, desc='segmenting', unit='image', disable=None) as bar:
            result: dict[str, list[SegmentedScene]] = {}
            for name, scenes in sources.items():
                result[name] = []
                for scene in scenes:
                    result[name].append(SegmentedScene(scene, self(scene.image)))
                    bar.update()
        return result

    @torch.inference_mode()
    def _ask(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        detector = self.detector
        frame = torch.from_numpy(np.ascontiguousarray(image))[None]
        raw = detector.segmenter(detector.preprocess(frame.to(detector.mean.device)))
        logits = DenseLogits(resized(raw, detector.input_size.shape))
        doubts = torch.stack([entropy(logits), softmax_distance(logits)], 1)
        values = torch.cat([logits.labels[:, None].float(), 255 * doubts.float()], 1)
        return np.ascontiguousarray(values[0].round().byte().permute(1, 2, 0).cpu().numpy())
