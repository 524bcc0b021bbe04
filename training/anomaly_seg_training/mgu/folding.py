# Copyright 2026 The anomaly_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norms of a frozen network folded into the convolutions before them."""

from __future__ import annotations

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Return a network in evaluation mode with fewer passes over its maps.

    Args:
        network: In evaluation mode; it stays as it is, and shares weights with the result.

    Returns:
        The same function up to rounding; `network` itself where it cannot be traced. ERFNet can,
        alone and below a second stream.
    """
    try:
        traced = fx.symbolic_trace(network)
    except (fx.proxy.TraceError, TypeError, RuntimeError):
        # What it computes depends on its input, or Python's own functions are applied to maps.
        return network
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        norm = modules.get(str(node.target)) if node.op == 'call_module' else None
        if not isinstance(norm, nn.BatchNorm2d) or not norm.track_running_stats:
            continue
        before = node.args[0] if node.args else node.kwargs['input']
        if before.op != 'call_module' or len(before.users) > 1:
            continue
        conv = modules[str(before.target)]
        if not isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
            continue
        transpose = isinstance(conv, nn.ConvTranspose2d)
        if transpose and conv.groups > 1:
            # Of such weights the second axis counts channels within a group.
            continue
        # Under a name of its own: the convolution may be used in another place, too.
        name = f'folded_{node.name}'
        traced.add_module(name, fuse_conv_bn_eval(conv, norm, transpose=transpose))
        before.target = name
        modules[name] = traced.get_submodule(name)
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced
