"""Geometry of boxes given by their corners: x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import torch
from torch import Tensor


def giou(one_F: Tensor, other_F: Tensor) -> Tensor:
    """Generalised intersection over union, -1 to 1 (Rezatofighi et al. 2019), of [..., 4]."""
    low, high = torch.maximum(one_F, other_F), torch.minimum(one_F, other_F)
    both = (high[..., 2:] - low[..., :2]).clamp_min(0).prod(-1)
    hull = (low[..., 2:] - high[..., :2]).prod(-1)
    either = _area(one_F) + _area(other_F) - both
    return both / either.clamp_min(1e-6) - (hull - either) / hull.clamp_min(1e-6)


def _area(boxes_F: Tensor) -> Tensor:
    return (boxes_F[..., 2:] - boxes_F[..., :2]).prod(-1)


def inside_means(values_BYXC: Tensor, boxes_BKF: Tensor, first: float) -> Tensor:
    """[B, K, C]: mean of ``values`` over the positions inside each box; 0 where there are none.

    ``first`` is the pixel coordinate of the first position.
    """

    def covered(count: int, low: Tensor, high: Tensor) -> Tensor:
        line = torch.arange(count, device=low.device) + first
        return ((line >= low[..., None]) & (line < high[..., None])).to(values_BYXC.dtype)

    rows_BKY = covered(values_BYXC.shape[1], boxes_BKF[..., 1], boxes_BKF[..., 3])
    columns_BKX = covered(values_BYXC.shape[2], boxes_BKF[..., 0], boxes_BKF[..., 2])
    flat = torch.einsum("bky,byxc->bkxc", rows_BKY, values_BYXC)
    total = torch.einsum("bkx,bkxc->bkc", columns_BKX, flat)
    return total / (rows_BKY.sum(-1) * columns_BKX.sum(-1)).clamp_min(1)[..., None]
