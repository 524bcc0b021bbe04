# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Input to bag, bag through the nodes, outputs to pictures and figures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anomaly_seg_ros.bags.reader import Bag
from anomaly_seg_ros.bags.recording import record
from anomaly_seg_ros.bundle import Card
from anomaly_seg_ros.demo.pictures import write_sheet, write_video
from anomaly_seg_ros.demo.versions import versions
from anomaly_seg_ros.files import write_json
from anomaly_seg_ros.pipeline import Replay, run_replay
from anomaly_seg_ros.pipeline.progress import ReplayBar
from anomaly_seg_ros.selection import Selection
from anomaly_seg_ros.size import Size
from anomaly_seg_ros.sources import SourceOptions, open_source
from anomaly_seg_ros.sources.bag import choose_image_topic
from anomaly_seg_ros.sources.choose import SYNTHETIC, is_bag

SYNTHETIC_FRAMES = 64
INPUT_FRAMES = 100
SYNTHETIC_SIZE = Size(1024, 512)
OVERLAY_TOPIC = '/detector/overlay'
KEYS = (
    'frames_in', 'frames_out', 'lost', 'skipped', 'rate_hz', 'latency_ms', 'auroc', 'ap', 'fpr95',
    'miou',
)  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """What to show.

    Args:
        input: A video, a folder of images, a bag, or ``'synthetic'``.
        out: Folder for everything that is made.
        card: Card of the bundle that the detector runs.
        selection: The score that it publishes.
        detector: Parameters of the detector node.
        options: Which frames; without a number, 64 of the synthetic clip and 100 of other input.
        size: Resize frames to this; None keeps theirs.
    """

    input: str
    out: Path
    card: Card
    selection: Selection
    detector: dict[str, Any]
    options: SourceOptions = field(default_factory=SourceOptions)
    size: Size | None = None


def run_demo(demo: Demo) -> dict[str, Any]:
    """Run the chain as real processes over DDS, in lock-step, and write what there is to see.

    In `out`: ``input`` (bag, unless the input is one), ``output`` (bag), ``overlay.mp4``,
    ``contact_sheet.png``, ``summary.json``, ``evaluation.json``, ``logs``.

    Returns:
        The summary.

    Raises:
        AnomalySegError: The input cannot be read or a node failed.
    """
    demo.out.mkdir(parents=True, exist_ok=True)
    summary_file = demo.out / 'summary.json'
    # A run that fails must not leave the last one's success to be read.
    summary_file.unlink(missing_ok=True)
    options = demo.options
    if options.frames is None:
        frames = SYNTHETIC_FRAMES if demo.input == SYNTHETIC else INPUT_FRAMES
        options = replace(options, frames=frames)
    bag = _bag(demo, options)
    with Bag(bag) as opened:
        topic = choose_image_topic(opened.topics, options.topic, bag)
    output = demo.out / 'output'
    with ReplayBar() as bar:
        figures = run_replay(
            Replay(
                bag=bag,
                results=demo.out,
                output_bag=output,
                topic=topic,
                frames=options.frames,
                classes=len(demo.card.classes),
                detector=demo.detector,
                own_graph=True,
            ),
            bar.played,
        )
    with tqdm(total=figures['frames_out'], desc='video', unit='frame') as video_bar:
        write_video(output, OVERLAY_TOPIC, demo.out / 'overlay.mp4', video_bar.update)
    sheet = demo.out / 'contact_sheet.png'
    write_sheet(bag, topic, output, demo.card.classes, demo.selection, sheet)
    summary = {
        **{key: figures[key] for key in KEYS},
        'input': demo.input,
        'bundle': demo.card.name,
        'score': demo.selection.score,
        'refinement': demo.selection.refinement,
        'threshold': demo.selection.threshold,
        'versions': versions(),
    }
    write_json(summary_file, summary)
    return summary


def _bag(demo: Demo, options: SourceOptions) -> Path:
    """Return the bag to play: the input itself when it is one, a recording of it otherwise."""
    path = Path(demo.input)
    if demo.input != SYNTHETIC and is_bag(path) and demo.size is None:
        return path
    size = demo.size
    if demo.input == SYNTHETIC:
        size = size or SYNTHETIC_SIZE
    source = open_source(demo.input, replace(options, size=size))
    bag = demo.out / 'input'
    with tqdm(total=source.expected, desc='record', unit='frame') as bar:
        record(source, bag, size=size, overwrite=True, progress=bar.update)
    return bag
