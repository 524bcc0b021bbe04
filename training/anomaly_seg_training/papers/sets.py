# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of the papers and ours: which are the same, which only have the name in common."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_seg_training.papers.tables import Columns

PAPER_SETS = {
    'fs_lost_and_found': 'Fishyscapes Lost & Found',
    'fs_static': 'Fishyscapes Static',
    'fs_web': 'Fishyscapes Web',
    'road_anomaly': 'RoadAnomaly',
    'lost_and_found': 'Lost and Found',
    'street_hazards': 'StreetHazards',
    'street_hazards_subsets': 'StreetHazards, known classes as anomalies',
    'bdd_anomaly': 'BDD-Anomaly',
    'cityscapes': 'Cityscapes',
}
"""Key -> name of each data set of the papers."""


@dataclass(frozen=True)
class OurSet:
    """A set that results of the lab name.

    Args:
        name: As results name it.
        of: A key of `PAPER_SETS`.
        split: Part of that data set, in the words of the papers' tables where they mean the same.
        words: What it is, for people.
    """

    name: str
    of: str
    split: str
    words: str


OUR_SETS = {
    found.name: found
    for found in (
        OurSet('FS_LostAndFound', 'fs_lost_and_found', 'validation', 'the validation set'),
        OurSet('FS_LostFound_full', 'fs_lost_and_found', 'half of validation',
               'half of the validation set'),
        *(OurSet(f'FS_Static_{v}', 'fs_static', 'validation', f'version {v[1]} of the validation '
                 'set (the paper names no version)') for v in ('v3', 'v2', 'v1')),
        OurSet('fs_static', 'fs_static', 'validation', 'the validation set'),
        OurSet('RoadAnomaly', 'road_anomaly', 'all', 'all images or a part of them'),
        OurSet('LostAndFound-testNoKnown', 'lost_and_found', 'test without known objects',
               'the test set without known objects, the road only'),
        OurSet('LostAndFound-test', 'lost_and_found', 'test', 'the test set, the road only'),
        OurSet('StreetHazards-test', 'street_hazards', 'test', 'the test set'),
        OurSet('BDD-Anomaly-test', 'bdd_anomaly', 'test', 'the test set'),
        OurSet('Cityscapes-val', 'cityscapes', 'validation', 'the validation set'),
        OurSet('cityscapes_mini/val', 'cityscapes', 'part of validation',
               'a part of the validation set'),
    )
}  # fmt: skip
"""Our sets that a data set of the papers stands behind, by name."""


def difference(columns: Columns, name: str, images: int | None) -> str:
    """Return why a figure of ours does not compare with those of a paper.

    Args:
        columns: Of the paper's table.
        name: A key of `OUR_SETS`.
        images: How many were measured; None if that is not known.

    Returns:
        A sentence without a full stop; empty if both are the same split with as many images.
    """
    ours = OUR_SETS[name]
    if (columns.split, columns.images) == (ours.split, images):
        return ''
    split = 'split ' * columns.split.startswith('not ') + columns.split
    theirs = split + ('' if columns.images is None else f', {columns.images} images')
    here = 'number of images not stored' if images is None else f'{images} images'
    return f'{columns.name} in the paper: {theirs}; {name}: {ours.words}, {here}'
