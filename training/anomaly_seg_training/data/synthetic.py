# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generated street scenes with exact labels, without unknown objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anomaly_seg_ros.size import Size
from anomaly_seg_training.data.base import READERS, Example

VIEW = Size(1024, 512)


@READERS.register('synthetic')
def read(root: Path, *, clips: int = 40, frames: int = 2, seed: int = 1000) -> Iterator[Example]:
    """Yield frames of generated clips.

    A teacher trained on photographs has nothing to say about drawings: `taught` is False.

    Args:
        root: Not used; a scene needs no file.
        clips: Number of clips, each with its own street, weather and light.
        frames: Frames per clip, two seconds apart.
        seed: Seed of the first clip; the next ones follow. Tests and the demo use small seeds.
    """
    del root
    from anomaly_seg_ros.synthetic import SceneConfig, StreetClip

    for index in range(clips):
        config = SceneConfig(
            size=VIEW, seed=seed + index, frames=frames, fps=0.5, unknown_objects=0,
            traffic=1.5, people=1.5, motion_blur=0.0,
        )  # fmt: skip
        clip = StreetClip(config)
        for number in range(frames):
            frame = clip[number]
            name = f'synthetic/{seed + index}/{number}'
            yield Example(name, frame.image, frame.labels, VIEW, taught=False)
