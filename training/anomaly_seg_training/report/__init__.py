# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results of an evaluation as one HTML page that needs no network and no other file."""

from anomaly_seg_training.report.gallery import GalleryConfig, gallery
from anomaly_seg_training.report.page import page, write_page
from anomaly_seg_training.report.results_file import read_results

__all__ = ['GalleryConfig', 'gallery', 'page', 'read_results', 'write_page']
