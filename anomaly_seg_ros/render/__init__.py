# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of results: overlays, legends, contact sheets and videos. Images are RGB uint8."""

from anomaly_seg_ros.render.errors import RenderError
from anomaly_seg_ros.render.key import Key, draw_key, key_panel
from anomaly_seg_ros.render.legend import caption, class_legend, colour_bar, mask_legend
from anomaly_seg_ros.render.overlay import CONTENTS, overlay
from anomaly_seg_ros.render.palette import colorize, heat
from anomaly_seg_ros.render.sheet import contact_sheet
from anomaly_seg_ros.render.video import VideoWriter

__all__ = [
    'CONTENTS',
    'Key',
    'RenderError',
    'VideoWriter',
    'caption',
    'class_legend',
    'colorize',
    'colour_bar',
    'contact_sheet',
    'draw_key',
    'heat',
    'key_panel',
    'mask_legend',
    'overlay',
]
