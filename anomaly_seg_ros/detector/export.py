# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector as one ONNX file, checked against the network that it came from."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_seg_ros.bundle.resynthesis import SCORE as RESYNTHESIS
from anomaly_seg_ros.detector.graph import LABELS, Detector
from anomaly_seg_ros.errors import AnomalySegError
from anomaly_seg_ros.files import atomic_path
from anomaly_seg_ros.refinement import NONE, ClassStatistics, split_output, statistics_table

OPSET = 18
IMAGE = 'image'
STATISTICS = 'statistics'
MIN_EQUAL_LABELS = 0.999
MIN_EQUAL_FOLLOWING = 0.99
MAX_SCORE_ERROR = 1e-3


class ExportError(AnomalySegError):
    """A detector cannot be exported, or the exported graph gives other numbers."""


def export(detector: Detector, path: Path | str) -> None:
    """Write a detector as ONNX with input ``image`` and one output per `output_names`.

    Where outputs take class statistics these are the input ``statistics``, not constants: they
    are taken after the export, on a machine that has neither PyTorch nor onnx.

    Number, height and width of the images stay free; the network's size is fixed. The file is
    written only after ONNX Runtime has given the same labels (> 99.9 %) and scores (to 1e-3) as
    PyTorch, on images of the network's size and of another one.

    Args:
        detector: On the CPU; it is put into evaluation mode.
        path: The file to write.

    Raises:
        ExportError: A package is missing, the segmenter has an operator that cannot be exported,
            or the numbers differ.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401 - the check below needs it
        import onnxscript  # noqa: F401 - the exporter needs it
    except ImportError as error:
        msg = f'export needs the package {error.name}: pip install onnx onnxruntime onnxscript'
        raise ExportError(msg) from error
    detector.eval()
    width, height = detector.input_size
    # Neither the network's size nor a batch of one, which the exporter would take for constants.
    example = torch.zeros((2, height + 6, width + 10, 3), dtype=torch.uint8)
    free = {0: torch.export.Dim('n'), 1: torch.export.Dim('h'), 2: torch.export.Dim('w')}
    names = [IMAGE, STATISTICS] if detector.takes_statistics else [IMAGE]
    with atomic_path(path) as temporary, torch.inference_mode(), _quiet():
        try:
            statistics = _neutral_statistics(detector)
            torch.onnx.export(
                detector.portable().eval(),
                (example, statistics)[: len(names)],
                str(temporary),
                dynamo=True,
                opset_version=OPSET,
                input_names=names,
                output_names=list(detector.output_names),
                dynamic_shapes=(free, None)[: len(names)],
                external_data=False,
                verbose=False,
            )
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            msg = f'{type(detector.segmenter).__name__} cannot be exported to ONNX: {reason[-1]}'
            raise ExportError(msg) from error
        model = onnx.load(str(temporary))
        _centre_label_pixels(model)
        _strip(model)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(temporary))
        _compare(detector, temporary)


def _centre_label_pixels(model: Any) -> None:
    """Give the nearest-neighbour resizing of labels the half-pixel convention.

    It is PyTorch's 'nearest-exact', for which its exporter has no single operator.
    """
    from onnx import helper

    producers = {output: node for node in model.graph.node for output in node.output}
    node = producers[LABELS]
    while node.op_type != 'Resize':
        node = producers[node.input[0]]
    kept = [a for a in node.attribute if a.name not in _LABEL_RESIZE]
    if not any(a.name == 'mode' and a.s == b'nearest' for a in kept):
        msg = 'the exporter did not write the labels as a nearest-neighbour resizing'
        raise ExportError(msg)
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(k, v) for k, v in _LABEL_RESIZE.items())


_LABEL_RESIZE = {
    'coordinate_transformation_mode': 'half_pixel',
    'nearest_mode': 'round_prefer_ceil',
}


def _strip(model: Any) -> None:
    """Remove what the exporter notes for debugging: source lines, stack traces, file paths."""
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info,
                 *model.graph.input, *model.graph.output, *model.graph.initializer):  # fmt: skip
        item.doc_string = ''
        del item.metadata_props[:]


def _compare(detector: Detector, path: Path) -> None:
    """Refuse a file whose numbers are not the network's."""
    from onnxruntime import InferenceSession

    session = InferenceSession(str(path), providers=['CPUExecutionProvider'])
    width, height = detector.input_size
    random = np.random.default_rng(0)
    for shape in ((1, height, width, 3), (1, height * 2 // 3 + 1, width // 2 + 3, 3)):
        image = random.integers(0, 256, shape, dtype=np.uint8)
        feeds: dict[str, NDArray[Any]] = {IMAGE: image}
        if detector.takes_statistics:
            feeds[STATISTICS] = _statistics(detector, image)
        results = session.run(list(detector.output_names), feeds)
        expected = detector(*map(torch.from_numpy, feeds.values()))
        for name, ours, theirs in zip(detector.output_names, expected, results, strict=True):
            score, refinement = split_output(name)
            follows = refinement != NONE or score == RESYNTHESIS
            problem = difference(ours.numpy(), theirs, follows_labels=follows)
            if problem is not None:
                msg = f'the exported output {name!r} differs from PyTorch: {problem}'
                raise ExportError(msg)


def _neutral_statistics(detector: Detector) -> torch.Tensor:
    """Return means of 0 and standard deviations of 1, of the shape that the detector takes."""
    width, height = detector.input_size
    classes = detector.segmenter(torch.zeros(1, 3, height, width)).shape[1]
    return torch.from_numpy(statistics_table(None, detector.score_names, classes))


def _statistics(detector: Detector, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return statistics to compare with: means of one image's scores, deviations around 1.

    Real deviations may be tiny, and would magnify what is rounding in a score to an error.
    """
    table = _neutral_statistics(detector).numpy()
    results = detector.run(torch.from_numpy(image), (LABELS, *detector.score_names))
    for row, name in zip(table, detector.score_names, strict=True):
        statistics = ClassStatistics(table.shape[2])
        statistics.update(results[name].numpy(), results[LABELS].numpy())
        row[0] = statistics.compute().mean
        row[1] = np.linspace(0.8, 1.6, table.shape[2])
    return table


def difference(
    ours: NDArray[Any], theirs: NDArray[Any], *, follows_labels: bool = False
) -> str | None:
    """Say how one output of two engines differs by more than the tolerance; None if it does not.

    Bytes must be equal in 99.9 % of the pixels (confidence may round the other way by one step),
    scores to 1e-3 of the largest magnitude or of 1, whichever is larger. Refined scores, and that
    of re-synthesis, must be so in 99 % of the pixels: they follow the labels, and one that was
    rounded the other way changes those around it.
    """
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f'{ours.shape} {ours.dtype} instead of {theirs.shape} {theirs.dtype}'
    if ours.dtype == np.uint8:
        equal = float(np.mean(ours == theirs))
        return None if equal > MIN_EQUAL_LABELS else f'only {equal:.2%} of the pixels are equal'
    errors = np.abs(ours - theirs)
    share = MIN_EQUAL_FOLLOWING if follows_labels else 1.0
    error = float(np.quantile(errors, share)) if errors.size else 0.0
    allowed = MAX_SCORE_ERROR * max(1.0, float(np.max(np.abs(ours), initial=0)))
    return None if error <= allowed else f'by {error:.2g}, {allowed:.2g} is allowed'


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes to developers away from users."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(disabled)
